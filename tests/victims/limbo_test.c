/* SPDX-License-Identifier: MIT
 *
 * The careful client meets the chains of x509-limbo: each that can be served
 * live is served in a real handshake, to the program itself, with the name and
 * the clock of its case. Where the client differs from a correct validator,
 * limbo.def says why, and nothing else may differ. */

/* cmocka wants these four first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/verify.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/need.h"

#define CLIENT BINARY_DIR "/victims/https-client"
enum {
    WORDS_MOST = 20,
    PATIENCE_S = 10,
    ACCEPTED = 0,
    NO_TLS = 35,
    REFUSED = 60
};

/* ---- what is known to differ --------------------------------------------- */

/* With --strict and without it are two clients: each has its column. */
enum differs { RIGHT, LAX, HARSH };
static const struct known {
    const char *id;
    enum differs plain, strict;
    const char *reason;
} known[] = {
#define LIMBO(id, plain, strict, reason) {id, plain, strict, reason},
#include "tests/victims/limbo.def"
#undef LIMBO
};
enum { KNOWN = sizeof known / sizeof *known };

static const struct known *known_find(const char *id)
{
    for (size_t i = 0; i < KNOWN; i++)
        if (!strcmp(known[i].id, id))
            return &known[i];
    return NULL;
}

static const char *const differs_words[] = {
    "as a correct one", "accepted though bad", "refused though good"};

/* ---- a case -------------------------------------------------------------- */

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_good(const json_t *item)
{
    return !strcmp(text_at(item, "expected_result"), "SUCCESS");
}

static bool has_feature(const json_t *item, const char *wanted)
{
    size_t index;
    json_t *feature;
    json_array_foreach(json_object_get(item, "features"), index, feature)
    {
        if (!strcmp(json_string_value(feature), wanted))
            return true;
    }
    return false;
}

static bool has_any(const json_t *item, const char *key)
{
    return json_array_size(json_object_get(item, key)) > 0;
}

/* The host of the URL: an IPv6 address stands in brackets. Empty: no name. */
static void host_of(const json_t *item, char host[300])
{
    const json_t *name = json_object_get(item, "expected_peer_name");
    const char *value = text_at(name, "value");
    snprintf(host, 300, strchr(value, ':') ? "[%s]" : "%s", value);
}

/* Why a case cannot be served to this client; NULL: it can. */
static const char *cannot_serve(const json_t *item)
{
    char host[300];
    host_of(item, host);
    if (strcmp(text_at(item, "validation_kind"), "SERVER") != 0)
        return "is about a client's certificate";
    if (!text_at(item, "peer_certificate_key")[0])
        return "has no private key";
    if (has_any(item, "crls"))
        return "wants a revocation list, which the client does not take";
    if (has_feature(item, "max-chain-depth"))
        return "wants a limit on the depth, which the client does not take";
    if (!host[0])
        return "names nobody whom a URL could ask for";
    return NULL;
}

/* ---- the server ---------------------------------------------------------- */

static X509 *read_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return cert;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key;
}

static bool add_chain(SSL_CTX *context, const json_t *certs)
{
    size_t index;
    json_t *pem;
    json_array_foreach(certs, index, pem)
    {
        X509 *cert = read_cert(json_string_value(pem));
        if (!cert || !SSL_CTX_add0_chain_cert(context, cert)) {
            X509_free(cert);
            return false;
        }
    }
    return true;
}

/* A server with the case's chain, weak or not. NULL: OpenSSL cannot be one. */
static SSL_CTX *serve(const json_t *item)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    X509 *leaf = read_cert(text_at(item, "peer_certificate"));
    EVP_PKEY *key = read_key(text_at(item, "peer_certificate_key"));
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    bool good =
        leaf && key && SSL_CTX_use_certificate(context, leaf) == 1 &&
        SSL_CTX_use_PrivateKey(context, key) == 1 &&
        add_chain(context, json_object_get(item, "untrusted_intermediates"));
    X509_free(leaf);
    EVP_PKEY_free(key);
    if (good)
        return context;
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

/* Shake hands, read a request, answer. True when a request came: what a
 * victim sent is the only acceptance there is. */
static bool answer(SSL_CTX *context, int listener, int *out_alert)
{
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char request[4096];
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    bool came =
        SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof request) > 0;
    /* "sslv3 alert ...": reasons behind 1000 are alerts that came. */
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    *out_alert =
        reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : -1;
    if (came)
        SSL_write(ssl, page, sizeof page - 1);
    SSL_shutdown(ssl);
    ERR_clear_error();
    SSL_free(ssl);
    close(fd);
    return came;
}

