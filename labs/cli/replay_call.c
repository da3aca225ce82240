/* SPDX-License-Identifier: MIT */
#include "labs/cli/replay_call.h"

#include "proxy/base/dial.h"
#include "proxy/http1.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    CONNECT_MS = 5000,
    PATIENCE_S = 20,
    BODY_MOST = 64 * 1024 * 1024,
};

struct call {
    int fd;
    SSL_CTX *context;
    SSL *ssl; /* NULL: without TLS */
    struct buf in;
};

/* ---- bytes --------------------------------------------------------------- */

static int start_tls(struct call *call, const struct target *to, const char *ca,
                     struct err *err)
{
    call->context = SSL_CTX_new(TLS_client_method());
    call->ssl = call->context ? SSL_new(call->context) : NULL;
    if (!call->ssl || SSL_set_fd(call->ssl, call->fd) != 1 ||
        (!target_is_number(to) &&
         SSL_set_tlsext_host_name(call->ssl, to->host) != 1)) {
        err_openssl(err, "start TLS");
        return -1;
    }
    if (ca) {
        if (SSL_CTX_load_verify_file(call->context, ca) != 1) {
            err_openssl(err, "read the trusted certificates in %s", ca);
            return -1;
        }
        SSL_set_verify(call->ssl, SSL_VERIFY_PEER, NULL);
        if (!(target_is_number(to) ? X509_VERIFY_PARAM_set1_ip_asc(
                                         SSL_get0_param(call->ssl), to->host)
                                   : SSL_set1_host(call->ssl, to->host))) {
            err_openssl(err, "name the server %s", to->host);
            return -1;
        }
    }
    if (SSL_connect(call->ssl) == 1)
        return 0;
    err_openssl(err, "TLS with %s", to->host);
    return -1;
}

static int send_all(struct call *call, const struct buf *out)
{
    size_t len = buf_len(out), done = 0;
    while (done < len) {
        const uint8_t *from = buf_head(out) + done;
        ssize_t sent = call->ssl
                           ? SSL_write(call->ssl, from, (int)(len - done))
                           : send(call->fd, from, len - done, MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        done += (size_t)sent;
    }
    return 0;
}

/* > 0: more came; 0: no more will; -1: it fell silent, or was reset. */
static ssize_t receive(struct call *call)
{
    enum { PIECE = 64 * 1024 };
    uint8_t *to = buf_reserve(&call->in, PIECE);
    ssize_t got = !to         ? -1
                  : call->ssl ? SSL_read(call->ssl, to, PIECE)
                              : recv(call->fd, to, PIECE, 0);
    if (call->ssl && got <= 0)
        got = SSL_get_error(call->ssl, (int)got) == SSL_ERROR_ZERO_RETURN ? 0
                                                                          : -1;
    if (got > 0)
        buf_filled(&call->in, (size_t)got);
    return got;
}

/* ---- the answer ---------------------------------------------------------- */

static int malformed(const struct http1_fault *fault, struct err *err)
{
    err_set(err, "the answer is malformed: %s (%s, byte %zu)", fault->sentence,
            fault->rule, fault->offset);
    return -1;
}

/* The head of the answer itself, behind any number of interim ones. */
static int read_head(struct call *call, const char *method,
                     struct http1_head *head, size_t *out_used, struct err *err)
{
    struct http1_scan scan = {0};
    struct http1_fault fault;
    for (;;) {
        size_t len = buf_len(&call->in);
        ssize_t used = len ? http1_head_read(&scan, HTTP1_RESPONSE, method,
                                             (char *)buf_head(&call->in), len,
                                             head, &fault)
                           : 0;
        if (used < 0)
            return malformed(&fault, err);
        if (used > 0 && head->status >= 200) {
            *out_used = (size_t)used;
            return 0;
        }
        if (used > 0) {
            buf_consume(&call->in, (size_t)used);
            continue;
        }
        if (receive(call) <= 0) {
            err_set(err, "the server gave no answer");
            return -1;
        }
    }
}

static int read_body(struct call *call, const struct http1_head *head,
                     struct buf *out, struct err *err)
{
    struct http1_body body;
    struct http1_fault fault;
    http1_body_init(&body, head, 0);
    if (head->framing == HTTP1_NONE || head->framing == HTTP1_TUNNEL)
        return 0;
    while (!body.done) {
        struct span data = {0};
        size_t len = buf_len(&call->in);
        const char *front = len ? (char *)buf_head(&call->in) : "";
        ssize_t used =
            len ? http1_body_read(&body, front, len, &data, &fault) : 0;
        if (used < 0)
            return malformed(&fault, err);
        if (buf_len(out) + data.len > BODY_MOST ||
            buf_append(out, front + data.at, data.len)) {
            err_set(err, "the answer is larger than %d MiB",
                    BODY_MOST / 1024 / 1024);
            return -1;
        }
        if (used > 0) {
            buf_consume(&call->in, (size_t)used);
            continue;
        }
        ssize_t got = body.done ? 1 : receive(call);
        if (got == 0 && head->framing == HTTP1_TO_CLOSE)
            return 0;
        if (got <= 0) {
            err_set(err, "the server ended in the middle of its answer");
            return -1;
        }
    }
    return 0;
}

static int read_answer(struct call *call, const struct message *request,
                       struct arena *arena, struct message *out,
                       struct err *err)
{
    struct http1_head head;
    size_t used;
    if (read_head(call, request->method, &head, &used, err))
        return -1;
    if (message_init(out, arena, &head, (char *)buf_head(&call->in))) {
        err_set(err, "out of memory");
        return -1;
    }
    buf_consume(&call->in, used);
    if (read_body(call, &head, &out->body, err))
        return -1;
    out->has_body = true;
    /* What cannot be decoded is compared as it came. */
    (void)message_decode(out, BODY_MOST);
    return 0;
}

/* ---- all of it ----------------------------------------------------------- */

static int converse(struct call *call, const struct target *to, const char *ca,
                    const struct message *request, struct arena *arena,
                    struct message *out, struct err *err)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct buf wire = {0};
    setsockopt(call->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(call->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int rc = to->tls ? start_tls(call, to, ca, err) : 0;
    if (!rc && message_write(request, false, &wire)) {
        err_code(err, EXIT_USAGE, "what was recorded is no HTTP request");
        rc = -1;
    }
    /* A server may answer before it has heard all. */
    if (!rc)
        (void)send_all(call, &wire);
    buf_free(&wire);
    return rc ? rc : read_answer(call, request, arena, out, err);
}

int replay_call(const struct target *to, const char *ca,
                const struct message *request, struct arena *arena,
                struct message *out_response, struct err *err)
{
    struct call call = {.fd =
                            dial_blocking(to->host, to->port, CONNECT_MS, err)};
    if (call.fd < 0)
        return -1;
    int rc = converse(&call, to, ca, request, arena, out_response, err);
    SSL_free(call.ssl);
    SSL_CTX_free(call.context);
    close(call.fd);
    buf_free(&call.in);
    return rc;
}
