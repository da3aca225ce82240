/* SPDX-License-Identifier: MIT
 *
 * What an HTTPS client is, and what it is told: its options and its URL. */
#ifndef VICTIMS_CLIENT_OPTIONS_H
#define VICTIMS_CLIENT_OPTIONS_H

#include "certs/err.h"
#include "proxy/base/dial.h"
#include "victims/http.h"
#include "victims/report.h"
#include "victims/text.h"
#include "victims/wire.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Like curl's, where curl has one. */
enum client_exit {
    CLIENT_OK = 0,
    CLIENT_STATUS = 1, /* HTTP status 400 or more */
    CLIENT_USAGE = 2,
    CLIENT_WALLS = 6, /* the address is outside the lab */
    CLIENT_CONNECT = 7,
    CLIENT_STRANGE = 8, /* what came back is not HTTP */
    CLIENT_PARTIAL = 18,
    CLIENT_TIMEOUT = 28,
    CLIENT_TLS = 35, /* no certificate to blame */
    CLIENT_EMPTY = 52,
    CLIENT_BROKEN = 56,
    CLIENT_REFUSED = 60, /* the certificate was refused */
    CLIENT_NO_TRUST = 77,
};

enum { CLIENT_FIELDS_MOST = 8 };

/* What the options said. */
struct client_options {
    const char *get, *post, *body, *bank;
    const char *user, *password, *transfer;
    const char *connect; /* where to go, whatever the URL says */
    const char *trust, *fields[CLIENT_FIELDS_MOST];
    const char *own; /* the value of kind->option, NULL: not given */
    unsigned fields_count;
    bool balance, json, strict;
    time_t clock; /* what its clock shows; 0: the time */
    int tls;      /* TLS1_2_VERSION ...; 0: 1.2 or later */
    int timeout;
};

struct client_url {
    bool tls;
    int port;
    char host[256];
    char authority[300]; /* host, and the port if it is not the usual one */
    const char *path;    /* "" is "/" */
};

/* Where a client decides whom it trusts. -1: it could not be set up. */
typedef int client_check(SSL_CTX *context, SSL *ssl, const char *host,
                         const char *trust_file);

struct client;

/* What makes one client another than the next. */
struct client_kind {
    const char *program;
    const char *does; /* its one sentence */
    client_check *check;
    /* What it looks at when the handshake is complete, before it asks for
     * anything, and when all answers are there. NULL: nothing. CLIENT_OK, or
     * the code with which it ends: see client_refuse_late(). */
    int (*after_handshake)(struct client *client);
    int (*after_answers)(struct client *client);
    /* An option of its own, or NULL; what its value may be ("close|fin"), and
     * its lines of --help. */
    const char *option, *option_values, *option_help;
};

/* How it leaves the conversation. */
enum client_leave {
    CLIENT_LEAVE_POLITELY, /* close_notify, then FIN */
    CLIENT_LEAVE_SILENTLY, /* FIN: TCP says it, TLS does not */
    CLIENT_LEAVE_ABRUPTLY, /* RST */
};

struct client {
    const char *program;
    const struct client_kind *kind;
    struct client_options options;
    struct client_url url;
    SSL_CTX *context;
    struct wire wire;
    bool connected;
    char cookie[256];
    struct http_message answer; /* the last */
    int status;                 /* its HTTP status, 0: none */
    char reason[256];           /* how it ended, for a person */
    X509 *shown;                /* the certificate that the other end sent */
    long verify_code;
    int verify_depth; /* of the certificate that failed first; -1: none */
    enum client_leave leave;
};

/* ---- options ---------------------------------------------------------------
 */

