/* SPDX-License-Identifier: MIT
 *
 * The recording relay of a bare lab. Both ends of a link are alike: what one
 * end says is first written down as frames from its place and then passed on
 * to its peer, and an end is read again only when that has been taken. */
#include "proxy/capture/recorder.h"

#include "proxy/base/dial_loop.h"
#include "proxy/capture/feed.h"
#include "proxy/capture/index.h"
#include "proxy/capture/packet.h"
#include "proxy/capture/pcapng.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SEGMENT_MOST = 1460,
    READ_MOST = 64 << 10,
    BACKLOG = 128,
    SETTLE_MS = 2,     /* quiet for so long: nothing is under way */
    SETTLE_TURNS = 50, /* at most so often */
};

struct place {
    char name[RECORDER_PLACE_MOST];
    struct in_addr address; /* 0: not known */
};

struct listener {
    uv_tcp_t tcp;
    struct recorder *recorder;
    const struct recorder_map *map;
};

struct recorder {
    uv_loop_t *loop;
    struct feed feed;
    bool mute; /* the writer is gone: relay only */
    struct recorder_map maps[RECORDER_MAPS_MOST];
    struct listener listeners[RECORDER_MAPS_MOST];
    unsigned maps_count;
    struct place places[2 * RECORDER_MAPS_MOST];
    unsigned places_count;
    uv_poll_t asked;    /* the writer wants something */
    uv_timer_t settle;  /* runs while a sync is to be answered */
    uv_prepare_t flush; /* before the loop waits */
    uint64_t sync, events, events_before;
    unsigned settle_turns;
    uint64_t last_ns;
    uint32_t next_seq;
    struct link *links;
    bool stopping;
};

/* One end of a link, and what its TCP says in the capture. */
struct end {
    uv_tcp_t tcp;
    struct link *link;
    struct end *peer;
    uint32_t place;
    struct sockaddr_in address;
    uint32_t seq;   /* of the next byte that it sends */
    uint32_t acked; /* what it has acknowledged of its peer */
    uint16_t id;
    bool ended;       /* it has sent its FIN */
    bool shut;        /* its peer's FIN has been passed on to it */
    uv_write_t write; /* to it */
    uv_shutdown_t shutdown;
    char bytes[READ_MOST]; /* from it */
};

struct link {
    struct recorder *recorder;
    struct link *next, **before;
    struct end victim, server;
    uv_connect_t connect;
    bool open;   /* from the SYN to an RST: what is said is recorded */
    int handles; /* open ones; the link goes with the last */
};

/* ---- maps ---------------------------------------------------------------- */

static int bad_map(const char *text, struct err *err)
{
    err_code(err, EXIT_USAGE,
             "\"%s\" is not LISTEN=TARGET,client=PLACE:ADDRESS,server=PLACE, "
             "such as 127.66.1.9:8443=127.66.1.4:8443,client=victim:"
             "127.66.1.2,server=server",
             text);
    return -1;
}

int recorder_map_parse(const char *text, struct recorder_map *out,
                       struct err *err)
{
    char listen[32], target[32], address[32];
    int used = 0;
    *out = (struct recorder_map){0};
    if (sscanf(text, "%31[^=]=%31[^,],client=%31[^:,]:%31[^,],server=%31[^,]%n",
               listen, target, out->client, address, out->server, &used) != 5 ||
        text[used])
        return bad_map(text, err);
    out->client_address.v4.sin_family = AF_INET;
    if (address_parse(listen, &out->listen, err) ||
        address_parse(target, &out->target, err))
        return -1;
    if (out->listen.any.sa_family != AF_INET ||
        out->target.any.sa_family != AF_INET ||
        inet_pton(AF_INET, address, &out->client_address.v4.sin_addr) != 1)
        return bad_map(text, err);
    return dial_check(&out->listen, err) || dial_check(&out->target, err) ||
                   dial_check(&out->client_address, err)
               ? -1
               : 0;
}

