/* SPDX-License-Identifier: MIT */
#include "proxy/lane.h"

#include "proxy/base/dial_loop.h"
#include "proxy/facts.h"
#include "proxy/relay_parts.h"

#include <stdlib.h>

static bool is_relays(const struct lane *lane)
{
    return lane->end != &lane->own;
}

/* ---- the beginning ------------------------------------------------------- */

static void on_connect(uv_write_t *request, int status)
{
    struct lane *lane = request->data;
    if (lane->state != LANE_CONNECTS)
        return; /* it was given up */
    lane->connect_status = status;
    if (status == UV_ECONNREFUSED)
        wire_refused(&lane->own.link);
    relay_advance(lane->relay);
}

static struct lane *make(struct relay *relay)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->relay = relay;
    lane->end = &lane->own;
    lane->own.relay = relay;
    lane->own.peer = &relay->victim;
    lane->own.leg = LEG_SERVER;
    lane->own.local = &lane->local;
    lane->own.write.data = lane;
    return lane;
}

struct lane *lane_of_relay(struct relay *relay)
{
    struct lane *lane = make(relay);
    if (!lane)
        return NULL;
    lane->end = &relay->server;
    lane->state = LANE_TALKS;
    return lane;
}

struct lane *lane_new(struct relay *relay)
{
    struct lane *lane = make(relay);
    if (lane)
        relay->worker->lanes++;
    return lane;
}

int lane_dial(struct lane *lane, struct err *err)
{
    struct relay *relay = lane->relay;
    lane->connect_status = DIAL_UNDER_WAY;
    lane->deadline = uv_now(relay->worker->loop) +
                     relay_ms(options_of(relay)->connect_ms, CONNECT_MS);
    if (end_open(&lane->own, relay, LEG_SERVER)) {
        err_set(err, "out of memory");
    } else if (!relay_dial(relay, &lane->own, on_connect, &lane->connect_status,
                           err)) {
        relay_advance(relay); /* it may stand already */
        return 0;
    }
    facts_unreachable(&lane->own, err->text);
    return -1;
}

/* ---- the way there ------------------------------------------------------- */

static int out_of_reach(struct lane *lane, int status, struct err *err)
{
    char address[ADDRESS_TEXT];
    address_text(&lane->relay->flow.server, address);
    err_set(err, "the server at %s, once more: %s", address,
            uv_strerror(status));
    facts_unreachable(&lane->own, err->text);
    return -1;
}

static void connected(struct lane *lane)
{
    int len = sizeof lane->local;
    uv_tcp_getsockname(&lane->own.tcp, &lane->local.any, &len);
    end_ready(&lane->own);
    end_record(&lane->own, 0);
    facts_opened(&lane->own);
    relay_introduce(&lane->own);
}

static int shake(struct lane *lane, bool late, int *out_status, struct err *err)
{
    switch (relay_shake_server(lane->relay, &lane->own, err)) {
    case TLS_DONE:
        return 1;
    case TLS_WAIT:
        break;
    default:
        return -1;
    }
    if (!late)
        return 0;
    *out_status = 504;
    err_set(err, "the server's TLS handshake takes too long");
    facts_unreachable(&lane->own, err->text);
    return -1;
}

int lane_approach(struct lane *lane, int *out_status, struct err *err)
{
    struct relay *relay = lane->relay;
    uint64_t now = uv_now(relay->worker->loop);
    bool late = now >= lane->deadline;
    *out_status = 502;
    if (lane->state == LANE_CONNECTS) {
        if (lane->connect_status < 0)
            return out_of_reach(lane, lane->connect_status, err);
        if (lane->connect_status > 0 && !late)
            return 0;
        *out_status = lane->connect_status > 0 ? 504 : 502;
        if (lane->connect_status > 0)
            return out_of_reach(lane, UV_ETIMEDOUT, err);
        connected(lane);
        if (!relay->server.tls.ssl)
            return 1;
        lane->state = LANE_SHAKES;
        lane->deadline = now + relay_head_ms(relay);
        late = false;
    }
    return shake(lane, late, out_status, err);
}

/* ---- the end ------------------------------------------------------------- */

void lane_close(struct lane *lane, bool reset)
{
    if (lane->state == LANE_GONE)
        return;
    lane->state = LANE_GONE;
    if (!reset) {
        end_finish(lane->end, false);
        end_flush(lane->end);
    }
    if (!is_relays(lane)) {
        lane->relay->worker->lanes--;
        if (lane->local.any.sa_family)
            facts_left(&lane->own);
    }
    end_close(lane->end, reset);
}

bool lane_is_free(const struct lane *lane)
{
    return lane->state == LANE_GONE && !is_relays(lane) && !lane->own.closing;
}

void lane_free(struct lane *lane)
{
    if (!is_relays(lane))
        end_free(&lane->own);
    free(lane);
}
