/* SPDX-License-Identifier: MIT
 *
 * A conversation: bytes in, TLS, an answer to whoever accepts, and then
 * reading until the victim has ended its side, because the last thing that it
 * says may be the alert. */
#include "labs/matrix/talk.h"

#include "proxy/hello.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_ROOM = 512, REQUEST_MOST = 16 << 10, READ_ROOM = 16 << 10 };

/* ---- closing ------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct talk *talk = handle->data;
    if (--talk->handles)
        return;
    buf_free(&talk->in);
    buf_free(&talk->out);
    buf_free(&talk->clear);
    tls_close(&talk->side);
    free(talk);
}

void talk_close(struct talk *talk, const char *why)
{
    if (talk->closing)
        return;
    talk->closing = true;
    talk->why = why;
    talk_ended(talk);
    *talk->link = talk->next;
    if (talk->next)
        talk->next->link = talk->link;
    uv_close((uv_handle_t *)&talk->tcp, on_closed);
    uv_close((uv_handle_t *)&talk->patience, on_closed);
}

static void on_impatient(uv_timer_t *timer)
{
    talk_close(timer->data, "timeout");
}

/* ---- writing ------------------------------------------------------------- */

struct sending {
    uv_write_t request;
    uv_shutdown_t last;
    struct buf bytes;
};

static void on_sent(uv_write_t *request, int status)
{
    struct sending *sending = request->data;
    (void)status; /* a victim that is gone is seen by reading */
    buf_free(&sending->bytes);
    free(sending);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    (void)status;
    free(request);
}

/* What TLS has put into `out` goes to the wire. */
static void flush(struct talk *talk)
{
    size_t len = buf_len(&talk->out);
    struct sending *sending = len ? calloc(1, sizeof *sending) : NULL;
    if (!sending)
        return;
    sending->bytes = talk->out;
    talk->out = (struct buf){0};
    talk->out_total += len;
    sending->request.data = sending;
    uv_buf_t piece =
        uv_buf_init((char *)buf_head(&sending->bytes), (unsigned)len);
    if (uv_write(&sending->request, (uv_stream_t *)&talk->tcp, &piece, 1,
                 on_sent))
        on_sent(&sending->request, 0);
}

/* Nothing more will come from us. */
static void hang_up(struct talk *talk)
{
    uv_shutdown_t *request = calloc(1, sizeof *request);
    talk->answered = true;
    flush(talk);
    if (request && uv_shutdown(request, (uv_stream_t *)&talk->tcp, on_shut))
        free(request);
}

/* ---- without TLS --------------------------------------------------------- */

/* The victim's records, as far as they can be told without TLS: after its
 * hello, an alert; what is no record at all is application data. */
static void read_plain(struct talk *talk)
{
    enum { HEADER = 5 };
    while (buf_len(&talk->in) >= HEADER) {
        const uint8_t *at = buf_head(&talk->in);
        size_t body = (size_t)at[3] << 8 | at[4];
        if (at[0] < SSL3_RT_CHANGE_CIPHER_SPEC ||
            at[0] > SSL3_RT_APPLICATION_DATA || at[1] != 3) {
            talk->plain += buf_len(&talk->in);
            buf_clear(&talk->in);
            return;
        }
        if (buf_len(&talk->in) < HEADER + body)
            return;
        if (at[0] == SSL3_RT_ALERT && body == 2)
            talk_plain_alert(talk, at[HEADER], at[HEADER + 1],
                             talk->in_total - buf_len(&talk->in));
        buf_consume(&talk->in, HEADER + body);
    }
}

static void talk_plainly(struct talk *talk, const char *words)
{
    if (!talk->answered && buf_len(&talk->in)) {
        (void)buf_append_text(&talk->out, words);
        hang_up(talk);
    }
    read_plain(talk);
}

/* ---- the hello ----------------------------------------------------------- */

/* "t03.lab.test", "T03" -> t03; who names nothing sees the first. */
static struct exhibit *named(struct rig *rig, const char *server_name)
{
    size_t len = strcspn(server_name, ".");
    for (unsigned i = 0; i < rig->exhibits_count; i++) {
        const char *id = rig->exhibits[i].row.id;
        if (strlen(id) == len && !strncmp(id, server_name, len))
            return &rig->exhibits[i];
    }
    return &rig->exhibits[0];
}

/* Renames the extension supported_versions (43) to one that nobody knows, so
 * that the hello is one of TLS 1.2 (RFC 8446 4.1.2, RFC 8701). */
static void remove_13(struct talk *talk, const struct hello *hello)
{
    const uint8_t *list = hello->versions.bytes;
    size_t len = 2U * hello->versions.count;
    if (!len)
        return;
    uint8_t *there =
        memmem(buf_head(&talk->in), buf_len(&talk->in), list - 5, len + 5);
    if (there)
        there[0] = there[1] = 0xfa;
}

static void begin_tls(struct talk *talk)
{
    struct err err = ERR_INIT;
    SSL_CTX *context = exhibit_context(talk->exhibit, talk->stand->tls, &err);
    struct tls_side *side = &talk->side;
    *side = (struct tls_side){.in = &talk->in,
                              .out = &talk->out,
                              .calls = &talk_tls_calls,
                              .owner = talk};
    side->alpn = alpn_name("http/1.1");
    if (!context || tls_accept_by(talk->stand->rig->tls, side, context, &err))
        talk_close(talk, "failed");
}

