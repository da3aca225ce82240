/* SPDX-License-Identifier: MIT
 *
 * GREET: a victim that knows of the proxy says what it wants of it. What it
 * may have is decided in CONNECT; only then anything is dialled. */
#include "proxy/relay_parts.h"

#include "proxy/authority.h"
#include "proxy/facts.h"
#include "proxy/socks.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

enum { LOGIN_MOST = 3 * 64 + 1 }; /* with its end, of what a proxy is given */

/* A target for CONNECT to find; with the address of another one forgotten. */
static enum relay_state go_for(struct relay *relay, const struct target *target,
                               enum relay_asked asked)
{
    relay->target = *target;
    relay->protocol = target->protocol;
    relay->asked = asked;
    relay->server_index = 0;
    return RELAY_CONNECT;
}

/* ---- HTTP ---------------------------------------------------------------- */

/* Basic is base64 of "user:password" (RFC 7617 2). NULL: there is none. */
static const char *login_of(const struct http1_head *head, const char *bytes,
                            char out[LOGIN_MOST])
{
    static const char scheme[] = "Basic ";
    enum { SKIP = sizeof scheme - 1 };
    const struct http1_field *field =
        http1_field(head, bytes, "Proxy-Authorization", NULL);
    if (!field || field->value.len <= SKIP ||
        field->value.len - SKIP > LOGIN_MOST / 3 * 4 ||
        strncasecmp(bytes + field->value.at, scheme, SKIP))
        return NULL;
    const char *text = bytes + field->value.at + SKIP;
    uint32_t len = field->value.len - SKIP;
    int got = EVP_DecodeBlock((uint8_t *)out, (const uint8_t *)text, (int)len);
    /* Padding is decoded as bytes of 0, which end the text. */
    if (got <= 0 || got >= LOGIN_MOST)
        return NULL;
    out[got] = 0;
    return out;
}

static enum relay_state ask_http(struct relay *relay, size_t len)
{
    const struct http1_head *head = &relay->worker->head;
    struct buf *in = &relay->victim.in;
    const char *bytes = (const char *)buf_head(in);
    struct http1_fault fault;
    struct target target;
    char login[LOGIN_MOST];
    if (!authority_asked(head, bytes, &target, &fault)) {
        exchange_refuse(&relay->exchange, &fault);
        return relay_over(relay, FLOW_REFUSED);
    }
    facts_asked(relay, &target, login_of(head, bytes, login));
    /* A line for people, in case that this is all that comes of it. */
    if (options_of(relay)->on_line)
        note_line_asked(&relay->exchange.line, relay, head, bytes);
    if (target.protocol == TARGET_HTTP)
        return go_for(relay, &target, ASKED_URL);
    buf_consume(in, len);
    return go_for(relay, &target, ASKED_TUNNEL);
}

static enum relay_state greet_http(struct relay *relay)
{
    struct buf *in = &relay->victim.in;
    relay->protocol = TARGET_HTTP;
    if (hello_looks_like_tls(buf_head(in), buf_len(in))) {
        relay->flow.tls = true;
        facts_refused(&relay->victim, "RFC 9110 9.3.6",
                      "TLS to the proxy itself; it is asked in clear", 0, 400);
        return relay_fail(relay, 400, SSL3_AD_UNEXPECTED_MESSAGE, "");
    }
    ssize_t len = exchange_peek(&relay->exchange);
    if (len > 0)
        return ask_http(relay, (size_t)len);
    return len ? relay_over(relay, FLOW_REFUSED) : RELAY_GREET;
}

/* ---- SOCKS --------------------------------------------------------------- */

static void reply_socks(struct relay *relay, enum socks_reply reply)
{
    uint8_t out[SOCKS_REPLY_MOST];
    size_t len = socks_reply_write(out, reply, &relay->flow.local);
    end_send(&relay->victim, out, len);
}

static enum relay_state refuse_socks(struct relay *relay, const char *why)
{
    uint8_t out[8];
    struct end *victim = &relay->victim;
    const uint8_t *bytes = buf_head(&victim->in);
    bool four = relay->socks == SOCKS_GREETING && socks_is_version_4(*bytes);
    if (four)
        why = "this is SOCKS4; set the victim to SOCKS5";
    facts_refused(victim, "RFC 1928", why, 0, 400);
    if (four)
        end_send(victim, out, socks_refuse_version_4(out));
    return relay_over(relay, FLOW_REFUSED);
}

/* Each takes one message off the input: > 0 bytes of it, 0 need more, -1 *why
 * not. */
