/* SPDX-License-Identifier: MIT
 *
 * Which lane carries which stream, and how many there are. A stream that waits
 * for one is woken when one is free, in the order in which they came. */
#include "proxy/lanes.h"

#include "proxy/lane.h"
#include "proxy/relay_parts.h"
#include "proxy/stream.h"
#include "proxy/streams.h"

#include <assert.h>
#include <stdlib.h>

enum {
    LANE_IDLE_MS = 15 * 1000,
    PATIENCE_MS = 1000, /* with a server that takes no more connections */
};

struct lanes {
    struct speaker base;
    struct relay *relay;
    struct lane *first; /* the relay's own; never taken out */
    uv_timer_t timer;   /* one of the relay's handles, when `timed` */
    bool timed;
    uint64_t due;          /* of the timer; 0: it stands still */
    uint64_t patient_till; /* no new lane before; 0: now */
};

static struct lanes *lanes_of(struct speaker *speaker)
{
    return (struct lanes *)speaker;
}

static uint64_t now_of(const struct lanes *lanes)
{
    return uv_now(lanes->relay->worker->loop);
}

/* ---- how many ------------------------------------------------------------ */

static bool is_idle(const struct lane *lane)
{
    struct speaker *speaker = lane->speaker;
    return lane->state == LANE_TALKS && speaker->mood == SPEAKER_TALKS &&
           lane->end->hears == END_HEARS && lane->end->says == END_SAYS &&
           speaker->calls->ready(speaker, NULL);
}

static struct lane *find_idle(const struct lanes *lanes)
{
    struct lane *lane = lanes->first;
    while (lane && !is_idle(lane))
        lane = lane->next;
    return lane;
}

static unsigned count_open(const struct lanes *lanes)
{
    unsigned count = 0;
    for (const struct lane *lane = lanes->first; lane; lane = lane->next)
        count += lane->state != LANE_GONE;
    return count;
}

static unsigned count_coming(const struct lanes *lanes)
{
    unsigned count = 0;
    for (const struct lane *lane = lanes->first; lane; lane = lane->next)
        count += lane->state < LANE_TALKS;
    return count;
}

static unsigned count_waiting(const struct lanes *lanes)
{
    unsigned count = 0;
    for (const struct stream *stream = lanes->base.streams->first; stream;
         stream = stream->next)
        count += stream->request.state == WAY_READY && !stream->over;
    return count;
}

/* Descriptors are there for victims first: a flow may have two. */
static bool may_grow(const struct lanes *lanes)
{
    const struct worker *worker = lanes->relay->worker;
    unsigned most = worker->options->lanes_most;
    return count_open(lanes) < (most ? most : LANES_MOST) &&
           now_of(lanes) >= lanes->patient_till &&
           2 * worker->count + worker->lanes < 2 * worker->most;
}

/* ---- who waits ----------------------------------------------------------- */

static void wake_waiting(struct lanes *lanes)
{
    for (struct stream *stream = lanes->base.streams->first; stream;
         stream = stream->next)
        if (stream->request.state == WAY_READY)
            streams_wake(stream);
}

/* The newest stream is the first of the list. */
static void wake_oldest(struct lanes *lanes)
{
    struct stream *oldest = NULL;
    for (struct stream *stream = lanes->base.streams->first; stream;
         stream = stream->next)
        if (stream->request.state == WAY_READY && !stream->over)
            oldest = stream;
    if (oldest)
        streams_wake(oldest);
}

static void answer_waiting(struct lanes *lanes, int status,
                           const char *sentence)
{
    for (struct stream *stream = lanes->base.streams->first; stream;
         stream = stream->next)
        if (stream->request.state == WAY_READY && !stream->over)
            stream_answer(stream, status, sentence);
}

/* ---- lanes come and go --------------------------------------------------- */

/* Whoever waits goes on waiting for the lanes that there are; without any it
 * is told. */
static void cannot_have(struct lanes *lanes, int status, const char *sentence)
{
    unsigned coming = count_coming(lanes);
    if (count_open(lanes) > coming)
        lanes->patient_till = now_of(lanes) + PATIENCE_MS;
    else if (!coming)
        answer_waiting(lanes, status, sentence);
}

static void add_lane(struct lanes *lanes)
{
    struct err err = ERR_INIT;
    struct lane *last = lanes->first;
    while (last->next)
        last = last->next;
    last->next = lane_new(lanes->relay);
    if (last->next && !lane_dial(last->next, &err))
        return;
    if (last->next)
        lane_close(last->next, false);
    cannot_have(lanes, 502, last->next ? err.text : "out of memory");
}

