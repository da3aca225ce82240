/* SPDX-License-Identifier: MIT
 *
 * A small server: listeners, one thread a connection, HTTP with or without
 * TLS, and a watch on what the other end makes of the certificate. What the
 * server serves is not here: it hands in one function that answers requests. */
#ifndef VICTIMS_SERVER_H
#define VICTIMS_SERVER_H

#include "certs/err.h"
#include "certs/verify.h"
#include "proxy/base/dial.h"
#include "victims/http.h"
#include "victims/report.h"
#include "victims/text.h"
#include "victims/wire.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

enum {
    SERVER_LISTENERS_MOST = 16,
    SERVER_TALKS_MOST = 256, /* connections at a time */
    SERVER_PATIENCE = 10,    /* seconds for a handshake, a request, an answer */
    SERVER_IDLE = 30,        /* seconds between two requests */
    SERVER_STACK = 512 * 1024,
    SERVER_STAPLE_MOST = 64 * 1024,
};

/* What a server answers. Headers are "Name: value\r\n" lines. */
struct server_answer {
    int status;
    const char *type; /* NULL: a page */
    struct text headers, page;
};

struct server_talk;
typedef void server_respond(void *owner, struct server_talk *talk,
                            const struct http_message *request,
                            struct server_answer *answer);

struct server {
    const char *program;
    server_respond *respond;
    void *owner;
    SSL_CTX *tls;       /* NULL: no certificate was given */
    struct text staple; /* the CA's answer about it (OCSP), if any */
    int listeners[SERVER_LISTENERS_MOST];
    bool listens_tls[SERVER_LISTENERS_MOST];
    unsigned listeners_count;
    struct text addresses; /* for the event `ready` */
    pthread_mutex_t lock;
    pthread_cond_t gone; /* one talk less */
    struct server_talk *talks;
    unsigned talks_count;
    uint64_t flows;
};

/* One connection. */
struct server_talk {
    struct server *server;
    struct server_talk *next, **link; /* under server->lock */
    struct wire wire;
    uint64_t flow;
    bool tls, finished;       /* the handshake is complete */
    int alert;                /* the last one that the victim sent, -1: none */
    struct report_where seen; /* the request that is being answered */
};

/* ---- events
 * ------------------------------------------------------------------- */

static inline struct report_where server_where(const struct server_talk *talk,
                                               const char *dir)
{
    const struct wire_way *way =
        dir && *dir == 'u' ? &talk->wire.in : &talk->wire.out;
    return (struct report_where){.flow = talk->flow,
                                 .leg = "victim",
                                 .opener = &talk->wire.opener,
                                 .acceptor = &talk->wire.acceptor,
                                 .dir = dir,
                                 .at = way->at,
                                 .len = way->len};
}

static inline void server_on_alert(struct server_talk *talk, bool sent,
                                   const unsigned char *bytes)
{
    struct text data = {0};
    struct report_where where = server_where(talk, sent ? "down" : "up");
    report_string(&data, "level", bytes[0] == 1 ? "warning" : "fatal");
    report_number(&data, "code", bytes[1]);
    report_string(&data, "name", alert_name(bytes[1]));
    report("tls.alert", &where, &data);
    if (!sent)
        talk->alert = bytes[1];
}

static inline void server_add_pem(struct text *data, X509 *cert)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *pem = NULL;
    PEM_write_bio_X509(memory, cert);
    long len = BIO_get_mem_data(memory, &pem);
    text_json(data, pem, (size_t)len);
    BIO_free(memory);
}

/* Our certificates have just gone out. */
static inline void server_on_certificate(struct server_talk *talk)
{
    struct text data = {0};
    struct report_where where = server_where(talk, "down");
    STACK_OF(X509) *above = NULL;
    SSL_get0_chain_certs(talk->wire.ssl, &above);
    if (!above)
        SSL_CTX_get0_chain_certs(talk->server->tls, &above);
    report_string(&data, "role", "own");
    report_key(&data, "chain");
    text_add(&data, "[");
    server_add_pem(&data, SSL_get_certificate(talk->wire.ssl));
    for (int i = 0; i < sk_X509_num(above); i++) {
        text_add(&data, ",");
        server_add_pem(&data, sk_X509_value(above, i));
    }
    text_add(&data, "]");
    report("tls.cert", &where, &data);
}