static uint32_t place_number(struct recorder *recorder, const char *name)
{
    uint32_t at = 0;
    while (at < recorder->places_count &&
           strcmp(recorder->places[at].name, name))
        at++;
    if (at == recorder->places_count) {
        assert(at < 2 * RECORDER_MAPS_MOST);
        snprintf(recorder->places[at].name, RECORDER_PLACE_MOST, "%s", name);
        recorder->places_count++;
    }
    return at;
}

/* ---- what a wire would have carried -------------------------------------- */

static uint64_t now_ns(struct recorder *recorder)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (ns <= recorder->last_ns)
        ns = recorder->last_ns + 1;
    return recorder->last_ns = ns;
}

/* There are no network cards here; these say whose they would be. */
static void make_mac(uint8_t mac[6], const uint8_t address[4])
{
    mac[0] = 0x02;
    mac[1] = 0x66;
    memcpy(mac + 2, address, 4);
}

static void record(struct recorder *recorder, uint32_t place,
                   const struct packet_segment *segment, const char *comment)
{
    struct buf bytes = {0};
    struct feed_frame frame = {.time_ns = now_ns(recorder),
                               .interface = place,
                               .flags = PCAPNG_OUTBOUND};
    if (recorder->mute)
        return;
    if (!packet_build(&bytes, segment)) {
        frame.len = frame.original = (uint32_t)buf_len(&bytes);
        if (feed_frame(&recorder->feed, &frame, buf_head(&bytes), comment))
            recorder->mute = true;
    }
    buf_free(&bytes);
}

/* One segment from `end` to its peer. */
static void say(struct end *end, uint8_t flags, const void *payload, size_t len,
                const char *comment)
{
    /* Maximum segment size 1460, window scale 8: with 65535 that is room for
     * 16 MB, more than ever is under way. */
    static const uint8_t options[] = {2, 4, 0x05, 0xb4, 1, 3, 3, 8};
    if (!end->link->open)
        return;
    struct packet_segment segment = {
        .src_port = ntohs(end->address.sin_port),
        .dst_port = ntohs(end->peer->address.sin_port),
        .id = end->id++,
        .window = 65535,
        .seq = end->seq,
        .ack = flags & PACKET_ACK ? end->peer->seq : 0,
        .flags = flags,
        .options = options,
        .options_len = flags & PACKET_SYN ? sizeof options : 0,
        .payload = payload,
        .payload_len = len};
    memcpy(segment.src, &end->address.sin_addr, 4);
    memcpy(segment.dst, &end->peer->address.sin_addr, 4);
    make_mac(segment.mac_src, segment.src);
    make_mac(segment.mac_dst, segment.dst);
    record(end->link->recorder, end->place, &segment, comment);
    end->seq += (uint32_t)len + !!(flags & (PACKET_SYN | PACKET_FIN));
    end->acked = segment.ack;
}

/* Acknowledge, unless a segment has done so already. */
static void say_ack(struct end *end)
{
    if (end->acked != end->peer->seq)
        say(end, PACKET_ACK, NULL, 0, NULL);
}

static void say_data(struct end *end, const char *bytes, size_t len)
{
    while (len) {
        size_t part = len < SEGMENT_MOST ? len : SEGMENT_MOST;
        uint8_t push = part == len ? PACKET_PSH : 0;
        say(end, PACKET_ACK | push, bytes, part, NULL);
        bytes += part;
        len -= part;
    }
}

static void say_reset(struct end *end)
{
    say(end, PACKET_RST | PACKET_ACK, NULL, 0, NULL);
    end->link->open = false;
}