/* ---- the client ---------------------------------------------------------- */

struct stand {
    json_t *limbo;
    int listener;
    char address[32], trust[64];
};

static void save_trust(const struct stand *stand, const json_t *item)
{
    FILE *file = fopen(stand->trust, "w");
    size_t index;
    json_t *pem;
    assert_non_null(file);
    json_array_foreach(json_object_get(item, "trusted_certs"), index, pem)
        fputs(json_string_value(pem), file);
    fclose(file);
}

struct words {
    const char *items[WORDS_MOST];
    unsigned count;
};

static void add_pair(struct words *words, const char *name, const char *value)
{
    words->items[words->count++] = name;
    if (value)
        words->items[words->count++] = value;
}

/* The client's pid; its events come out of *out_events. */
static pid_t call(const struct stand *stand, const json_t *item, bool strict,
                  int *out_events)
{
    char host[300], url[320], at[32];
    struct words words = {{CLIENT}, 1};
    host_of(item, host);
    snprintf(url, sizeof url, "https://%s/", host);
    add_pair(&words, "--get", url);
    add_pair(&words, "--connect", stand->address);
    add_pair(&words, "--trust", stand->trust);
    add_pair(&words, "--json", NULL);
    if (strict)
        add_pair(&words, "--strict", NULL);
    /* "2024-04-01T00:00:00+00:00" -> "2024-04-01T00:00:00Z" */
    const char *time = text_at(item, "validation_time");
    snprintf(at, sizeof at, "%.19sZ", time);
    if (time[0])
        add_pair(&words, "--clock", at);
    posix_spawn_file_actions_t files;
    int pipes[2];
    pid_t pid;
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, pipes[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null",
                                     O_WRONLY, 0);
    extern char **environ;
    assert_int_equal(
        posix_spawn(&pid, CLIENT, &files, NULL, (char **)words.items, environ),
        0);
    posix_spawn_file_actions_destroy(&files);
    close(pipes[1]);
    *out_events = pipes[0];
    return pid;
}

/* The verify code in its last words, -1: none. */
static int hear(int events)
{
    FILE *file = fdopen(events, "r");
    char *line = NULL;
    size_t room = 0;
    int code = -1;
    while (getline(&line, &room, file) > 0) {
        json_t *event = json_loads(line, 0, NULL);
        const json_t *data = json_object_get(event, "data");
        const json_t *told = json_object_get(data, "verify_code");
        if (json_is_integer(told))
            code = (int)json_integer_value(told);
        json_decref(event);
    }
    free(line);
    fclose(file);
    return code;
}

struct meeting {
    const char *not_served; /* why the chain was never judged, or NULL */
    bool accepted;
    int exit, code, alert;
};

static struct meeting meet(const struct stand *stand, const json_t *item,
                           bool strict)
{
    struct meeting met = {0};
    SSL_CTX *context = serve(item);
    if (!context) {
        met.not_served = "cannot be loaded by OpenSSL's server";
        return met;
    }
    int events, status;
    save_trust(stand, item);
    pid_t pid = call(stand, item, strict, &events);
    met.accepted = answer(context, stand->listener, &met.alert);
    met.code = hear(events);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    met.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    SSL_CTX_free(context);
    if (!met.accepted && met.exit == NO_TLS && met.code == X509_V_OK)
        met.not_served = "has a key that the client offers no suite for";
    return met;
}

/* ---- the comparison ------------------------------------------------------ */

struct tally {
    unsigned served, agreed, surprises;
    unsigned differed[3];
    struct {
        const char *why;
        unsigned count;
    } not_served[16];
    bool met[KNOWN];
};

static enum differs judge(const json_t *item, const struct meeting *met)
{
    bool good = is_good(item);
    return good == met->accepted ? RIGHT : good ? HARSH : LAX;
}

/* What the client said of itself must be what it did. */
static void assert_honest(const char *id, const struct meeting *met)
{
    bool refused = met->exit == REFUSED && met->code > 0;
    if (met->accepted ? met->exit != ACCEPTED || met->code != 0 : !refused)
        fail_msg("%s: %s, exit %d, verify code %d, alert %d", id,
                 met->accepted ? "data came" : "no data came", met->exit,
                 met->code, met->alert);
    if (refused)
        assert_string_equal(alert_name(met->alert), verify_alert(met->code));
}