static inline void server_on_tls(struct wire *wire, bool sent, int type,
                                 const unsigned char *bytes, size_t len)
{
    struct server_talk *talk = wire->owner;
    if (type == SSL3_RT_ALERT && len == 2)
        server_on_alert(talk, sent, bytes);
    if (type == SSL3_RT_HANDSHAKE && sent && len && bytes[0] == 11)
        server_on_certificate(talk);
}

/* A line of the key log (RFC 9850): with it, Wireshark reads the capture. */
static inline void server_on_key(const SSL *ssl, const char *line)
{
    struct wire *wire = SSL_get_app_data(ssl);
    struct text data = {0};
    struct report_where where = server_where(wire->owner, NULL);
    report_string(&data, "line", line);
    report("tls.key", &where, &data);
    const char *path = getenv("SSLKEYLOGFILE");
    FILE *file = path && *path ? fopen(path, "a") : NULL;
    if (file) {
        fprintf(file, "%s\n", line);
        fclose(file);
    }
}

static inline const char *server_version(const struct server_talk *talk)
{
    return SSL_version(talk->wire.ssl) == TLS1_3_VERSION ? "TLS 1.3"
                                                         : "TLS 1.2";
}

static inline void server_report_done(struct server_talk *talk)
{
    struct text data = {0};
    struct report_where where = server_where(talk, NULL);
    SSL *ssl = talk->wire.ssl;
    const unsigned char *alpn;
    unsigned alpn_len;
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    report_string(&data, "version", server_version(talk));
    report_string(&data, "suite",
                  SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
    report_bytes(&data, "alpn", alpn, alpn_len);
    report_flag(&data, "resumed", SSL_session_reused(ssl));
    report("tls.done", &where, &data);
}

/* What the victim thought of the certificate: only what it did counts. */
static inline void server_report_verdict(struct server_talk *talk)
{
    struct text data = {0};
    struct report_where where = server_where(talk, NULL);
    bool accepted = talk->wire.in.clear > 0;
    bool close_notify = talk->alert == SSL_AD_CLOSE_NOTIFY;
    const char *how = accepted                            ? "data"
                      : talk->alert >= 0 && !close_notify ? "alert"
                      : !talk->finished                   ? "abort"
                      : close_notify                      ? "close_notify"
                                                          : "silent";
    report_string(&data, "verdict", accepted ? "accepted" : "refused");
    report_string(&data, "how", how);
    if (talk->alert >= 0) {
        report_string(&data, "alert", alert_name(talk->alert));
        report_number(&data, "alert_code", talk->alert);
    }
    report_number(&data, "app_bytes", (long long)talk->wire.in.clear);
    report_string(&data, "version", server_version(talk));
    report_flag(&data, "finished", talk->finished);
    report("tls.verdict", &where, &data);
}

static inline void server_report_request(struct server_talk *talk,
                                         const struct http_message *request)
{
    struct text data = {0};
    const char *host = http_field(request, "Host");
    report_string(&data, "method", request->words[0]);
    report_string(&data, "target", request->words[1]);
    report_string(&data, "version", request->words[2]);
    report_string(&data, "host", host ? host : "");
    http_report_fields(&data, request);
    http_report_body(&data, &request->body);
    report("http.request", &talk->seen, &data);
}

static inline void server_report_end(struct server_talk *talk)
{
    static const char *const whys[] = {
        [WIRE_FINE] = "done",  [WIRE_TIMEOUT] = "timeout",
        [WIRE_RESET] = "cut",  [WIRE_TRUNCATED] = "cut",
        [WIRE_TLS] = "failed",
    };
    struct text data = {0};
    struct report_where where = server_where(talk, NULL);
    bool refused = talk->tls && !talk->finished;
    report_string(&data, "why", refused ? "refused" : whys[talk->wire.trouble]);
    report_number(&data, "up", (long long)talk->wire.in.bytes);
    report_number(&data, "down", (long long)talk->wire.out.bytes);
    report("flow.end", &where, &data);
}

/* ---- answering
 * ------------------------------------------------------------------ */

static inline const char *server_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {431, "Request Header Fields Too Large"},
        {501, "Not Implemented"},
        {505, "HTTP Version Not Supported"},
    };
    for (unsigned i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

/* Send an answer and report it, with the fields as they went out. */
static inline int server_send(struct server_talk *talk,
                              struct server_answer *answer, bool keep,
                              bool head_only)
{
    struct text out = {0}, data = {0};
    struct report_where where = server_where(talk, "down");
    const char *reason = server_reason(answer->status);
    text_add(&out,
             "HTTP/1.1 %d %s\r\nServer: %s\r\n"
             "Content-Type: %s\r\n"
             "Content-Length: %zu\r\nCache-Control: no-store\r\n%s%s\r\n",
             answer->status, reason, talk->server->program,
             answer->type ? answer->type : "text/html; charset=utf-8",
             answer->page.len, answer->headers.len ? answer->headers.bytes : "",
             keep ? "" : "Connection: close\r\n");
    struct http_message sent = {.announced = -1};
    text_bytes(&sent.head, out.bytes, out.len);
    if (!head_only)
        text_bytes(&out, answer->page.bytes, answer->page.len);
    int rc = wire_write(&talk->wire, out.bytes, out.len, &where);
    http_read_lines(&sent);
    report_number(&data, "status", answer->status);
    report_string(&data, "reason", reason);
    http_report_fields(&data, &sent);
    http_report_body(&data, &answer->page);
    report("http.response", &where, &data);
    http_free(&sent);
    text_free(&out);
    text_free(&answer->headers);
    text_free(&answer->page);
    return rc;
}

/* A request that is not HTTP as it should be: say which rule, and hang up. */
static inline void server_send_fault(struct server_talk *talk,
                                     const struct http_message *request)
{
    const struct http_fault *fault = &request->fault;
    struct text data = {0};
    struct server_answer answer = {.status = fault->status};
    report_string(&data, "rule", fault->rule);
    report_string(&data, "sentence", fault->sentence);
    report_number(&data, "offset", (long long)fault->offset);
    report_number(&data, "status", fault->status);
    report("http.refused", &talk->seen, &data);
    text_add(&answer.page, "<!DOCTYPE html>\n<title>%s</title>\n<p>%s: %s.\n",
             server_reason(fault->status), fault->rule, fault->sentence);
    server_send(talk, &answer, false, false);
}

/* What a request needs beyond a head that can be read. */
static inline int server_check_request(struct http_message *request)
{
    const char *const *words = (const char *const *)request->words;
    unsigned hosts = 0;
    for (unsigned i = 0; i < request->fields; i++)
        hosts += !strcasecmp(request->names[i], "Host");
    if (!http_is_token(words[0], strlen(words[0])) || words[1][0] != '/')
        return http_refuse(request, 400, "RFC 9112 3",
                           "the request line is not METHOD /path VERSION");
    for (const char *byte = words[1]; *byte; byte++)
        if ((unsigned char)*byte <= 0x20 || (unsigned char)*byte >= 0x7f)
            return http_refuse(request, 400, "RFC 9112 3.2",
                               "the target holds a byte that no URL may hold");
    if (strcmp(words[2], "HTTP/1.1") != 0 && strcmp(words[2], "HTTP/1.0") != 0)
        return http_refuse(request, strncmp(words[2], "HTTP/", 5) ? 400 : 505,
                           "RFC 9112 2.3", "the version is not HTTP/1.1");
    if (hosts > 1 || (!hosts && !strcmp(words[2], "HTTP/1.1")))
        return http_refuse(request, 400, "RFC 9112 3.2",
                           "there is not one Host field");
    return 0;
}

/* Wait for a request's first byte, then give the whole of it its time: a peer
 * that drips cannot hold the connection for ever. */
static inline int server_read_request(struct server_talk *talk,
                                      struct http_message *request)
{
    struct wire *wire = &talk->wire;
    wire_hurry(wire, SERVER_IDLE);
    if (!wire->pending.len && wire_read(wire) <= 0)
        return 0;
    wire_hurry(wire, SERVER_PATIENCE);
    int rc = http_read_head(wire, request);
    if (rc == 1 && server_check_request(request))
        rc = -1;
    if (rc == 1 && http_read_body(wire, request, false))
        rc = -1;
    talk->seen = server_where(talk, "up");
    talk->seen.at = request->at;
    talk->seen.len = request->len;
    if (rc < 0 && wire->trouble == WIRE_TIMEOUT) {
        wire_hurry(wire, 1);
        http_refuse(request, 408, "RFC 9110 15.5.9",
                    "the request did not come in time");
    }
    return rc;
}

/* False: the conversation is over. */
static inline bool server_exchange(struct server_talk *talk,
                                   struct http_message *request)
{
    struct server *server = talk->server;
    struct server_answer answer = {.status = 200};
    int rc = server_read_request(talk, request);
    if (rc < 0 && request->fault.rule)
        server_send_fault(talk, request);
    if (rc <= 0)
        return false;
    server_report_request(talk, request);
    const char *connection = http_field(request, "Connection");
    bool keep = !strcmp(request->words[2], "HTTP/1.1") &&
                !http_lists(connection, "close");
    server->respond(server->owner, talk, request, &answer);
    return !server_send(talk, &answer, keep,
                        !strcmp(request->words[0], "HEAD")) &&
           keep;
}

static inline void server_converse(struct server_talk *talk)
{
    struct http_message request = {0};
    wire_hurry(&talk->wire, SERVER_PATIENCE);
    if (talk->tls) {
        talk->finished = !wire_handshake(&talk->wire, SSL_accept);
        if (!talk->finished)
            return;
        server_report_done(talk);
    }
    while (server_exchange(talk, &request))
        ;
    http_free(&request);
}

/* ---- connections
 * ------------------------------------------------------------------ */

static inline void server_forget(struct server_talk *talk)
{
    struct server *server = talk->server;
    pthread_mutex_lock(&server->lock);
    *talk->link = talk->next;
    if (talk->next)
        talk->next->link = talk->link;
    wire_close(&talk->wire);
    server->talks_count--;
    pthread_cond_signal(&server->gone);
    pthread_mutex_unlock(&server->lock);
    free(talk);
}

static inline void *server_thread(void *argument)
{
    struct server_talk *talk = argument;
    struct text data = {0};
    struct report_where where = server_where(talk, NULL);
    report_flag(&data, "tls", talk->tls);
    report("flow.open", &where, &data);
    server_converse(talk);
    wire_finish(&talk->wire);
    if (talk->tls)
        server_report_verdict(talk);
    server_report_end(talk);
    OPENSSL_thread_stop();
    server_forget(talk);
    return NULL;
}

static inline void server_remember(struct server_talk *talk)
{
    struct server *server = talk->server;
    pthread_mutex_lock(&server->lock);
    talk->next = server->talks;
    talk->link = &server->talks;
    if (talk->next)
        talk->next->link = &talk->next;
    server->talks = talk;
    server->talks_count++;
    talk->flow = ++server->flows;
    pthread_mutex_unlock(&server->lock);
}

/* Full: the newcomer waits in the kernel's queue until there is room. */
static inline bool server_full(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    bool full = server->talks_count >= SERVER_TALKS_MOST;
    pthread_mutex_unlock(&server->lock);
    return full;
}

static inline void server_accept(struct server *server, unsigned which)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int fd = accept4(server->listeners[which], NULL, NULL, SOCK_CLOEXEC);
    struct server_talk *talk = fd < 0 ? NULL : calloc(1, sizeof *talk);
    if (!talk) {
        if (fd >= 0)
            close(fd);
        else if (errno != EAGAIN)
            usleep(10 * 1000); /* no descriptor left: let some talk end */
        return;
    }
    talk->server = server;
    talk->alert = -1;
    wire_open(&talk->wire, fd, false);
    talk->wire.owner = talk;
    talk->wire.on_tls = server_on_tls;
    talk->tls = server->listens_tls[which];
    if (talk->tls)
        wire_use_tls_take(&talk->wire, SSL_new(server->tls));
    server_remember(talk);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, SERVER_STACK);
    if (pthread_create(&thread, &attributes, server_thread, talk))
        server_forget(talk);
    pthread_attr_destroy(&attributes);
}