/* What the opener believes: it dialled the relay, from a port of its own. */
static void say_syn(struct link *link)
{
    struct sockaddr_in from, to;
    int len = sizeof from;
    char src[16] = "", dst[16] = "", comment[INDEX_ALIAS_TEXT];
    uv_tcp_getpeername(&link->victim.tcp, (struct sockaddr *)&from, &len);
    len = sizeof to;
    uv_tcp_getsockname(&link->victim.tcp, (struct sockaddr *)&to, &len);
    inet_ntop(AF_INET, &from.sin_addr, src, sizeof src);
    inet_ntop(AF_INET, &to.sin_addr, dst, sizeof dst);
    struct index_tuple tuple = {src, ntohs(from.sin_port), dst,
                                ntohs(to.sin_port)};
    index_alias_text(&tuple, comment);
    link->open = true;
    say(&link->victim, PACKET_SYN, NULL, 0, comment);
}

/* ---- the end of a link --------------------------------------------------- */

static void on_end_closed(uv_handle_t *handle)
{
    struct link *link = ((struct end *)handle->data)->link;
    if (--link->handles)
        return;
    *link->before = link->next;
    if (link->next)
        link->next->before = link->before;
    free(link);
}

static void close_end(struct end *end, bool reset)
{
    uv_handle_t *handle = (uv_handle_t *)&end->tcp;
    if (uv_is_closing(handle))
        return;
    if (!reset || uv_tcp_close_reset(&end->tcp, on_end_closed))
        uv_close(handle, on_end_closed);
}

/* `end` has gone without a proper end, and its peer hears of it. */
static void reset_link(struct end *end)
{
    say_reset(end);
    close_end(end, true);
    close_end(end->peer, true);
}

/* ---- relaying ------------------------------------------------------------ */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct end *end = handle->data;
    (void)suggested;
    *out = uv_buf_init(end->bytes, sizeof end->bytes);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes);

static void on_written(uv_write_t *write, int status)
{
    struct end *end = write->data;
    end->link->recorder->events++;
    if (uv_is_closing((uv_handle_t *)&end->tcp))
        return;
    if (status) {
        reset_link(end);
        return;
    }
    say_ack(end);
    if (!end->peer->ended)
        uv_read_start((uv_stream_t *)&end->peer->tcp, on_alloc, on_read);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct end *end = shutdown->data;
    (void)status;
    if (uv_is_closing((uv_handle_t *)&end->tcp))
        return;
    say_ack(end);
    end->shut = true;
    if (end->peer->shut) {
        close_end(end, false);
        close_end(end->peer, false);
    }
}

static void end_of_file(struct end *end)
{
    struct end *peer = end->peer;
    say(end, PACKET_FIN | PACKET_ACK, NULL, 0, NULL);
    end->ended = true;
    uv_read_stop((uv_stream_t *)&end->tcp);
    peer->shutdown.data = peer;
    if (uv_shutdown(&peer->shutdown, (uv_stream_t *)&peer->tcp, on_shutdown))
        reset_link(peer);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes)
{
    struct end *end = stream->data;
    end->link->recorder->events++;
    if (!got)
        return;
    if (got == UV_EOF) {
        end_of_file(end);
        return;
    }
    if (got < 0) {
        reset_link(end);
        return;
    }
    uv_buf_t part = uv_buf_init(bytes->base, (unsigned)got);
    uv_read_stop(stream);
    say_data(end, bytes->base, (size_t)got);
    end->peer->write.data = end->peer;
    if (uv_write(&end->peer->write, (uv_stream_t *)&end->peer->tcp, &part, 1,
                 on_written))
        reset_link(end->peer);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct link *link = connect->data;
    link->recorder->events++;
    if (uv_is_closing((uv_handle_t *)&link->server.tcp))
        return;
    if (status) {
        reset_link(&link->server);
        return;
    }
    say(&link->server, PACKET_SYN | PACKET_ACK, NULL, 0, NULL);
    say_ack(&link->victim);
    uv_read_start((uv_stream_t *)&link->victim.tcp, on_alloc, on_read);
    uv_read_start((uv_stream_t *)&link->server.tcp, on_alloc, on_read);
}

/* ---- a new link ---------------------------------------------------------- */

