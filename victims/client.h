/* SPDX-License-Identifier: MIT
 *
 * All that the HTTPS clients have in common: what they are told, what they say
 * and in which order they ask. What a client checks before it trusts the other
 * end is not here: each has its own, in its own file. */
#ifndef VICTIMS_CLIENT_H
#define VICTIMS_CLIENT_H

#include "certs/verify.h"
#include "victims/client_options.h"

/* ---- what it says -----------------------------------------------------------
 */

/* A line for the person who watches, free of bytes that steer a terminal. */
__attribute__((format(printf, 2, 3))) static inline void
client_say(const struct client *client, const char *format, ...)
{
    char line[1024];
    struct text shown = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    text_screen(&shown, line, strlen(line));
    fprintf(client->options.json ? stderr : stdout, "%s\n",
            shown.bytes ? shown.bytes : "");
    text_free(&shown);
}

/* Note how it ended and say so; returns `code`. */
__attribute__((format(printf, 3, 4))) static inline int
client_end(struct client *client, enum client_exit code, const char *format,
           ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(client->reason, sizeof client->reason, format, args);
    va_end(args);
    client_say(client, "%s", client->reason);
    return code;
}

/* The connection failed while `what`. */
static inline int client_trouble(struct client *client, const char *what)
{
    const char *why;
    switch (client->wire.trouble) {
    case WIRE_TIMEOUT:
        return client_end(client, CLIENT_TIMEOUT, "%s took longer than %d s",
                          what, client->options.timeout);
    case WIRE_TRUNCATED:
        return client_end(client, CLIENT_PARTIAL,
                          "%s: cut off; TCP ended without a word of TLS, so "
                          "anybody may have done it",
                          what);
    case WIRE_TLS:
        why = ERR_reason_error_string(ERR_peek_error());
        return client_end(client, CLIENT_TLS, "%s: TLS failed: %s", what,
                          why ? why : "no reason given");
    default:
        return client_end(client, CLIENT_BROKEN, "%s: the connection broke",
                          what);
    }
}

static inline void client_result(struct client *client, int code)
{
    struct text data = {0};
    const struct http_message *answer = &client->answer;
    struct report_where where = {.opener = &client->wire.opener,
                                 .acceptor = &client->wire.acceptor};
    report_flag(&data, "ok", code == CLIENT_OK);
    report_number(&data, "exit", code);
    if (client->status)
        report_number(&data, "status", client->status);
    report_string(&data, "reason", client->reason);
    if (client->url.tls && client->connected) {
        report_number(&data, "verify_code", client->verify_code);
        report_string(&data, "verify_name",
                      verify_name((int)client->verify_code));
        if (client->verify_depth >= 0)
            report_number(&data, "depth", client->verify_depth);
    }
    report_bytes(&data, "body", answer->body.bytes,
                 answer->body.len < HTTP_SHOWN ? answer->body.len : HTTP_SHOWN);
    report("client.result", client->connected ? &where : NULL, &data);
}

/* ---- connecting
 * -------------------------------------------------------------- */

/* Where --connect says, else where the URL says. */
static inline int client_dial_somewhere(const struct client *client,
                                        struct err *err)
{
    const char *there = client->options.connect;
    union address address;
    char host[INET6_ADDRSTRLEN] = "";
    int port = client->url.port;
    if (there) {
        if (address_parse(there, &address, err))
            return -1;
        bool v4 = address.any.sa_family == AF_INET;
        inet_ntop(address.any.sa_family,
                  v4 ? (void *)&address.v4.sin_addr
                     : (void *)&address.v6.sin6_addr,
                  host, sizeof host);
        port = address_port(&address);
    }
    return dial_blocking(there ? host : client->url.host, port,
                         client->options.timeout * 1000, err);
}

static inline int client_dial(struct client *client)
{
    struct err err = ERR_INIT;
    int fd = client_dial_somewhere(client, &err);
    if (fd < 0)
        return client_end(client,
                          err.code == EXIT_CONTAINMENT ? CLIENT_WALLS
                          : err.code == EXIT_TIMEOUT   ? CLIENT_TIMEOUT
                                                       : CLIENT_CONNECT,
                          "%s", err.text);
    wire_open(&client->wire, fd, true);
    wire_hurry(&client->wire, client->options.timeout);
    client->connected = true;
    char text[ADDRESS_TEXT];
    address_text(&client->wire.acceptor, text);
    client_say(client, "connected to %s, %s", text,
               client->url.tls ? "with TLS" : "without TLS");
    return CLIENT_OK;
}

