/* SPDX-License-Identifier: MIT */
#include "proxy/end.h"

#include "proxy/relay.h"
#include "proxy/worker.h"

#include <assert.h>
#include <sys/socket.h>

enum { READ_LEAST = 4 * 1024 };

static struct worker *worker_of(const struct end *end)
{
    return end->relay->worker;
}

int end_open(struct end *end, struct relay *relay, enum event_leg leg)
{
    end->relay = relay;
    end->leg = leg;
    int rc = uv_tcp_init(relay->worker->loop, &end->tcp);
    if (rc)
        return rc;
    end->tcp.data = end;
    end->open = true;
    relay->handles++;
    return 0;
}

void end_ready(struct end *end)
{
    uv_tcp_nodelay(&end->tcp, 1);
}

const union address *end_opener(const struct end *end)
{
    const struct flow *flow = &end->relay->flow;
    if (end->leg == LEG_VICTIM)
        return &flow->victim;
    return end->local ? end->local : &flow->local;
}

const union address *end_acceptor(const struct end *end)
{
    const struct flow *flow = &end->relay->flow;
    return end->leg == LEG_VICTIM ? &flow->entrance : &flow->server;
}

/* The kernel has chosen it by now, whatever comes of it. */
void end_record_dial(struct end *end)
{
    struct wire *wire = worker_of(end)->options->wire;
    int len = sizeof end->dialled;
    if (wire && !uv_tcp_getsockname(&end->tcp, &end->dialled.any, &len))
        wire_dial(&end->link, wire, WIRE_SERVER, &end->dialled,
                  end_acceptor(end));
}

/* Does what we send go from the one who opened the connection? */
static bool opened_by_us(const struct end *end)
{
    return end->leg == LEG_SERVER;
}

void end_record(struct end *end, size_t head)
{
    wire_begin(&end->link, worker_of(end)->options->wire,
               end->leg == LEG_VICTIM ? WIRE_VICTIM : WIRE_SERVER,
               end_opener(end), end_acceptor(end));
    if (buf_len(&end->in)) {
        const uint8_t *came = buf_head(&end->in);
        wire_data(&end->link, !opened_by_us(end), came, head);
        wire_data(&end->link, !opened_by_us(end), came + head,
                  buf_len(&end->in) - head);
    }
    if (end->fin_in)
        wire_finish(&end->link, !opened_by_us(end));
}

/* ---- reading ------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    (void)wanted;
    struct end *end = handle->data;
    uint8_t *to = NULL;
    if (!end->pours && !worker_lend(worker_of(end), &end->in))
        to = buf_reserve(&end->in, READ_LEAST);
    size_t room = to ? end->in.room - end->in.end : 0;
    *out = uv_buf_init((char *)to, (unsigned)room);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct end *end = stream->data;
    if (got == 0)
        return;
    if (got > 0) {
        wire_data(&end->link, !opened_by_us(end), buf->base, (size_t)got);
        buf_filled(&end->in, (size_t)got);
        end->in_total += (uint64_t)got;
    } else if (got == UV_ENOBUFS && end->pours) {
        end->pours = false;
    } else {
        end->reading = false; /* libuv has stopped by itself */
        end_fell_silent(end, got != UV_EOF);
    }
    relay_advance(end->relay);
}

void end_fell_silent(struct end *end, bool lost)
{
    if (lost)
        wire_reset(&end->link, !opened_by_us(end));
    else
        wire_finish(&end->link, !opened_by_us(end));
    end_read(end, false);
    end->fin_in = end->tls.in_ended = true;
    end->pours = false;
    if (lost)
        end->hears = END_LOST;
    else if (!end->tls.ssl)
        end->hears = END_TOLD_BYE;
}

void end_read(struct end *end, bool on)
{
    if (!end->open || end->fin_in || on == end->reading)
        return;
    end->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&end->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&end->tcp);
}

void end_decrypt(struct end *end, size_t most)
{
    if (!end->tls.ssl || end->hears != END_HEARS)
        return;
    if (worker_lend(worker_of(end), &end->clear)) {
        end->hears = END_LOST;
        return;
    }
    switch (tls_read(&end->tls, &end->clear, most)) {
    case TLS_DONE:
    case TLS_WAIT:
        break;
    case TLS_CLOSED:
        end->hears = END_TOLD_BYE;
        break;
    case TLS_TRUNCATED:
        end->hears = END_TRUNCATED;
        break;
    case TLS_FAILED:
        end->hears = END_LOST;
        break;
    }
}

/* ---- writing ------------------------------------------------------------- */

/* The peer does not take bytes any more. What it sent before is still read,
 * so this alone does not say that it is lost. */
void end_went_deaf(struct end *end)
{
    end->says = END_FINISHED;
    buf_clear(&end->out);
    if (!end->reading)
        end->hears = END_LOST;
}

/* As much as the kernel takes at once. Returns how much that was. */
static size_t write_now(struct end *end, const void *bytes, size_t len)
{
    uv_buf_t piece = uv_buf_init((char *)bytes, (unsigned)len);
    int wrote = uv_try_write((uv_stream_t *)&end->tcp, &piece, 1);
    if (wrote >= 0) {
        wire_data(&end->link, opened_by_us(end), bytes, (size_t)wrote);
        return (size_t)wrote;
    }
    if (wrote != UV_EAGAIN)
        end_went_deaf(end);
    return 0;
}