static const char client_usage[] =
    "  --get URL              fetch a page; http:// and https:// both work\n"
    "  --post URL --body TEXT send a form\n"
    "  --user U --password P  log in to the bank at that URL first\n"
    "  --transfer PAYEE=N     then order a transfer\n"
    "  --balance              then ask for the balance\n"
    "  --bank URL             where the bank is, if neither --get nor --post\n"
    "                         says so\n"
    "  --trust FILE           the CAs to trust, PEM (default: $MITMLAB_TRUST;\n"
    "                         the trust store of this machine is never used)\n"
    "  --strict               keep every detail of the profile of RFC 5280\n"
    "                         (X509_V_FLAG_X509_STRICT)\n"
    "  --clock TIME           what the clock shows: seconds since 1970, or\n"
    "                         2026-01-31T12:00:00Z\n"
    "  --connect A:P          go to this address, whatever the URL says; the\n"
    "                         certificate must be for the host of the URL\n"
    "  --tls 1.2|1.3          this version only (default: 1.2 or later)\n"
    "  --field 'Name: value'  send this header field too (again for more)\n"
    "  --timeout S            give up after so many seconds (default 10)\n"
    "  --json                 write events to standard output, talk to "
    "standard error\n"
    "  --help\n"
    "\n"
    "exit: 0 fine, 1 HTTP status 400 or more, 2 usage, 6 outside the lab,\n"
    "7 no connection, 18 the page was cut short, 28 timeout, 35 TLS failed,\n"
    "56 the connection broke, 60 the certificate was refused\n";

static const struct option client_table[] = {
    {"get", required_argument, NULL, 'g'},
    {"post", required_argument, NULL, 'p'},
    {"body", required_argument, NULL, 'b'},
    {"bank", required_argument, NULL, 'B'},
    {"user", required_argument, NULL, 'u'},
    {"password", required_argument, NULL, 'w'},
    {"transfer", required_argument, NULL, 't'},
    {"balance", no_argument, NULL, 'l'},
    {"trust", required_argument, NULL, 'c'},
    {"strict", no_argument, NULL, 'x'},
    {"clock", required_argument, NULL, 'a'},
    {"connect", required_argument, NULL, 'C'},
    {"tls", required_argument, NULL, 'v'},
    {"field", required_argument, NULL, 'f'},
    {"timeout", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static inline int client_wrong(const struct client *client, const char *what)
{
    fprintf(stderr, "%s: %s; --help lists the options\n", client->program,
            what);
    return CLIENT_USAGE;
}

static inline int client_take_tls(const char *version)
{
    return !strcmp(version, "1.2")   ? TLS1_2_VERSION
           : !strcmp(version, "1.3") ? TLS1_3_VERSION
                                     : -1;
}

/* Seconds since 1970; -1 when that is no time. */
static inline time_t client_take_time(const char *text)
{
    struct tm parts = {0};
    char *end;
    long long seconds = strtoll(text, &end, 10);
    if (end != text && !*end && seconds > 0)
        return seconds;
    end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return end && !*end ? timegm(&parts) : -1;
}

/* Options that set one text; false when `letter` is not one of them. */
static inline bool client_take_text(struct client_options *options, int letter)
{
    const struct {
        int letter;
        const char **target;
    } texts[] = {
        {'g', &options->get},      {'p', &options->post},
        {'b', &options->body},     {'B', &options->bank},
        {'u', &options->user},     {'w', &options->password},
        {'t', &options->transfer}, {'c', &options->trust},
        {'C', &options->connect},
    };
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].letter == letter) {
            *texts[i].target = optarg;
            return true;
        }
    return false;
}

static inline void client_take(struct client_options *options, int letter)
{
    if (client_take_text(options, letter))
        return;
    if (letter == 'l')
        options->balance = true;
    else if (letter == 'j')
        options->json = true;
    else if (letter == 'x')
        options->strict = true;
    else if (letter == 'a')
        options->clock = client_take_time(optarg);
    else if (letter == 'v')
        options->tls = client_take_tls(optarg);
    else if (letter == 's')
        options->timeout = atoi(optarg);
    else if (letter == 'o')
        options->own = optarg;
    else if (letter == 'f' && options->fields_count < CLIENT_FIELDS_MOST)
        options->fields[options->fields_count++] = optarg;
}