/* ---- life
 * -------------------------------------------------------------------------- */

/* Listen on "address:port", port 0 for any. 0, or -1 with a sentence. */
static inline int server_listen(struct server *server, const char *text,
                                bool tls, struct err *err)
{
    union address address;
    char shown[ADDRESS_TEXT];
    socklen_t len;
    int yes = 1;
    if (server->listeners_count == SERVER_LISTENERS_MOST) {
        err_code(err, EXIT_USAGE, "too many addresses to listen on");
        return -1;
    }
    if (address_parse(text, &address, err) || dial_check(&address, err))
        return -1;
    len = address_len(&address);
    int fd = socket(address.any.sa_family,
                    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, &address.any, len) || listen(fd, SOMAXCONN)) {
        err_errno(err, "listen on %s", text);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    getsockname(fd, &address.any, &len);
    address_text(&address, shown);
    text_add(&server->addresses, "%s\"%s\"", server->listeners_count ? "," : "",
             shown);
    server->listens_tls[server->listeners_count] = tls;
    server->listeners[server->listeners_count++] = fd;
    return 0;
}

static inline int server_choose_http1(SSL *ssl, const unsigned char **out,
                                      unsigned char *out_len,
                                      const unsigned char *in, unsigned in_len,
                                      void *argument)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl, (void)argument;
    return SSL_select_next_proto((unsigned char **)out, out_len, ours,
                                 sizeof ours - 1, in,
                                 in_len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
}