/* 1: go on; 0: wait; -1: over. */
static int greet(struct talk *talk)
{
    struct rig *rig = talk->stand->rig;
    uint8_t *scratch = malloc(HELLO_MOST);
    struct hello hello;
    const char *why;
    ssize_t used = scratch ? hello_read(buf_head(&talk->in), buf_len(&talk->in),
                                        scratch, &hello, &why)
                           : -1;
    if (used > 0) {
        talk_hello(talk, (size_t)used, hello.server_name);
        if (!talk->exhibit)
            talk->exhibit = named(rig, hello.server_name);
        const struct offer *offer = talk->exhibit->row.offer;
        if (offer && offer->without_13)
            remove_13(talk, &hello);
        talk->greeted = true;
    }
    free(scratch);
    return used > 0 ? 1 : used ? -1 : 0;
}

/* ---- TLS ----------------------------------------------------------------- */

/* Whoever has asked for something has accepted: it gets an answer, so that a
 * program that waits for one ends well. */
static void answer(struct talk *talk)
{
    const struct buf *clear = &talk->clear;
    char page[ANSWER_ROOM], words[128];
    bool asked = buf_len(clear) &&
                 memmem(buf_head(clear), buf_len(clear), "\r\n\r\n", 4);
    if (talk->answered || (!asked && buf_len(clear) < REQUEST_MOST))
        return;
    int len =
        snprintf(words, sizeof words, "You have accepted %s. Was that right?\n",
                 talk->exhibit->row.id);
    int all = snprintf(page, sizeof page,
                       "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                       "Access-Control-Allow-Origin: *\r\n"
                       "Content-Length: %d\r\nConnection: close\r\n\r\n%s",
                       len, words);
    talk_request(talk);
    tls_write(&talk->side, page, (size_t)all);
    tls_goodbye(&talk->side);
    hang_up(talk);
}

static void read_clear(struct talk *talk)
{
    enum tls_result result;
    do {
        result = tls_read(&talk->side, &talk->clear, REQUEST_MOST);
        answer(talk);
        if (result == TLS_DONE)
            buf_clear(&talk->clear);
    } while (result == TLS_DONE);
    if (result != TLS_WAIT && !talk->answered)
        hang_up(talk);
}

static void talk_tls(struct talk *talk)
{
    struct tls_side *side = &talk->side;
    bool was = side->finished;
    side->in_ended = talk->ended;
    if (!side->ssl || side->broken)
        return;
    enum tls_result result = was ? TLS_DONE : tls_handshake(side);
    flush(talk);
    if (result == TLS_DONE) {
        if (!was)
            talk_done(talk);
        read_clear(talk);
    } else if (result != TLS_WAIT && !talk->answered) {
        hang_up(talk);
    }
    flush(talk);
}

/* ---- reading ------------------------------------------------------------- */

static void advance(struct talk *talk)
{
    const struct offer *offer = talk->exhibit ? talk->exhibit->row.offer : NULL;
    if (offer && offer->plain) {
        talk_plainly(talk, offer->plain);
        return;
    }
    if (!talk->greeted) {
        int rc = buf_len(&talk->in) ? greet(talk) : 0;
        offer = talk->exhibit ? talk->exhibit->row.offer : NULL;
        if (rc < 0)
            talk_close(talk, "failed");
        if (rc <= 0)
            return;
        if (offer && offer->plain) {
            talk_plainly(talk, offer->plain);
            return;
        }
        talk_shown(talk);
        begin_tls(talk);
    }
    if (!talk->closing)
        talk_tls(talk);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct talk *talk = handle->data;
    (void)suggested;
    *out = uv_buf_init((char *)buf_reserve(&talk->in, READ_ROOM), READ_ROOM);
}

static const char *manner_of_end(const struct talk *talk)
{
    bool tls = talk->side.ssl != NULL;
    return tls && !talk->side.finished ? "refused" : "done";
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct talk *talk = stream->data;
    (void)room;
    if (talk->closing || got == 0)
        return;
    if (got > 0) {
        buf_filled(&talk->in, (size_t)got);
        talk->in_total += (uint64_t)got;
        uv_timer_again(&talk->patience);
    } else {
        talk->ended = true;
    }
    advance(talk);
    if (talk->ended)
        talk_close(talk, got == UV_EOF ? manner_of_end(talk) : "cut");
}

/* ---- accepting ----------------------------------------------------------- */

static void take_addresses(struct talk *talk)
{
    int len = sizeof talk->victim;
    uv_tcp_getpeername(&talk->tcp, &talk->victim.any, &len);
    len = sizeof talk->here;
    uv_tcp_getsockname(&talk->tcp, &talk->here.any, &len);
}

void talk_accept(const struct stand *stand)
{
    struct rig *rig = stand->rig;
    struct talk *talk = calloc(1, sizeof *talk);
    if (!talk)
        return;
    *talk = (struct talk){.stand = stand, .alert = -1, .handles = 2};
    talk->exhibit = rig->plan.by_name ? NULL : &rig->exhibits[stand->exhibit];
    talk->next = rig->talks;
    talk->link = &rig->talks;
    if (talk->next)
        talk->next->link = &talk->next;
    rig->talks = talk;
    uv_tcp_init(rig->loop, &talk->tcp);
    uv_timer_init(rig->loop, &talk->patience);
    talk->tcp.data = talk->patience.data = talk;
    talk->flow = ++rig->flows;
    uint64_t ms = 1000ULL * rig->plan.patience;
    if (uv_accept((uv_stream_t *)&stand->tcp, (uv_stream_t *)&talk->tcp)) {
        talk_close(talk, "failed");
        return;
    }
    take_addresses(talk);
    talk_opened(talk);
    uv_tcp_nodelay(&talk->tcp, 1);
    uv_timer_start(&talk->patience, on_impatient, ms, ms);
    uv_read_start((uv_stream_t *)&talk->tcp, on_room, on_read);
}