int end_send(struct end *end, const void *bytes, size_t len)
{
    if (end->says != END_SAYS || !end->open)
        return -1;
    if (end->tls.ssl) {
        if (worker_lend(worker_of(end), &end->out) ||
            tls_write(&end->tls, bytes, len))
            return -1;
        return 0;
    }
    end->out_total += len;
    size_t wrote = end_blocked(end) ? 0 : write_now(end, bytes, len);
    if (wrote == len)
        return 0;
    if (end->says != END_SAYS || worker_lend(worker_of(end), &end->out))
        return -1;
    return buf_append(&end->out, (const char *)bytes + wrote, len - wrote);
}

static void on_written(uv_write_t *request, int status)
{
    struct end *end = request->data;
    worker_discard(worker_of(end), &end->flying);
    if (status && end->open)
        end_went_deaf(end);
    relay_advance(end->relay);
}

static void fly(struct end *end)
{
    end->flying = end->out;
    end->out = (struct buf){0};
    wire_data(&end->link, opened_by_us(end), buf_head(&end->flying),
              buf_len(&end->flying));
    end->write.data = end;
    uv_buf_t piece = uv_buf_init((char *)buf_head(&end->flying),
                                 (unsigned)buf_len(&end->flying));
    if (uv_write(&end->write, (uv_stream_t *)&end->tcp, &piece, 1,
                 on_written)) {
        buf_free(&end->flying);
        end_went_deaf(end);
    }
}

/* FIN by hand: libuv has no write under way, and uv_shutdown() would need
 * another request to outlive. */
static void send_fin(struct end *end)
{
    uv_os_fd_t fd;
    end->says = END_FINISHED;
    wire_finish(&end->link, opened_by_us(end));
    if (!uv_fileno((uv_handle_t *)&end->tcp, &fd))
        shutdown(fd, SHUT_WR);
}

void end_flush(struct end *end)
{
    struct worker *worker = worker_of(end);
    if (!end->open)
        return;
    if (!buf_len(&end->flying) && buf_len(&end->out)) {
        size_t wrote = write_now(end, buf_head(&end->out), buf_len(&end->out));
        if (buf_len(&end->out))
            buf_consume(&end->out, wrote);
        if (buf_len(&end->out))
            fly(end);
    }
    if (end->says == END_FINISHES && !end_blocked(end))
        send_fin(end);
    worker_take_back(worker, &end->out);
    worker_take_back(worker, &end->in);
    worker_take_back(worker, &end->clear);
}

bool end_all_heard(const struct end *end)
{
    char byte;
    uv_os_fd_t fd;
    if (buf_len(&end->in) || uv_fileno((const uv_handle_t *)&end->tcp, &fd))
        return false;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

void end_finish(struct end *end, bool truncate)
{
    if (!end->open || end->says != END_SAYS)
        return;
    if (!truncate && end->tls.ssl && !worker_lend(worker_of(end), &end->out))
        tls_goodbye(&end->tls);
    end->says = END_FINISHES;
}

/* ---- the end ------------------------------------------------------------- */

static void on_close(uv_handle_t *handle)
{
    struct end *end = handle->data;
    end->closing = false;
    relay_handle_closed(end->relay);
}

void end_close(struct end *end, bool reset)
{
    if (!end->open)
        return;
    end->open = false;
    end->closing = true;
    end->reading = false;
    if (reset)
        wire_reset(&end->link, opened_by_us(end));
    else
        wire_finish(&end->link, opened_by_us(end));
    if (!reset || uv_tcp_close_reset(&end->tcp, on_close))
        uv_close((uv_handle_t *)&end->tcp, on_close);
}

void end_vacate(struct end *end)
{
    struct worker *worker = worker_of(end);
    end_finish(end, false);
    end_flush(end);
    end_close(end, false);
    tls_close(&end->tls);
    worker_discard(worker, &end->in);
    worker_discard(worker, &end->clear);
    worker_discard(worker, &end->out);
    end->tls = (struct tls_side){0};
    end->link = (struct wire_link){0};
    end->in_total = end->out_total = 0;
    end->hears = END_HEARS;
    end->says = END_SAYS;
    end->fin_in = end->pours = end->alerted = false;
}

void end_free(struct end *end)
{
    struct worker *worker = worker_of(end);
    tls_close(&end->tls);
    worker_discard(worker, &end->in);
    worker_discard(worker, &end->clear);
    worker_discard(worker, &end->out);
    worker_discard(worker, &end->flying);
}

uint64_t end_input_at(const struct end *end)
{
    return end->tls.ssl ? end->tls.clear_at : end->in_total - buf_len(&end->in);
}

uint64_t end_input_end(const struct end *end)
{
    return end->tls.ssl ? end->tls.in_at : end->in_total - buf_len(&end->in);
}

uint64_t end_output_at(const struct end *end)
{
    return end->tls.ssl ? end->tls.out_at : end->out_total;
}
