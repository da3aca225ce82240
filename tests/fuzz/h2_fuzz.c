/* SPDX-License-Identifier: MIT
 *
 * The streams of a relay, between a victim and a server of whom nothing is
 * true. The first byte chooses who speaks HTTP/2; then come pieces, each
 * behind a byte that says whose it is and how long. What must hold: nothing
 * crashes, what waits is bounded, and all is given back. */
#include "proxy/lanes.h"
#include "proxy/relay.h"
#include "proxy/stream.h"
#include "proxy/streams.h"
#include "proxy/worker.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* A relay without a listener: its ends are socket pairs, whose other halves
 * are read and thrown away. */
struct scene {
    uv_loop_t loop;
    struct proxy_options options;
    struct worker worker;
    struct way_in way;
    struct relay *relay;
    int far[2];
};

static void join(struct scene *scene, struct end *end, enum event_leg leg,
                 int *far)
{
    int pair[2];
    CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
    CHECK(!end_open(end, scene->relay, leg));
    CHECK(!uv_tcp_open(&end->tcp, pair[0]));
    *far = pair[1];
}

static void open_scene(struct scene *scene)
{
    *scene = (struct scene){0};
    CHECK(!uv_loop_init(&scene->loop));
    scene->relay = calloc(1, sizeof *scene->relay);
    CHECK(scene->relay);
    scene->worker.loop = &scene->loop;
    scene->worker.options = &scene->options;
    struct relay *relay = scene->relay;
    relay->worker = &scene->worker;
    relay->way = &scene->way;
    scene->way.mode = WAY_REVERSE;
    relay->flow.relay = relay;
    relay->flow.id = 1;
    /* Callbacks find a relay that waits for nothing any more. */
    relay->state = RELAY_CLOSING;
    relay->victim.peer = &relay->server;
    relay->server.peer = &relay->victim;
    join(scene, &relay->victim, LEG_VICTIM, &scene->far[0]);
    join(scene, &relay->server, LEG_SERVER, &scene->far[1]);
}

static void on_closed(uv_handle_t *handle)
{
    (void)handle;
}

static void close_scene(struct scene *scene)
{
    struct relay *relay = scene->relay;
    struct end *ends[] = {&relay->victim, &relay->server};
    for (unsigned i = 0; i < 2; i++) {
        if (ends[i]->open) /* a lane closes what has ended */
            uv_close((uv_handle_t *)&ends[i]->tcp, on_closed);
        ends[i]->open = false;
        close(scene->far[i]);
    }
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < 2; i++)
        end_free(ends[i]);
    lanes_free(relay->lanes);
    arena_free(&relay->flow.arena);
    for (unsigned i = 0; i < scene->worker.spares_count; i++)
        buf_free(&scene->worker.spares[i]);
    CHECK(!uv_loop_close(&scene->loop));
    free(relay);
}

static void drain(struct scene *scene)
{
    char bytes[4096];
    for (unsigned i = 0; i < 2; i++)
        while (recv(scene->far[i], bytes, sizeof bytes, 0) > 0)
            ;
    uv_run(&scene->loop, UV_RUN_NOWAIT);
}

static void check_bounds(const struct streams *streams)
{
    CHECK(streams->count <= 2 * STREAMS_MOST);
    for (const struct stream *stream = streams->first; stream;
         stream = stream->next) {
        CHECK(buf_len(&stream->request.body) <= STREAM_WINDOW + 65536);
        CHECK(buf_len(&stream->response.body) <= STREAM_WINDOW + 65536);
    }
}

static void say(struct end *end, const void *bytes, size_t len)
{
    CHECK(!buf_append(&end->in, bytes, len));
    end->in_total += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct scene scene;
    if (len < 1)
        return 0;
    bool victim_h2 = bytes[0] & 1, server_h2 = bytes[0] & 2;
    if (!victim_h2 && !server_h2)
        return 0;
    open_scene(&scene);
    struct relay *relay = scene.relay;
    struct streams *streams = streams_open(relay, victim_h2, server_h2);
    CHECK(streams);
    if (victim_h2)
        say(&relay->victim, preface, sizeof preface - 1);
    enum exchange_next next = EXCHANGE_WAITS;
    for (size_t at = 1; at < len && next == EXCHANGE_WAITS;) {
        unsigned head = bytes[at++];
        size_t piece = (head >> 1) + 1;
        piece = piece < len - at ? piece : len - at;
        say(head & 1 ? &relay->server : &relay->victim, bytes + at, piece);
        at += piece;
        next = streams_step(streams);
        check_bounds(streams);
        drain(&scene);
    }
    relay->server.hears = END_TOLD_BYE;
    if (next == EXCHANGE_WAITS)
        next = streams_step(streams);
    relay->victim.hears = END_TOLD_BYE;
    if (next == EXCHANGE_WAITS)
        next = streams_step(streams);
    CHECK(!victim_h2 || next != EXCHANGE_WAITS);
    streams_free(streams);
    close_scene(&scene);
    return 0;
}