static bool approach(struct lanes *lanes, struct lane *lane)
{
    struct err err = ERR_INIT;
    int status, there = lane_approach(lane, &status, &err);
    if (!there)
        return false;
    if (there > 0) {
        lane->speaker = h1_speaker_new(lanes->base.streams, lane->end);
        lane->state = LANE_TALKS;
        lane->deadline = 0;
    }
    if (!lane->speaker) {
        lane_close(lane, false);
        cannot_have(lanes, status, err.text);
    }
    return true;
}

/* The stream that it carried, if any, is told, or asks again elsewhere: the
 * victim does not see these connections, so it is ours to notice when one was
 * closed because it was idle, and asking twice is as good as asking once (RFC
 * 9110 9.2.2, RFC 9112 9.3.1). One that ends a fresh connection without a word,
 * or any with an alert of TLS, has answered in its way, and is not to have
 * twice the load. Later nobody may think that it carried them. */
static void lose(struct lanes *lanes, struct lane *lane)
{
    struct speaker *lost = lane->speaker;
    bool stale = h1_went_stale(lost);
    for (struct stream *stream = lanes->base.streams->first; stream;
         stream = stream->next) {
        if (stream->request.to != lost)
            continue;
        stream->request.to = stream->response.from = &lanes->base;
        bool again = stale && !lane->end->alerted &&
                     method_is_idempotent(stream->request.message.method);
        if (stream->on_server && !(again && stream_again(stream)))
            stream_came_reset(stream, &lanes->base, STREAM_INTERNAL_ERROR);
    }
    lane->speaker = NULL;
    lost->calls->free(lost);
    lane_close(lane, false);
    wake_waiting(lanes);
}

/* Nothing will come from there any more. */
static bool is_lost(const struct lane *lane)
{
    return lane->speaker->mood == SPEAKER_GONE ||
           (lane->end->hears != END_HEARS && !buf_len(end_input(lane->end)));
}

/* Nobody has needed it for a while. */
static bool is_too_idle(const struct lanes *lanes, const struct lane *lane)
{
    return lane != lanes->first && lane->deadline && is_idle(lane) &&
           now_of(lanes) >= lane->deadline;
}

static bool hear_lane(struct lanes *lanes, struct lane *lane)
{
    if (lane->state < LANE_TALKS)
        return approach(lanes, lane);
    if (lane->state == LANE_GONE)
        return false;
    bool any = lane->speaker->calls->hear(lane->speaker);
    if (!is_lost(lane) && !is_too_idle(lanes, lane))
        return any;
    lose(lanes, lane);
    return true;
}

static void bury(struct lanes *lanes)
{
    for (struct lane *lane = lanes->first; lane->next;) {
        struct lane *next = lane->next;
        if (lane_is_free(next)) {
            lane->next = next->next;
            lane_free(next);
        } else {
            lane = next;
        }
    }
}

/* ---- the speaker --------------------------------------------------------- */

static bool hear(struct speaker *speaker)
{
    struct lanes *lanes = lanes_of(speaker);
    bool any = false;
    bury(lanes);
    for (struct lane *lane = lanes->first; lane; lane = lane->next)
        any |= hear_lane(lanes, lane);
    if (lanes->patient_till && now_of(lanes) >= lanes->patient_till) {
        lanes->patient_till = 0;
        wake_waiting(lanes);
    }
    if (find_idle(lanes))
        wake_oldest(lanes);
    return any;
}

static bool ready(struct speaker *speaker, const struct way *way)
{
    struct lanes *lanes = lanes_of(speaker);
    (void)way;
    if (find_idle(lanes))
        return true;
    if (!count_open(lanes) ||
        (may_grow(lanes) && count_coming(lanes) < count_waiting(lanes)))
        add_lane(lanes);
    return false;
}

static bool head(struct speaker *speaker, struct way *way)
{
    struct lanes *lanes = lanes_of(speaker);
    struct stream *stream = way->stream;
    struct lane *lane = find_idle(lanes);
    assert(lane);
    lane->deadline = 0;
    stream->local = *end_opener(lane->end);
    stream->request.to = stream->response.from = lane->speaker;
    if (lane->speaker->calls->head(lane->speaker, way))
        return true;
    stream->request.to = stream->response.from = speaker;
    return false;
}