static ssize_t take_greeting(struct relay *relay, const char **why)
{
    struct buf *in = &relay->victim.in;
    enum socks_method method;
    uint8_t out[2];
    ssize_t used = socks_greeting_read(buf_head(in), buf_len(in), &method, why);
    if (used <= 0)
        return used;
    end_send(&relay->victim, out, socks_method_write(out, method));
    relay->socks = method == SOCKS_PASSWORD ? SOCKS_LOGIN : SOCKS_REQUEST;
    *why = "a SOCKS5 client that wants another method than a password or none";
    return method == SOCKS_NO_METHOD ? -1 : used;
}

static ssize_t take_login(struct relay *relay, const char **why)
{
    struct buf *in = &relay->victim.in;
    struct socks_login login;
    uint8_t out[2];
    ssize_t used = socks_login_read(buf_head(in), buf_len(in), &login, why);
    if (used <= 0)
        return used;
    end_send(&relay->victim, out, socks_login_write(out));
    relay->socks = SOCKS_REQUEST;
    relay->login =
        arena_printf(&relay->flow.arena, "%s:%s", login.user, login.password);
    return used;
}

static ssize_t take_request(struct relay *relay, const char **why)
{
    struct buf *in = &relay->victim.in;
    struct socks_request request;
    ssize_t used = socks_request_read(buf_head(in), buf_len(in), &request, why);
    if (used <= 0)
        return used;
    relay->target = (struct target){.port = request.port};
    memcpy(relay->target.host, request.host, sizeof request.host);
    relay->asked = ASKED_TUNNEL;
    if (request.command == SOCKS_CONNECT && *request.host)
        return used;
    reply_socks(relay,
                *request.host ? SOCKS_NO_COMMAND : SOCKS_NO_ADDRESS_TYPE);
    *why = *request.host
               ? "SOCKS5 for more than CONNECT: BIND and UDP are not served"
               : "a SOCKS5 request for an address of an unknown type";
    return -1;
}

static ssize_t take_message(struct relay *relay, const char **why)
{
    switch (relay->socks) {
    case SOCKS_GREETING:
        return take_greeting(relay, why);
    case SOCKS_LOGIN:
        return take_login(relay, why);
    case SOCKS_REQUEST:
        return take_request(relay, why);
    }
    return -1;
}

static enum relay_state greet_socks(struct relay *relay)
{
    struct buf *in = &relay->victim.in;
    while (buf_len(in)) {
        const char *why = NULL;
        ssize_t used = take_message(relay, &why);
        if (used < 0)
            return refuse_socks(relay, why);
        if (!used)
            break;
        if (relay->asked)
            facts_asked(relay, &relay->target, relay->login);
        buf_consume(in, (size_t)used);
        if (relay->asked) {
            struct target target = relay->target;
            return go_for(relay, &target, ASKED_TUNNEL);
        }
    }
    return RELAY_GREET;
}

/* ---- the answers --------------------------------------------------------- */

enum relay_state relay_grant(struct relay *relay)
{
    static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    relay->asked = ASKED_GRANTED;
    if (relay->way->mode == WAY_SOCKS)
        reply_socks(relay, SOCKS_GRANTED);
    else
        end_send(&relay->victim, yes, sizeof yes - 1);
    /* What is a line for people is what is said inside. */
    relay->exchange.line.method_len = 0;
    relay->target.starttls = starttls_by_port(relay->target.port);
    if (!relay->target.starttls)
        return RELAY_HELLO;
    relay->protocol = TARGET_RAW;
    return relay_connected(relay);
}

static enum socks_reply socks_reason(const struct relay *relay)
{
    if (relay->refusal)
        return relay->forbidden ? SOCKS_NOT_ALLOWED : SOCKS_NO_HOST;
    switch (relay->connect_status) {
    case UV_ECONNREFUSED:
        return SOCKS_REFUSED;
    case UV_ENETUNREACH:
        return SOCKS_NO_NETWORK;
    case UV_EHOSTUNREACH:
        return SOCKS_NO_HOST;
    case 1: /* still under way */
    case UV_ETIMEDOUT:
        return SOCKS_TOO_LATE;
    default:
        return SOCKS_FAILED;
    }
}

enum relay_state relay_deny(struct relay *relay, int status, const char *reason)
{
    if (relay->way->mode == WAY_SOCKS)
        reply_socks(relay, socks_reason(relay));
    else
        exchange_answer(&relay->exchange, status, reason);
    return relay_over(relay, FLOW_FAILED);
}

enum relay_state relay_step_greet(struct relay *relay)
{
    const struct end *victim = &relay->victim;
    if (relay->turned_away)
        return relay->way->mode == WAY_SOCKS ? relay_over(relay, FLOW_REFUSED)
                                             : relay_turn_away(relay);
    enum relay_state next = RELAY_GREET;
    if (buf_len(&victim->in))
        next = relay->way->mode == WAY_SOCKS ? greet_socks(relay)
                                             : greet_http(relay);
    return next == RELAY_GREET && victim->fin_in ? RELAY_CLOSING : next;
}