/* 24 bytes of pieces: whose (0 the victim's, 1 the server's) and what. */
#define PIECE(whose, bytes) whose, bytes, sizeof bytes - 1

#define SETTINGS "\0\0\0\x04\0\0\0\0\0"
#define ACK      "\0\0\0\x04\x01\0\0\0\0"
/* GET / https bank, with and without an end; POST */
#define GET_1  "\0\0\x07\x01\x05\0\0\0\x01\x82\x87\x84\x41\x02\x61\x62"
#define GET_3  "\0\0\x07\x01\x05\0\0\0\x03\x82\x87\x84\x41\x02\x61\x62"
#define POST_1 "\0\0\x07\x01\x04\0\0\0\x01\x83\x87\x84\x41\x02\x61\x62"
#define DATA_1 "\0\0\x05\0\x01\0\0\0\x01hello"
#define OK_1   "\0\0\x01\x01\x04\0\0\0\x01\x88"
#define END_1  "\0\0\x01\x01\x05\0\0\0\x01\x88"
#define RST_1  "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08"
#define PING                                                                   \
    "\0\0\x08\x06\0\0\0\0\0"                                                   \
    "12345678"
#define GOAWAY "\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0"
#define HTTP_1 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

struct seed {
    unsigned mode;
    struct {
        unsigned whose;
        const char *bytes;
        size_t len;
    } pieces[6];
};

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const struct seed seeds[] = {
        {3,
         {{PIECE(0, SETTINGS GET_1)},
          {PIECE(1, SETTINGS ACK END_1)},
          {PIECE(0, ACK GET_3)},
          {PIECE(1, GOAWAY)}}},
        {3,
         {{PIECE(0, SETTINGS POST_1)},
          {PIECE(0, DATA_1)},
          {PIECE(1, SETTINGS OK_1)},
          {PIECE(1, DATA_1)}}},
        {3,
         {{PIECE(0, SETTINGS POST_1 RST_1 PING)}, {PIECE(1, SETTINGS PING)}}},
        {1,
         {{PIECE(0, SETTINGS GET_1 GET_3)},
          {PIECE(1, HTTP_1)},
          {PIECE(1, HTTP_1)}}},
        {1,
         {{PIECE(0, SETTINGS POST_1)}, {PIECE(0, DATA_1)}, {PIECE(1, HTTP_1)}}},
        {2,
         {{PIECE(0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")},
          {PIECE(1, SETTINGS OK_1 DATA_1)}}},
        {2,
         {{PIECE(0, "POST / HTTP/1.1\r\nHost: a\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n")},
          {PIECE(0, "3\r\nabc\r\n0\r\n\r\n")},
          {PIECE(1, SETTINGS RST_1)}}},
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        uint8_t bytes[1024] = {(uint8_t)seeds[i].mode};
        size_t used = 1;
        for (unsigned j = 0; j < 6 && seeds[i].pieces[j].len; j++) {
            size_t len = seeds[i].pieces[j].len;
            bytes[used++] =
                (uint8_t)((len - 1) << 1 | seeds[i].pieces[j].whose);
            memcpy(bytes + used, seeds[i].pieces[j].bytes, len);
            used += len;
        }
        add(bytes, used);
    }
}

const char *const fuzz_words[] = {
    "\x82\x87\x84",
    "\x88",
    ":path",
    ":status",
    "connection",
    "te",
    "host",
    "cookie",
    "a\r\nb: c",
    "content-length",
    "HTTP/1.1 200 OK\r\n\r\n",
    "\r\n\r\n",
    "0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    NULL,
};