static void init_end(struct link *link, struct end *end, struct end *peer)
{
    uv_tcp_init(link->recorder->loop, &end->tcp);
    end->tcp.data = end;
    end->link = link;
    end->peer = peer;
    end->seq = link->recorder->next_seq += 0x10001;
    end->id = (uint16_t)(end->seq >> 4);
    link->handles++;
}

static struct link *link_new(struct recorder *recorder)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->recorder = recorder;
    link->connect.data = link;
    link->next = recorder->links;
    link->before = &recorder->links;
    if (link->next)
        link->next->before = &link->next;
    recorder->links = link;
    init_end(link, &link->victim, &link->server);
    init_end(link, &link->server, &link->victim);
    return link;
}

/* Who dialled: the place that has this address, or the map's client. */
static void find_client(struct link *link, const struct recorder_map *map)
{
    struct recorder *recorder = link->recorder;
    struct sockaddr_in peer = {0};
    int len = sizeof peer;
    uv_tcp_getpeername(&link->victim.tcp, (struct sockaddr *)&peer, &len);
    link->victim.place = place_number(recorder, map->client);
    for (uint32_t i = 0; i < recorder->places_count; i++)
        if (peer.sin_addr.s_addr &&
            recorder->places[i].address.s_addr == peer.sin_addr.s_addr)
            link->victim.place = i;
    link->victim.address = map->client_address.v4;
    link->victim.address.sin_addr =
        recorder->places[link->victim.place].address;
}

/* The way to the server starts at the victim's place, on any port. */
static int dial_server(struct link *link, const struct recorder_map *map,
                       struct err *err)
{
    struct sockaddr_in *own = &link->victim.address;
    int len = sizeof *own;
    find_client(link, map);
    link->server.place = place_number(link->recorder, map->server);
    link->server.address = map->target.v4;
    if (uv_tcp_bind(&link->server.tcp, (const struct sockaddr *)own, 0) ||
        uv_tcp_getsockname(&link->server.tcp, (struct sockaddr *)own, &len))
        return -1;
    say_syn(link);
    return dial_start(&link->connect, &link->server.tcp, &map->target,
                      on_connect, err);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    struct err err = ERR_INIT;
    struct link *link = status ? NULL : link_new(listener->recorder);
    if (!link)
        return;
    listener->recorder->events++;
    uv_tcp_nodelay(&link->victim.tcp, 1);
    if (uv_accept(stream, (uv_stream_t *)&link->victim.tcp) ||
        dial_server(link, listener->map, &err))
        reset_link(&link->server);
    else
        uv_tcp_nodelay(&link->server.tcp, 1);
}

/* ---- the writer asks ----------------------------------------------------- */

static void on_settle(uv_timer_t *timer)
{
    struct recorder *recorder = timer->data;
    bool quiet = recorder->events == recorder->events_before;
    recorder->events_before = recorder->events;
    if (!quiet && ++recorder->settle_turns < SETTLE_TURNS)
        return;
    uv_timer_stop(timer);
    if (feed_sync(&recorder->feed, recorder->sync))
        recorder->mute = true;
}

static void on_asked(uv_poll_t *poll, int status, int what)
{
    struct recorder *recorder = poll->data;
    (void)what;
    int asked = status ? -1 : feed_asked(&recorder->feed, &recorder->sync);
    if (asked < 0) {
        recorder_stop(recorder);
    } else if (asked > 0) {
        recorder->events_before = recorder->events;
        recorder->settle_turns = 0;
        uv_timer_start(&recorder->settle, on_settle, SETTLE_MS, SETTLE_MS);
    }
}

static void on_flush(uv_prepare_t *prepare)
{
    struct recorder *recorder = prepare->data;
    if (feed_flush(&recorder->feed))
        recorder->mute = true;
}

/* ---- start and stop ------------------------------------------------------ */

