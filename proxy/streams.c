/* SPDX-License-Identifier: MIT
 *
 * The two speakers take turns with the streams until nothing moves any more.
 * Streams that something happened to are on a list, so a turn costs as much
 * as what happened, however many wait. */
#include "proxy/streams.h"

#include "proxy/relay.h"
#include "proxy/stream.h"
#include "proxy/worker.h"

#include <stdlib.h>
#include <string.h>

/* Closing ones count too, but are not the victim's to end. */
enum { STREAMS_KEPT = 2 * STREAMS_MOST };

/* ---- life ---------------------------------------------------------------- */

struct speaker *streams_speak(struct streams *streams, struct end *end, bool h2)
{
    if (h2)
        return h2_speaker_new(streams, end);
    return end->leg == LEG_VICTIM ? h1_speaker_new(streams, end)
                                  : lanes_speaker_new(streams);
}

struct streams *streams_open(struct relay *relay, bool victim_h2,
                             bool server_h2)
{
    struct streams *streams = calloc(1, sizeof *streams);
    if (!streams)
        return NULL;
    streams->relay = relay;
    streams->victim = streams_speak(streams, &relay->victim, victim_h2);
    streams->server = streams_speak(streams, &relay->server, server_h2);
    if (streams->victim && streams->server)
        return streams;
    streams_free(streams);
    return NULL;
}

struct streams *streams_open_absent(struct relay *relay, bool victim_h2)
{
    struct streams *streams = calloc(1, sizeof *streams);
    if (!streams)
        return NULL;
    streams->relay = relay;
    streams->down_status = relay->absent.status;
    streams->down_why = relay->absent.reason;
    streams->down_last = 1;
    streams->victim = streams_speak(streams, &relay->victim, victim_h2);
    if (streams->victim)
        return streams;
    streams_free(streams);
    return NULL;
}

struct streams *streams_open_forbidden(struct relay *relay, int status,
                                       const char *why)
{
    struct streams *streams = streams_open_absent(relay, true);
    if (!streams)
        return NULL;
    streams->forbidden = true;
    streams->down_status = status;
    streams->down_why = arena_text(&relay->flow.arena, why);
    if (streams->down_why)
        return streams;
    streams_free(streams);
    return NULL;
}

static void unlink_stream(struct streams *streams, struct stream *stream)
{
    if (stream->before)
        stream->before->next = stream->next;
    else
        streams->first = stream->next;
    if (stream->next)
        stream->next->before = stream->before;
    streams->count--;
    streams->past++;
}

/* The speakers go last: some of what they do is still told to streams. */
void streams_free(struct streams *streams)
{
    if (!streams)
        return;
    struct speaker *speakers[] = {streams->victim, streams->server};
    while (streams->first) {
        struct stream *stream = streams->first;
        unlink_stream(streams, stream);
        stream_free(stream);
    }
    for (unsigned i = 0; i < 2; i++)
        if (speakers[i])
            speakers[i]->calls->free(speakers[i]);
    free(streams);
}

struct stream *streams_add(struct streams *streams)
{
    struct stream *stream = streams->count < STREAMS_KEPT && !streams->leaving
                                ? stream_new(streams, ++streams->last)
                                : NULL;
    if (!stream)
        return NULL;
    stream->next = streams->first;
    if (stream->next)
        stream->next->before = stream;
    streams->first = stream;
    streams->count++;
    return stream;
}

void streams_wake(struct stream *stream)
{
    struct streams *streams = stream->streams;
    if (stream->awake)
        return;
    stream->awake = true;
    stream->next_awake = NULL;
    if (streams->awake)
        streams->awake_last->next_awake = stream;
    else
        streams->awake = stream;
    streams->awake_last = stream;
}

/* ---- turns --------------------------------------------------------------- */

/* Hooks that took their time have no other way to say so. */
static void wake_decided(struct streams *streams)
{
    if (!streams->relay->held)
        return;
    for (struct stream *stream = streams->first; stream; stream = stream->next)
        if (stream->request.ask.resumed || stream->response.ask.resumed)
            streams_wake(stream);
}

static void wake_all(struct streams *streams)
{
    for (struct stream *stream = streams->first; stream; stream = stream->next)
        streams_wake(stream);
}

static void write_note(struct way *way)
{
    if (way->state == WAY_DONE && !way->touched && way->note.sent_end)
        way_write_note(way, way->whole && !way->cut);
}

/* What is done is told, and what is closed on both legs goes. */
static void settle(struct streams *streams, struct stream *stream)
{
    write_note(&stream->request);
    write_note(&stream->response);
    if (!stream->over || stream->on_victim || stream->on_server ||
        stream->victim_id || stream->server_id || stream->awake)
        return;
    unlink_stream(streams, stream);
    stream_free(stream);
}

/* In the order in which something happened to them. */
struct settling {
    struct stream *first, *last;
};

static void add_settling(struct settling *settling, struct stream *stream)
{
    if (stream->settling)
        return;
    stream->settling = true;
    stream->next_settling = NULL;
    if (settling->first)
        settling->last->next_settling = stream;
    else
        settling->first = stream;
    settling->last = stream;
}

static bool advance_awake(struct streams *streams, struct settling *settling)
{
    bool any = streams->awake;
    while (streams->awake) {
        struct stream *stream = streams->awake;
        streams->awake = stream->next_awake;
        stream->awake = false;
        if (!stream->over)
            stream_advance(stream);
        add_settling(settling, stream);
    }
    return any;
}

static void settle_all(struct streams *streams, struct settling *settling)
{
    struct stream *next;
    for (struct stream *stream = settling->first; stream; stream = next) {
        next = stream->next_settling;
        stream->settling = false;
        settle(streams, stream);
    }
}

