/* SPDX-License-Identifier: MIT
 *
 * Streams without a server: those that have to go on wait until it has been
 * dialled, once for all that wait by then, and hear why if it cannot be had. */
#include "proxy/streams.h"

#include "proxy/relay.h"
#include "proxy/stream.h"

void streams_want_server(struct stream *stream)
{
    struct streams *streams = stream->streams;
    bool tried = stream->number <= streams->down_last && !stream->waited;
    if (tried || streams->forbidden)
        stream_answer(stream, streams->down_status, streams->down_why);
    else
        streams->seeks = true;
}

/* Whoever has not been sent yet goes there. */
static void lead_to(struct streams *streams, struct speaker *server)
{
    for (struct stream *stream = streams->first; stream;
         stream = stream->next) {
        stream->waited &= !!stream->request.ask.held;
        if (stream->request.state >= WAY_PASS)
            continue;
        stream->request.to = stream->response.from = server;
        if (stream->request.state == WAY_READY)
            streams_wake(stream);
    }
}

int streams_dialled(struct streams *streams, bool server_h2)
{
    struct relay *relay = streams->relay;
    streams->seeks = false;
    if (relay->server.open) {
        streams->server = streams_speak(streams, &relay->server, server_h2);
        if (!streams->server)
            return -1;
    } else {
        streams->down_status = relay->absent.status;
        streams->down_why = relay->absent.reason;
        streams->down_last = streams->last;
    }
    lead_to(streams, streams->server);
    return 0;
}

void streams_bury_server(struct streams *streams)
{
    struct speaker *server = streams->server;
    streams->server = NULL;
    streams->down_last = 0;
    for (struct stream *stream = streams->first; stream;
         stream = stream->next) {
        if (stream->request.to == server) {
            stream->request.to = NULL;
            if (stream->request.state == WAY_PASS)
                stream->request.state = WAY_DONE;
        }
        if (stream->response.from == server)
            stream->response.from = NULL;
        stream->request.touched = false;
        stream->server_id = 0;
        stream->on_server = false;
        streams_wake(stream);
    }
    server->calls->free(server);
    relay_leave_server(streams->relay);
}