static int declare_places(struct recorder *recorder, struct err *err)
{
    for (unsigned i = 0; i < recorder->maps_count; i++) {
        const struct recorder_map *map = &recorder->maps[i];
        recorder->places[place_number(recorder, map->client)].address =
            map->client_address.v4.sin_addr;
        recorder->places[place_number(recorder, map->server)].address =
            map->target.v4.sin_addr;
    }
    for (uint32_t i = 0; i < recorder->places_count; i++) {
        char text[FEED_TEXT_MOST];
        snprintf(text, sizeof text, "synthetic (proxy view): what %s sent",
                 recorder->places[i].name);
        struct feed_interface interface = {.name = recorder->places[i].name,
                                           .description = text,
                                           .link = PCAPNG_LINK_ETHERNET,
                                           .snaplen = FEED_FRAME_MOST};
        if (feed_interface(&recorder->feed, &interface)) {
            err_set(err, "recorder: the writer of the capture is gone");
            return -1;
        }
    }
    return 0;
}

static int listen_on(struct recorder *recorder, unsigned at, struct err *err)
{
    struct listener *listener = &recorder->listeners[at];
    listener->recorder = recorder;
    listener->map = &recorder->maps[at];
    uv_tcp_init(recorder->loop, &listener->tcp);
    listener->tcp.data = listener;
    int rc = uv_tcp_bind(&listener->tcp, &listener->map->listen.any, 0);
    if (!rc)
        rc = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    if (!rc)
        return 0;
    char text[ADDRESS_TEXT];
    address_text(&listener->map->listen, text);
    err_set(err, "recorder: listen on %s: %s", text, uv_strerror(rc));
    return -1;
}

static int start_helpers(struct recorder *recorder, struct err *err)
{
    uv_loop_t *loop = recorder->loop;
    int rc = uv_poll_init(loop, &recorder->asked, recorder->feed.fd);
    if (rc) {
        err_set(err, "recorder: descriptor %d: %s", recorder->feed.fd,
                uv_strerror(rc));
        return -1;
    }
    uv_timer_init(loop, &recorder->settle);
    uv_prepare_init(loop, &recorder->flush);
    recorder->asked.data = recorder->settle.data = recorder->flush.data =
        recorder;
    uv_poll_start(&recorder->asked, UV_READABLE | UV_DISCONNECT, on_asked);
    uv_prepare_start(&recorder->flush, on_flush);
    return 0;
}

int recorder_start(uv_loop_t *loop, int feed_fd,
                   const struct recorder_map *maps, unsigned count,
                   struct recorder **out, struct err *err)
{
    struct recorder *recorder = calloc(1, sizeof *recorder);
    assert(count <= RECORDER_MAPS_MOST);
    if (!recorder) {
        err_errno(err, "recorder");
        return -1;
    }
    recorder->loop = loop;
    recorder->next_seq = 0x10000000;
    feed_init(&recorder->feed, feed_fd);
    *out = recorder;
    if (start_helpers(recorder, err)) {
        recorder->stopping = true; /* there is no handle to close yet */
        return -1;
    }
    for (; recorder->maps_count < count; recorder->maps_count++)
        recorder->maps[recorder->maps_count] = maps[recorder->maps_count];
    if (declare_places(recorder, err))
        return -1;
    for (unsigned i = 0; i < count; i++)
        if (listen_on(recorder, i, err))
            return -1;
    return 0;
}

static void close_handle(uv_handle_t *handle)
{
    if (handle->data && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

void recorder_stop(struct recorder *recorder)
{
    if (recorder->stopping)
        return;
    recorder->stopping = true;
    for (unsigned i = 0; i < recorder->maps_count; i++)
        close_handle((uv_handle_t *)&recorder->listeners[i].tcp);
    for (struct link *link = recorder->links; link; link = link->next) {
        close_end(&link->victim, true);
        close_end(&link->server, true);
    }
    close_handle((uv_handle_t *)&recorder->settle);
    close_handle((uv_handle_t *)&recorder->flush);
    close_handle((uv_handle_t *)&recorder->asked);
    feed_end(&recorder->feed);
}

void recorder_free(struct recorder *recorder)
{
    if (!recorder)
        return;
    feed_close(&recorder->feed);
    free(recorder);
}