static bool turn(struct streams *streams)
{
    struct speaker *victim = streams->victim, *server = streams->server;
    struct settling settling = {0};
    bool any = victim->calls->hear(victim);
    if (server)
        any |= server->calls->hear(server);
    wake_decided(streams);
    any |= advance_awake(streams, &settling);
    if (server)
        any |= server->calls->flush(server);
    any |= victim->calls->flush(victim);
    any |= advance_awake(streams, &settling);
    settle_all(streams, &settling);
    return any;
}

/* ---- the ends ------------------------------------------------------------ */

static bool is_deaf(const struct end *end)
{
    return end->hears != END_HEARS;
}

/* Nothing will come from there any more. A server of HTTP/1.1 may go and come
 * back (lanes.h). */
static void lose_server(struct streams *streams)
{
    struct speaker *server = streams->server;
    if (!server || !server->h2 || server->mood == SPEAKER_GONE ||
        !is_deaf(server->end) || buf_len(end_input(server->end)))
        return;
    server->mood = SPEAKER_GONE;
    wake_all(streams);
}

/* Streams that wait for a server that is gone are told. */
static void drop_dead(struct streams *streams)
{
    struct speaker *server = streams->server;
    if (!server || server->mood != SPEAKER_GONE)
        return;
    for (struct stream *stream = streams->first; stream;
         stream = stream->next) {
        if (stream->on_server)
            stream_came_reset(stream, server, STREAM_INTERNAL_ERROR);
        if (stream->server_id || stream->request.state == WAY_READY)
            streams_wake(stream);
        stream->server_id = 0;
    }
}

void streams_leave(struct streams *streams)
{
    struct speaker *victim = streams->victim, *server = streams->server;
    if (streams->leaving)
        return;
    streams->leaving = true;
    victim->calls->goodbye(victim, STREAM_NO_ERROR);
    if (server && server->mood != SPEAKER_GONE && server->calls->goodbye)
        server->calls->goodbye(server, STREAM_NO_ERROR);
    victim->calls->flush(victim);
    end_flush(victim->end);
    if (!server)
        return;
    server->calls->flush(server);
    end_flush(server->end);
}

/* One of the two takes no more requests: the other is told. */
static bool must_leave(const struct streams *streams)
{
    return streams->relay->worker->stopping || streams->forbidden ||
           (streams->server && streams->server->mood != SPEAKER_TALKS) ||
           streams->victim->mood != SPEAKER_TALKS;
}

/* For whom a hook could take its time is not there any more. */
static bool gave_up(const struct streams *streams)
{
    if (!streams->relay->held || !is_deaf(streams->victim->end))
        return false;
    for (struct stream *stream = streams->first; stream; stream = stream->next)
        if ((stream->request.ask.held &&
             (stream->request.ask.wants & HOOK_WANTS_VICTIM)) ||
            (stream->response.ask.held &&
             (stream->response.ask.wants & HOOK_WANTS_VICTIM)))
            return true;
    return false;
}

static bool answered_something(const struct streams *streams)
{
    return !streams->forbidden || streams->past;
}

enum exchange_next streams_step(struct streams *streams)
{
    struct speaker *victim = streams->victim;
    streams->moved = false;
    while (turn(streams))
        ;
    lose_server(streams);
    drop_dead(streams);
    while (turn(streams))
        ;
    if (streams->server && streams->server->mood == SPEAKER_GONE) {
        streams_bury_server(streams);
        while (turn(streams))
            ;
    }
    if (victim->end->hears == END_LOST || gave_up(streams))
        return EXCHANGE_CUT;
    if (victim->mood == SPEAKER_GONE && victim->cut)
        return EXCHANGE_TRUNCATED;
    if (victim->mood == SPEAKER_GONE)
        return victim->end->says == END_SAYS ? EXCHANGE_OVER : EXCHANGE_CUT;
    if (must_leave(streams) && answered_something(streams)) {
        streams_leave(streams);
        while (turn(streams))
            ;
    }
    bool victim_left = is_deaf(victim->end) && victim->h2;
    if (streams->seeks && !victim_left)
        return EXCHANGE_DIAL;
    if (streams->count && !victim_left)
        return EXCHANGE_WAITS;
    if (streams->leaving || is_deaf(victim->end)) {
        streams_leave(streams);
        return EXCHANGE_OVER;
    }
    return EXCHANGE_WAITS;
}

/* ---- looks --------------------------------------------------------------- */

bool streams_idle(const struct streams *streams)
{
    return !streams->count;
}

bool streams_head_pending(const struct streams *streams)
{
    const struct speaker *victim = streams->victim;
    return victim->calls->head_pending(victim);
}

bool streams_hungry(const struct streams *streams, const struct end *end)
{
    const struct speaker *speaker =
        end->leg == LEG_VICTIM ? streams->victim : streams->server;
    return speaker && speaker->calls->hungry && speaker->calls->hungry(speaker);
}

static size_t way_held(const struct way *way)
{
    const struct note *note = &way->note;
    return way->body.room + way->message.body.room + note->head.room +
           note->body.room + note->sent_head.room + note->sent_body.room +
           way->raw.room + mill_held(way->mill);
}

size_t streams_held(const struct streams *streams)
{
    size_t held = 0;
    for (const struct stream *stream = streams->first; stream;
         stream = stream->next)
        held += sizeof *stream + way_held(&stream->request) +
                way_held(&stream->response);
    return held;
}

int streams_looks_like_h2(const uint8_t *bytes, size_t len)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    size_t whole = sizeof preface - 1;
    if (memcmp(bytes, preface, len < whole ? len : whole))
        return 0;
    return len < whole ? -1 : 1;
}