/* A line break in a request line or a field would be a request of its own. */
static inline bool client_one_line(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static inline bool client_read_url(const char *text, struct client_url *url)
{
    char port[8] = "";
    bool tls = !strncmp(text, "https://", 8);
    if (!tls && strncmp(text, "http://", 7) != 0)
        return false;
    const char *host = text + (tls ? 8 : 7);
    size_t len = strcspn(host, "/?");
    bool bracket = *host == '[';
    size_t name = bracket ? strcspn(host, "]") : strcspn(host, ":/?");
    if (!client_one_line(text) || strchr(text, ' ') || name <= bracket ||
        name >= sizeof url->host || len >= sizeof url->authority)
        return false;
    *url = (struct client_url){.tls = tls, .path = host + len};
    memcpy(url->host, host + bracket, name - bracket);
    memcpy(url->authority, host, len);
    const char *rest = host + name + bracket;
    if (rest < url->path && *rest == ':')
        snprintf(port, sizeof port, "%.*s", (int)(url->path - rest - 1),
                 rest + 1);
    else if (rest != url->path)
        return false;
    url->port = *port ? (int)http_number(port) : tls ? 443 : 80;
    return url->port > 0 && url->port < 65536;
}

static inline bool client_is_one_of(const char *value, const char *values)
{
    size_t len = strlen(value);
    while (strcspn(values, "|") != len || strncmp(values, value, len) != 0) {
        values += strcspn(values, "|");
        if (!*values++)
            return false;
    }
    return true;
}

static inline int client_check_own(const struct client *client)
{
    const struct client_kind *kind = client->kind;
    const char *own = client->options.own;
    char what[128];
    if (!own || client_is_one_of(own, kind->option_values))
        return CLIENT_OK;
    snprintf(what, sizeof what, "--%s is one of %s", kind->option,
             kind->option_values);
    return client_wrong(client, what);
}

static inline int client_check_options(struct client *client)
{
    struct client_options *options = &client->options;
    union address there;
    struct err err = ERR_INIT;
    const char *url = options->get    ? options->get
                      : options->post ? options->post
                                      : options->bank;
    if (!url)
        return client_wrong(client, "say where: --get URL, or --post URL");
    if (!client_read_url(url, &client->url))
        return client_wrong(client, "that is not an http:// or https:// URL");
    if (options->get && options->post)
        return client_wrong(client, "--get and --post exclude each other");
    if (!options->user != !options->password)
        return client_wrong(client, "--user and --password go together");
    if (options->transfer && !strchr(options->transfer, '='))
        return client_wrong(client, "--transfer wants PAYEE=AMOUNT");
    if (options->tls < 0)
        return client_wrong(client, "--tls is 1.2 or 1.3");
    if (options->clock < 0)
        return client_wrong(client, "--clock wants seconds since 1970, or "
                                    "2026-01-31T12:00:00Z");
    if (options->connect && address_parse(options->connect, &there, &err))
        return client_wrong(client, "--connect wants ADDRESS:PORT");
    if (options->timeout < 1)
        return client_wrong(client, "--timeout wants seconds, 1 or more");
    for (unsigned i = 0; i < options->fields_count; i++)
        if (!strchr(options->fields[i], ':') ||
            !client_one_line(options->fields[i]))
            return client_wrong(client, "--field wants one 'Name: value'");
    return client_check_own(client);
}

enum { CLIENT_OPTIONS = sizeof client_table / sizeof *client_table };

/* The options of all clients, and the one that only this kind has. */
static inline void client_own_table(const struct client_kind *kind,
                                    struct option table[CLIENT_OPTIONS + 1])
{
    unsigned own = kind->option != NULL;
    if (own)
        table[0] = (struct option){kind->option, required_argument, NULL, 'o'};
    memcpy(table + own, client_table, sizeof client_table);
}

/* CLIENT_OK: go on; -1: help was asked for; else an exit code. */
static inline int client_read_options(struct client *client, int argc,
                                      char **argv)
{
    int letter;
    const struct client_kind *kind = client->kind;
    struct option table[CLIENT_OPTIONS + 1];
    client_own_table(kind, table);
    client->options.timeout = 10;
    client->options.trust = getenv("MITMLAB_TRUST");
    while ((letter = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (letter == 'h') {
            printf("usage: %s --get URL [...]\n\n%s\n\n%s%s", kind->program,
                   kind->does, kind->option_help ? kind->option_help : "",
                   client_usage);
            return -1;
        }
        if (letter == '?')
            return CLIENT_USAGE;
        client_take(&client->options, letter);
    }
    if (optind < argc)
        return client_wrong(client, "only options are understood");
    return client_check_options(client);
}

#endif
