/* SPDX-License-Identifier: MIT
 *
 * Two names for one server are one too many: whoever goes by the other one
 * reads another request than we do. */
#include "proxy/authority.h"

#include "proxy/relay.h"
#include "proxy/target.h"
#include "proxy/worker.h"

#include <string.h>
#include <strings.h>

/* A name without the port that its scheme implies. */
static struct span plain_host(const char *bytes, struct span host,
                              const char *port)
{
    size_t len = strlen(port);
    if (host.len >= len && !memcmp(bytes + host.at + host.len - len, port, len))
        host.len -= (uint32_t)len;
    else if (host.len && bytes[host.at + host.len - 1] == ':')
        host.len--;
    return host;
}

/* With a URL as its target a request names its server twice. Recipients that
 * go by the other name would read another request than we do. */
static bool names_differ(const struct http1_head *head, const char *bytes,
                         struct http1_fault *fault)
{
    const struct http1_field *field = http1_field(head, bytes, "Host", NULL);
    if (!field || head->host.at == field->value.at ||
        head->host.at == head->target.at)
        return false; /* one name only; or CONNECT, which is refused here */
    bool https = !strncasecmp(bytes + head->target.at, "https:", 6);
    const char *port = https ? ":443" : ":80";
    struct span url = plain_host(bytes, head->host, port);
    struct span host = plain_host(bytes, field->value, port);
    *fault = (struct http1_fault){
        .rule = "RFC 9112 3.2.2",
        .sentence = "the URL and Host name different servers",
        .offset = field->value.at,
        .status = 400,
        .name = "host-differs",
    };
    return url.len != host.len ||
           strncasecmp(bytes + url.at, bytes + host.at, url.len);
}

/* Where the victim's own word says which server it is, the first request of a
 * connection has chosen it for all. */
static bool leads_elsewhere(const struct relay *relay, const char *bytes,
                            struct span host, struct http1_fault *fault)
{
    struct target target;
    if (relay->way->mode != WAY_SNI || relay->flow.tls ||
        !relay->flow.exchanges)
        return false;
    *fault = (struct http1_fault){
        .rule = "RFC 9110 15.5.20",
        .sentence = "this connection leads to the server that its first "
                    "request named; another server needs another connection",
        .offset = host.at,
        .status = 421,
        .name = "misdirected",
    };
    return target_from_host(bytes + host.at, host.len, relay_port(relay),
                            &target) ||
           target.port != relay->target.port ||
           strcasecmp(target.host, relay->target.host);
}

bool authority_is_wrong(const struct relay *relay,
                        const struct http1_head *head, const char *bytes,
                        struct http1_fault *fault)
{
    /* Of a request to a proxy the URL decides; Host is written anew. */
    if (relay_forwards(relay))
        return false;
    return names_differ(head, bytes, fault) ||
           leads_elsewhere(relay, bytes, head->host, fault);
}

bool authority_leads_elsewhere(const struct relay *relay, const char *host,
                               struct http1_fault *fault)
{
    return leads_elsewhere(relay, host,
                           (struct span){0, (uint32_t)strlen(host)}, fault);
}

static const struct scheme {
    const char *prefix;
    int port;
    bool tls;
} schemes[] = {{"http://", 80, false}, {"https://", 443, true}, {"", 0, false}};

bool authority_asked(const struct http1_head *head, const char *bytes,
                     struct target *out, struct http1_fault *fault)
{
    const char *target = bytes + head->target.at;
    const struct scheme *scheme = schemes;
    bool connect =
        head->method.len == 7 && !memcmp(bytes + head->method.at, "CONNECT", 7);
    while (strncasecmp(target, scheme->prefix, strlen(scheme->prefix)))
        scheme++;
    *out = (struct target){.tls = scheme->tls, .protocol = TARGET_HTTP};
    if (connect) {
        *out = (struct target){0};
        scheme = &schemes[2];
    }
    *fault = (struct http1_fault){
        .rule = connect ? "RFC 9110 9.3.6" : "RFC 9112 3.2.2",
        .sentence = connect ? "CONNECT names a host and a port"
                            : "this is a proxy: ask for http://HOST/..., "
                              "https://HOST/... or CONNECT HOST:PORT",
        .offset = head->target.at,
        .status = 400,
        .name = "no-server-named",
    };
    return (connect || scheme->port) &&
           !target_from_host(bytes + head->host.at, head->host.len,
                             scheme->port, out) &&
           out->port;
}

bool authority_moves(const struct relay *relay, const struct http1_head *head,
                     const char *bytes)
{
    struct http1_fault ignored;
    struct target target;
    return !authority_asked(head, bytes, &target, &ignored) ||
           target.protocol != TARGET_HTTP ||
           target.port != relay->target.port ||
           target.tls != relay->target.tls ||
           strcasecmp(target.host, relay->target.host);
}