/* Append a file of `most` bytes at most. 0, or -1 with a sentence. */
static inline int server_load(struct text *text, const char *path, size_t most,
                              struct err *err)
{
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(text_reserve(text, most), 1, most, file) : 0;
    if (!file || ferror(file) || !got) {
        err_errno(err, "read %s", path);
        if (file)
            fclose(file);
        return -1;
    }
    text->len += got;
    text->bytes[text->len] = 0;
    fclose(file);
    return 0;
}

/* The victim asks for the CA's answer about our certificate (RFC 6066 8). */
static inline int server_on_status_request(SSL *ssl, void *argument)
{
    const struct server *server = argument;
    size_t len = server->staple.len;
    unsigned char *copy = OPENSSL_memdup(server->staple.bytes, len);
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (int)len); /* takes it */
    return SSL_TLSEXT_ERR_OK;
}

/* After server_use_certificate(). */
static inline int server_use_staple(struct server *server, const char *path,
                                    struct err *err)
{
    if (server_load(&server->staple, path, SERVER_STAPLE_MOST, err))
        return -1;
    SSL_CTX_set_tlsext_status_cb(server->tls, server_on_status_request);
    SSL_CTX_set_tlsext_status_arg(server->tls, server);
    return 0;
}

/* TLS 1.2 and 1.3. No tickets: a capture is easier to read without, and each
 * conversation shows the certificate. */