static bool flush(struct speaker *speaker)
{
    struct lanes *lanes = lanes_of(speaker);
    bool any = false;
    for (struct lane *lane = lanes->first; lane; lane = lane->next) {
        if (lane->state != LANE_TALKS)
            continue;
        any |= lane->speaker->calls->flush(lane->speaker);
        if (lane->speaker->mood != SPEAKER_GONE)
            continue;
        lose(lanes, lane);
        any = true;
    }
    return any;
}

/* The relay asks for its own end. */
static bool hungry(const struct speaker *speaker)
{
    const struct lane *lane = ((const struct lanes *)speaker)->first;
    return lane->speaker && lane->speaker->calls->hungry(lane->speaker);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct lanes *lanes = handle->data;
    relay_handle_closed(lanes->relay);
}

/* The memory stays until libuv has let go of it. */
static void speaker_free(struct speaker *speaker)
{
    struct lanes *lanes = lanes_of(speaker);
    for (struct lane *lane = lanes->first; lane; lane = lane->next) {
        if (lane->speaker)
            lane->speaker->calls->free(lane->speaker);
        lane->speaker = NULL;
        if (lane != lanes->first)
            lane_close(lane, lanes->relay->reset);
    }
    if (lanes->timed)
        uv_close((uv_handle_t *)&lanes->timer, on_timer_closed);
    lanes->timed = false;
}

/* Once it has begun, a stream deals with the speaker of its lane. */
static const struct speaker_calls calls = {
    .hear = hear,
    .ready = ready,
    .head = head,
    .flush = flush,
    .hungry = hungry,
    .free = speaker_free,
};

struct speaker *lanes_speaker_new(struct streams *streams)
{
    struct relay *relay = streams->relay;
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (!lanes)
        return NULL;
    lanes->relay = relay;
    lanes->base = (struct speaker){
        .calls = &calls, .streams = streams, .end = &relay->server};
    lanes->first = lane_of_relay(relay);
    if (lanes->first)
        lanes->first->speaker = h1_speaker_new(streams, &relay->server);
    if (!lanes->first || !lanes->first->speaker) {
        lanes_free(lanes);
        return NULL;
    }
    relay->lanes = lanes;
    return &lanes->base;
}

/* ---- for the relay ------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct lanes *lanes = timer->data;
    lanes->due = 0;
    relay_advance(lanes->relay);
}

static void start_timer(struct lanes *lanes, uint64_t due)
{
    uint64_t now = now_of(lanes);
    if (!lanes->timed) {
        uv_timer_init(lanes->relay->worker->loop, &lanes->timer);
        lanes->timer.data = lanes;
        lanes->timed = true;
        lanes->relay->handles++;
    }
    lanes->due = due;
    uv_timer_start(&lanes->timer, on_timer, due > now ? due - now : 0, 0);
}

static void sooner(uint64_t *due, uint64_t other)
{
    if (other && (!*due || other < *due))
        *due = other;
}

static bool should_read(const struct lane *lane)
{
    const struct end *end = lane->end;
    if (lane->state != LANE_TALKS)
        return lane->state == LANE_SHAKES;
    return buf_len(&end->in) + buf_len(&end->clear) < READ_AHEAD ||
           lane->speaker->calls->hungry(lane->speaker);
}

void lanes_settle(struct lanes *lanes)
{
    uint64_t due = lanes->patient_till;
    for (struct lane *lane = lanes->first->next; lane; lane = lane->next) {
        if (lane->state == LANE_GONE)
            continue;
        end_flush(lane->end);
        end_read(lane->end, should_read(lane));
        if (is_idle(lane) && !lane->deadline)
            lane->deadline = now_of(lanes) + LANE_IDLE_MS;
        sooner(&due, lane->deadline);
    }
    if (due && due != lanes->due)
        start_timer(lanes, due);
}

bool lanes_shed(struct lanes *lanes)
{
    for (struct lane *lane = lanes->first->next; lane; lane = lane->next) {
        if (!is_idle(lane))
            continue;
        lose(lanes, lane);
        return true;
    }
    return false;
}

void lanes_close(struct lanes *lanes)
{
    for (struct lane *lane = lanes->first->next; lane; lane = lane->next)
        lane_close(lane, false);
}

size_t lanes_held(const struct lanes *lanes)
{
    size_t held = sizeof *lanes;
    for (const struct lane *lane = lanes->first->next; lane; lane = lane->next)
        held += sizeof *lane + end_held(&lane->own);
    return held;
}

void lanes_free(struct lanes *lanes)
{
    struct lane *lane = lanes ? lanes->first : NULL;
    while (lane) {
        struct lane *next = lane->next;
        lane_free(lane);
        lane = next;
    }
    free(lanes);
}