static inline size_t client_length24(const unsigned char *bytes)
{
    return (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
}

/* Keep the first certificate of the message that shows them (RFC 8446 4.4.2,
 * RFC 5246 7.4.2), because OpenSSL forgets those that were refused. */
static inline void client_on_tls(struct wire *wire, bool sent, int type,
                                 const unsigned char *bytes, size_t len)
{
    struct client *client = wire->owner;
    /* Four bytes of header, in TLS 1.3 an empty context, two lengths. */
    size_t at = SSL_version(wire->ssl) == TLS1_3_VERSION ? 8 : 7;
    if (type != SSL3_RT_HANDSHAKE || sent || !len || bytes[0] != 11 ||
        client->shown || len < at + 3)
        return;
    size_t size = client_length24(bytes + at);
    const unsigned char *from = bytes + at + 3;
    if (size <= len - at - 3)
        client->shown = d2i_X509(NULL, &from, (long)size);
    ERR_clear_error();
}

/* One line of a name, such as "CN = bank.lab.test". */
static inline void client_name_text(const X509_NAME *name, char *text, int room)
{
    BIO *memory = BIO_new(BIO_s_mem());
    X509_NAME_print_ex(memory, name, 0,
                       XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    int len = BIO_read(memory, text, room - 1);
    text[len > 0 ? len : 0] = 0;
    BIO_free(memory);
}

/* What was shown, and what this client made of it. */
static inline void client_say_certificate(struct client *client, bool accepted)
{
    SSL *ssl = client->wire.ssl;
    char subject[256], issuer[256];
    if (client->shown) {
        client_name_text(X509_get_subject_name(client->shown), subject,
                         sizeof subject);
        client_name_text(X509_get_issuer_name(client->shown), issuer,
                         sizeof issuer);
        client_say(client, "certificate of %s, signed by %s", subject, issuer);
    }
    const char *why = X509_verify_cert_error_string(client->verify_code);
    const char *host = client->url.host;
    long code = client->verify_code;
    if (!accepted)
        client_say(client, "certificate refused: verify code %ld, %s", code,
                   why);
    else if (SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
        client_say(client,
                   "certificate accepted without a look (a check would "
                   "have said: verify code %ld, %s)",
                   code, why);
    else if (code != X509_V_OK)
        client_say(client,
                   "certificate accepted all the same: verify code %ld, %s",
                   code, why);
    else if (!SSL_get0_peername(ssl) && !SSL_get_verify_callback(ssl))
        client_say(client,
                   "certificate accepted: verify code 0, ok (nobody asked "
                   "whether it is for %s)",
                   host);
    else
        client_say(client, "certificate accepted: verify code 0, ok; for %s",
                   host);
}

static inline int client_refuse_certificate(struct client *client)
{
    client_say_certificate(client, false);
    snprintf(client->reason, sizeof client->reason,
             "certificate refused: %ld, %s", client->verify_code,
             X509_verify_cert_error_string(client->verify_code));
    return CLIENT_REFUSED;
}

/* The handshake failed: because of the certificate, or of something else? */
static inline int client_refuse(struct client *client)
{
    bool checked = SSL_get_verify_mode(client->wire.ssl) != SSL_VERIFY_NONE;
    if (!checked || client->verify_code == X509_V_OK)
        return client_trouble(client, "TLS handshake");
    return client_refuse_certificate(client);
}

/* For a client that made up its mind when the handshake was over: refuse what
 * OpenSSL had found wrong, if anything, and leave in this way. */
static inline int client_refuse_late(struct client *client,
                                     enum client_leave leave)
{
    if (client->verify_code == X509_V_OK)
        return CLIENT_OK;
    client->leave = leave;
    return client_refuse_certificate(client);
}

/* For callbacks of a check, which OpenSSL tells nothing but the chain: the
 * client whose handshake it is, the host that it wants, and the key that has
 * signed the certificate which is looked at (NULL: it has none). */
static inline struct client *client_of(X509_STORE_CTX *chain)
{
    int number = SSL_get_ex_data_X509_STORE_CTX_idx();
    const SSL *ssl = X509_STORE_CTX_get_ex_data(chain, number);
    const struct wire *wire = SSL_get_app_data(ssl);
    return wire->owner;
}

static inline const char *client_host(X509_STORE_CTX *chain)
{
    return client_of(chain)->url.host;
}

static inline EVP_PKEY *client_issuer_key(X509_STORE_CTX *chain)
{
    STACK_OF(X509) *certs = X509_STORE_CTX_get0_chain(chain);
    int depth = X509_STORE_CTX_get_error_depth(chain);
    int last = sk_X509_num(certs) - 1;
    X509 *issuer = sk_X509_value(certs, depth < last ? depth + 1 : last);
    return issuer ? X509_get0_pubkey(issuer) : NULL;
}

/* Keep where in the chain the first check failed. */
static inline int client_on_check(int ok, X509_STORE_CTX *store)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct wire *wire = SSL_get_app_data(ssl);
    struct client *client = wire->owner;
    if (!ok && client->verify_depth < 0)
        client->verify_depth = X509_STORE_CTX_get_error_depth(store);
    return ok;
}

/* What the options add to a client's own check. */
static inline void client_add_wishes(const struct client *client, SSL *ssl)
{
    X509_VERIFY_PARAM *wanted = SSL_get0_param(ssl);
    if (client->options.strict)
        X509_VERIFY_PARAM_set_flags(wanted, X509_V_FLAG_X509_STRICT);
    if (client->options.clock)
        X509_VERIFY_PARAM_set_time(wanted, client->options.clock);
    if (!SSL_get_verify_callback(ssl))
        SSL_set_verify(ssl, SSL_get_verify_mode(ssl), client_on_check);
}

static inline int client_handshake(struct client *client)
{
    const struct client_options *options = &client->options;
    unsigned char number[16];
    client->context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = client->context ? SSL_new(client->context) : NULL;
    if (!ssl)
        return client_end(client, CLIENT_TLS, "no memory for TLS");
    wire_use_tls_take(&client->wire, ssl);
    client->wire.owner = client;
    client->wire.on_tls = client_on_tls;
    SSL_set_min_proto_version(ssl,
                              options->tls ? options->tls : TLS1_2_VERSION);
    SSL_set_max_proto_version(ssl, options->tls);
    if (client->kind->check(client->context, ssl, client->url.host,
                            options->trust))
        return client_end(client, CLIENT_NO_TRUST,
                          "cannot read the CAs to trust from %s",
                          options->trust);
    client_add_wishes(client, ssl);
    /* The name goes into the hello in clear; addresses do not (RFC 6066 3). */
    if (inet_pton(AF_INET, client->url.host, number) != 1 &&
        inet_pton(AF_INET6, client->url.host, number) != 1)
        SSL_set_tlsext_host_name(ssl, client->url.host);
    int rc = wire_handshake(&client->wire, SSL_connect);
    client->verify_code = SSL_get_verify_result(ssl);
    if (rc)
        return client_refuse(client);
    if (client->kind->after_handshake)
        rc = client->kind->after_handshake(client);
    if (rc == CLIENT_OK)
        client_say_certificate(client, true);
    return rc;
}

/* ---- asking ---------------------------------------------------------------
 */

static inline void client_keep_cookie(struct client *client)
{
    const char *cookie = http_field(&client->answer, "Set-Cookie");
    if (cookie)
        snprintf(client->cookie, sizeof client->cookie, "%.*s",
                 (int)strcspn(cookie, ";"), cookie);
}

static inline int client_read_answer(struct client *client)
{
    struct http_message *answer = &client->answer;
    int rc, interim;
    do {
        rc = http_read_head(&client->wire, answer);
        if (rc == 1 && (strncmp(answer->words[0], "HTTP/1.", 7) != 0 ||
                        http_number(answer->words[1]) < 100))
            return client_end(client, CLIENT_STRANGE,
                              "what came back is not HTTP");
        client->status = rc == 1 ? atoi(answer->words[1]) : 0;
        interim = client->status >= 100 && client->status < 200;
    } while (rc == 1 && interim);
    if (rc == 0)
        return client_end(client, CLIENT_EMPTY, "no answer came");
    if (answer->fault.rule)
        return client_end(client, CLIENT_STRANGE,
                          "what came back breaks %s: %s", answer->fault.rule,
                          answer->fault.sentence);
    if (rc < 0)
        return client_trouble(client, "reading the answer");
    bool bodiless = client->status == 204 || client->status == 304;
    if (!bodiless && http_read_body(&client->wire, answer, true)) {
        if (answer->fault.rule)
            return client_end(client, CLIENT_STRANGE, "%s: %s",
                              answer->fault.rule, answer->fault.sentence);
        if (client->wire.trouble == WIRE_TIMEOUT)
            return client_trouble(client, "reading the page");
        return client_end(client, CLIENT_PARTIAL,
                          "the page was cut short: %zu bytes came, %lld were "
                          "announced",
                          answer->body.len, answer->announced);
    }
    client_keep_cookie(client);
    return CLIENT_OK;
}

/* The words of the page, without the tags between them. */
static inline void client_show_page(const struct client *client)
{
    struct text shown = {0};
    const struct text *page = &client->answer.body;
    text_page(&shown, page->bytes, page->len);
    if (shown.len)
        fputs(shown.bytes, client->options.json ? stderr : stdout);
    text_free(&shown);
}

/* One request and its answer. `form` NULL: GET. */
static inline int client_ask(struct client *client, const char *path,
                             const char *form)
{
    struct text request = {0};
    const char *method = form ? "POST" : "GET";
    const char *slash = *path == '/' ? "" : "/";
    text_add(&request, "%s %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n",
             method, slash, path, client->url.authority, client->program);
    if (client->cookie[0])
        text_add(&request, "Cookie: %s\r\n", client->cookie);
    for (unsigned i = 0; i < client->options.fields_count; i++)
        text_add(&request, "%s\r\n", client->options.fields[i]);
    if (form)
        text_add(&request,
                 "Content-Type: application/x-www-form-urlencoded\r\n"
                 "Content-Length: %zu\r\n",
                 strlen(form));
    text_add(&request, "\r\n%s", form ? form : "");
    int rc = wire_write(&client->wire, request.bytes, request.len, NULL);
    text_free(&request);
    if (rc)
        return client_trouble(client, "sending the request");
    rc = client_read_answer(client);
    if (client->status)
        client_say(client, "%s %s%s -> %d %s", method, slash, path,
                   client->status, client->answer.words[2]);
    if (rc == CLIENT_OK)
        client_show_page(client);
    return rc ? rc : client->status >= 400 ? CLIENT_STATUS : CLIENT_OK;
}

static inline int client_login(struct client *client)
{
    struct text form = {0};
    http_form_add(&form, "user", client->options.user);
    http_form_add(&form, "password", client->options.password);
    int rc = client_ask(client, "/login", form.bytes);
    text_free(&form);
    return rc;
}

static inline int client_transfer(struct client *client)
{
    struct text form = {0};
    char *payee = strdup(client->options.transfer);
    char *amount = strrchr(payee, '=');
    *amount++ = 0;
    http_form_add(&form, "payee", payee);
    http_form_add(&form, "amount", amount);
    int rc = client_ask(client, "/transfer", form.bytes);
    free(payee);
    text_free(&form);
    return rc;
}

/* All that was asked for, in this order, on one connection. */
static inline int client_ask_all(struct client *client)
{
    const struct client_options *options = &client->options;
    int rc = CLIENT_OK;
    if (rc == CLIENT_OK && options->user)
        rc = client_login(client);
    if (rc == CLIENT_OK && options->transfer)
        rc = client_transfer(client);
    if (rc == CLIENT_OK && options->get)
        rc = client_ask(client, client->url.path, NULL);
    if (rc == CLIENT_OK && options->post)
        rc = client_ask(client, client->url.path,
                        options->body ? options->body : "");
    if (rc == CLIENT_OK && options->balance)
        rc = client_ask(client, "/balance", NULL);
    return rc;
}

/* Hang up, in the way that the client has chosen. */
static inline void client_hang_up(struct client *client)
{
    struct linger now = {.l_onoff = 1};
    if (client->leave == CLIENT_LEAVE_SILENTLY)
        client->wire.trouble = WIRE_RESET; /* too late for words */
    if (client->leave == CLIENT_LEAVE_ABRUPTLY)
        setsockopt(client->wire.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    else
        wire_finish(&client->wire);
    wire_close(&client->wire);
}

/* The whole program. */
static inline int client_run(int argc, char **argv,
                             const struct client_kind *kind)
{
    struct client client = {
        .program = kind->program, .kind = kind, .verify_depth = -1};
    int rc = client_read_options(&client, argc, argv);
    if (rc)
        return rc < 0 ? CLIENT_OK : rc;
    signal(SIGPIPE, SIG_IGN);
    report_open(client.options.json);
    report_ready(kind->program, "");
    rc = client_dial(&client);
    if (rc == CLIENT_OK && client.url.tls)
        rc = client_handshake(&client);
    if (rc == CLIENT_OK)
        rc = client_ask_all(&client);
    if (rc == CLIENT_OK && client.url.tls && kind->after_answers)
        rc = kind->after_answers(&client);
    client_result(&client, rc);
    if (client.connected)
        client_hang_up(&client);
    http_free(&client.answer);
    X509_free(client.shown);
    SSL_CTX_free(client.context);
    return rc;
}

/* The same for a client that is nothing but its check. */
static inline int client_main(int argc, char **argv, const char *program,
                              const char *does, client_check *check)
{
    struct client_kind kind = {
        .program = program, .does = does, .check = check};
    return client_run(argc, argv, &kind);
}

#endif