static inline int server_use_certificate(struct server *server,
                                         const char *cert, const char *key,
                                         struct err *err)
{
    SSL_CTX *tls = server->tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_use_certificate_chain_file(tls, cert) != 1) {
        err_openssl(err, "read the certificate %s", cert);
        return -1;
    }
    if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
        err_openssl(err, "read the key %s", key);
        return -1;
    }
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_num_tickets(tls, 0);
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_keylog_callback(tls, server_on_key);
    SSL_CTX_set_alpn_select_cb(tls, server_choose_http1, NULL);
    return 0;
}

/* Hang up on everybody, and wait for the threads; but not for ever. */
static inline void server_stop(struct server *server)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    pthread_mutex_lock(&server->lock);
    for (struct server_talk *talk = server->talks; talk; talk = talk->next)
        shutdown(talk->wire.fd, SHUT_RDWR);
    while (server->talks_count &&
           !pthread_cond_timedwait(&server->gone, &server->lock, &until))
        ;
    bool alone = server->talks_count == 0;
    pthread_mutex_unlock(&server->lock);
    for (unsigned i = 0; i < server->listeners_count; i++)
        close(server->listeners[i]);
    text_free(&server->addresses);
    if (alone)
        text_free(&server->staple);
    if (alone)
        SSL_CTX_free(server->tls);
}

/* Serve until SIGTERM or SIGINT. Call server_prepare() before any thread is
 * started and any listener is opened. */
static inline void server_prepare(struct server *server)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->gone, NULL);
}

static inline void server_run(struct server *server)
{
    struct pollfd polls[SERVER_LISTENERS_MOST + 1];
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    polls[0] = (struct pollfd){.fd = signalfd(-1, &stop, SFD_CLOEXEC),
                               .events = POLLIN};
    for (unsigned i = 0; i < server->listeners_count; i++)
        polls[i + 1] =
            (struct pollfd){.fd = server->listeners[i], .events = POLLIN};
    report_ready(server->program, server->addresses.bytes);
    while (!polls[0].revents) {
        bool full = server_full(server);
        poll(polls, full ? 1 : server->listeners_count + 1, full ? 50 : -1);
        for (unsigned i = 0; !full && i < server->listeners_count; i++)
            if (polls[i + 1].revents)
                server_accept(server, i);
    }
    close(polls[0].fd);
    server_stop(server);
}

#endif