static void compare(const json_t *item, const struct meeting *met, bool strict,
                    struct tally *tally)
{
    const char *id = text_at(item, "id");
    const struct known *row = known_find(id);
    enum differs wanted = !row ? RIGHT : strict ? row->strict : row->plain;
    enum differs found = judge(item, met);
    tally->served++;
    tally->differed[found]++;
    if (row)
        tally->met[row - known] = true;
    if (found == wanted)
        return;
    tally->surprises++;
    print_message("%s: %s, but limbo.def says %s (verify code %d, %s)\n", id,
                  differs_words[found], differs_words[wanted], met->code,
                  verify_name(met->code));
}

static void count_not_served(struct tally *tally, const char *why)
{
    unsigned i = 0;
    while (tally->not_served[i].why && tally->not_served[i].why != why)
        i++;
    assert_true(i < 15);
    tally->not_served[i].why = why;
    tally->not_served[i].count++;
}

static void meet_all(const struct stand *stand, bool strict,
                     struct tally *tally)
{
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(stand->limbo, "testcases"), index, item)
    {
        const char *id = text_at(item, "id"), *why = cannot_serve(item);
        struct meeting met = {0};
        if (!why) {
            met = meet(stand, item, strict);
            why = met.not_served;
        }
        if (why) {
            count_not_served(tally, why);
            continue;
        }
        assert_honest(id, &met);
        compare(item, &met, strict, tally);
    }
}

static void check_all(void **state, bool strict)
{
    struct tally tally = {0};
    meet_all(*state, strict, &tally);
    print_message("%s: %u served, %u judged right, %u accepted though bad, %u "
                  "refused though good\n",
                  strict ? "careful and strict" : "careful", tally.served,
                  tally.differed[RIGHT], tally.differed[LAX],
                  tally.differed[HARSH]);
    for (unsigned i = 0; tally.not_served[i].why; i++)
        print_message("not served: %u, because the case %s\n",
                      tally.not_served[i].count, tally.not_served[i].why);
    for (size_t i = 0; i < KNOWN; i++)
        if (!tally.met[i])
            fail_msg("limbo.def names %s, which was not served", known[i].id);
    assert_int_equal(tally.surprises, 0);
    assert_true(tally.served > 100);
}

static void the_careful_client_judges_as_limbo_does_but_for_a_list(void **state)
{
    check_all(state, false);
}

static void a_strict_one_has_a_list_of_its_own(void **state)
{
    check_all(state, true);
}

/* ---- the stand ----------------------------------------------------------- */

static int open_stand(void **state)
{
    static struct stand stand = {.trust = "/tmp/mitmlab-limbo-XXXXXX"};
    struct sockaddr_in here = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof here;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    stand.limbo = json_load_file(LIMBO_FILE, 0, NULL);
    stand.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int trust = mkstemp(stand.trust);
    if (trust < 0 || bind(stand.listener, (void *)&here, len) ||
        listen(stand.listener, 1) ||
        getsockname(stand.listener, (void *)&here, &len))
        return -1;
    close(trust);
    setsockopt(stand.listener, SOL_SOCKET, SO_RCVTIMEO, &patience,
               sizeof patience);
    snprintf(stand.address, sizeof stand.address, "127.0.0.1:%d",
             ntohs(here.sin_port));
    signal(SIGPIPE, SIG_IGN);
    *state = &stand;
    return 0;
}

static int close_stand(void **state)
{
    struct stand *stand = *state;
    close(stand->listener);
    unlink(stand->trust);
    json_decref(stand->limbo);
    return 0;
}

static void limbo_is_here(void **state)
{
    (void)state;
    need(access(LIMBO_FILE, R_OK) == 0, "x509-limbo (" LIMBO_FILE ")");
}

int main(void)
{
    const struct CMUnitTest absent[] = {cmocka_unit_test(limbo_is_here)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limbo_is_here),
        cmocka_unit_test(
            the_careful_client_judges_as_limbo_does_but_for_a_list),
        cmocka_unit_test(a_strict_one_has_a_list_of_its_own),
    };
    if (access(LIMBO_FILE, R_OK))
        return cmocka_run_group_tests(absent, NULL, NULL);
    return cmocka_run_group_tests(tests, open_stand, close_stand);
}
