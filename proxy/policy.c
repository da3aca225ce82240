/* SPDX-License-Identifier: MIT
 *
 * Words are tried on a context of their own, one at a time, so that the
 * sentence can name the one that OpenSSL does not know. */
#include "proxy/policy.h"

#include "certs/nearest.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

enum { LEVEL_MOST = 5, NAMES_MOST = 256, CIPHER_MOST = 512 };

static int usage(struct err *err, const char *what, const char *word,
                 const char *const *names)
{
    const char *near = names ? nearest(word, names) : NULL;
    err_code(err, EXIT_USAGE, "TLS has no %s \"%.100s\"%s%s%s", what, word,
             near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return -1;
}

static int copy(const char *from, char *to, size_t room, struct err *err)
{
    if (strlen(from) < room) {
        strcpy(to, from);
        return 0;
    }
    err_code(err, EXIT_USAGE, "this list is longer than %zu letters: %.60s...",
             room - 1, from);
    return -1;
}

/* ---- versions ------------------------------------------------------------ */

static const struct {
    const char *name;
    int version;
} versions[] = {
    {"1.0", TLS1_VERSION},
    {"1.1", TLS1_1_VERSION},
    {"1.2", TLS1_2_VERSION},
    {"1.3", TLS1_3_VERSION},
};

static int take_version(const char *word, int *out, struct err *err)
{
    static const char *const names[] = {"1.0", "1.1", "1.2", "1.3", NULL};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        if (strcmp(versions[i].name, word) != 0)
            continue;
        *out = versions[i].version;
        return 0;
    }
    return usage(err, "version", word, names);
}

/* "1.2" or "1.0-1.2". */
static int take_versions(char *value, struct policy *out, struct err *err)
{
    char *most = strchr(value, '-');
    if (most)
        *most++ = 0;
    if (take_version(value, &out->least, err) ||
        take_version(most ? most : value, &out->most, err))
        return -1;
    if (out->least <= out->most)
        return 0;
    err_code(err, EXIT_USAGE, "versions=%s-%s is the wrong way round", value,
             most);
    return -1;
}

/* ---- lists with colons --------------------------------------------------- */

/* Call `take` for each piece; the pieces are cut in place. */
static int each(char *list, struct policy *out, struct err *err,
                int (*take)(const char *word, struct policy *out,
                            struct err *err))
{
    char *rest = NULL;
    for (char *word = strtok_r(list, ":", &rest); word;
         word = strtok_r(NULL, ":", &rest))
        if (take(word, out, err))
            return -1;
    return 0;
}

/* Behind what is there, with a colon between. */
static int append(char *list, size_t room, const char *word, struct err *err)
{
    size_t len = strlen(list);
    if (len + strlen(word) + 2 > room) {
        err_code(err, EXIT_USAGE, "the list that ends in %.60s is too long",
                 word);
        return -1;
    }
    if (len)
        list[len++] = ':';
    strcpy(list + len, word);
    return 0;
}

static bool try_out(int (*set)(SSL_CTX *context, const char *word),
                    const char *word)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    bool fine = context && set(context, word) == 1;
    SSL_CTX_free(context);
    ERR_clear_error();
    return fine;
}

static int set_groups(SSL_CTX *context, const char *word)
{
    return (int)SSL_CTX_set1_groups_list(context, word);
}

static int take_group(const char *word, struct policy *out, struct err *err)
{
    static const char *const names[] = {"X25519",    "P-256",     "P-384",
                                        "P-521",     "X448",      "ffdhe2048",
                                        "ffdhe3072", "ffdhe4096", "ffdhe6144",
                                        "ffdhe8192", "secp256k1", NULL};
    if (!try_out(set_groups, word))
        return usage(err, "group", word, names);
    return append(out->groups, sizeof out->groups, word, err);
}

/* What a misspelt suite may have meant. */
static int no_such_suite(const char *word, struct err *err)
{
    const char *names[NAMES_MOST] = {NULL};
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context)
        SSL_CTX_set_cipher_list(context, "ALL:COMPLEMENTOFALL");
    STACK_OF(SSL_CIPHER) *all = context ? SSL_CTX_get_ciphers(context) : NULL;
    for (int i = 0; i < sk_SSL_CIPHER_num(all) && i < NAMES_MOST - 1; i++)
        names[i] = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i));
    usage(err, "cipher suite", word, names);
    SSL_CTX_free(context);
    return -1;
}

/* A suite of TLS 1.3, or a word of openssl-ciphers(1) with its sign. */
static int take_cipher(const char *word, struct policy *out, struct err *err)
{
    bool suite = !strncmp(word, "TLS_", 4);
    const char *bare = word + strspn(word, "!+-");
    char list[CIPHER_MOST];
    /* @STRENGTH and @SECLEVEL say something about others. */
    snprintf(list, sizeof list, "%s%s", *bare == '@' ? "ALL:" : "", bare);
    if (!try_out(suite ? SSL_CTX_set_ciphersuites : SSL_CTX_set_cipher_list,
                 list))
        return no_such_suite(bare, err);
    return suite ? append(out->suites, sizeof out->suites, word, err)
                 : append(out->ciphers, sizeof out->ciphers, word, err);
}

static int take_protocol(const char *word, struct policy *out, struct err *err)
{
    if (out->alpn_count == POLICY_ALPN_MOST) {
        err_code(err, EXIT_USAGE, "alpn= takes at most %d protocols",
                 POLICY_ALPN_MOST);
        return -1;
    }
    return copy(word, out->alpn[out->alpn_count++], sizeof out->alpn[0], err);
}

/* ---- keys ---------------------------------------------------------------- */

static int take_groups(char *value, struct policy *out, struct err *err)
{
    return each(value, out, err, take_group);
}

static int take_ciphers(char *value, struct policy *out, struct err *err)
{
    return each(value, out, err, take_cipher);
}

static int take_alpn(char *value, struct policy *out, struct err *err)
{
    out->alpn_given = true;
    return strcmp(value, "none") != 0 ? each(value, out, err, take_protocol)
                                      : 0;
}

static int take_resume(char *value, struct policy *out, struct err *err)
{
    static const char *const names[] = {"off", "on", "tickets", "ids", NULL};
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], value) != 0)
            continue;
        out->resume = (enum policy_resume)i;
        return 0;
    }
    return usage(err, "way to resume", value, names);
}

static int take_staple(char *value, struct policy *out, struct err *err)
{
    static const char *const names[] = {"off", "on", NULL};
    out->staple = !strcmp(value, "on");
    return out->staple || !strcmp(value, "off")
               ? 0
               : usage(err, "way to staple", value, names);
}

static int take_level(char *value, struct policy *out, struct err *err)
{
    char *end;
    long level = strtol(value, &end, 10);
    if (*end || end == value || level < 0 || level > LEVEL_MOST) {
        err_code(err, EXIT_USAGE, "seclevel wants 0 to %d, not \"%.60s\"",
                 LEVEL_MOST, value);
        return -1;
    }
    out->level = (int)level;
    out->level_given = true;
    return 0;
}

static const struct {
    const char *name;
    int (*take)(char *value, struct policy *out, struct err *err);
} keys[] = {
    {"versions", take_versions}, {"groups", take_groups},
    {"ciphers", take_ciphers},   {"alpn", take_alpn},
    {"resume", take_resume},     {"staple", take_staple},
    {"seclevel", take_level},
};

enum { KEYS = sizeof keys / sizeof *keys };

static int take_key(char *word, unsigned *seen, struct policy *out,
                    struct err *err)
{
    const char *names[KEYS + 1] = {NULL};
    char *value = strchr(word, '=');
    if (value)
        *value++ = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        names[i] = keys[i].name;
        if (strcmp(names[i], word) != 0)
            continue;
        if (!value || !*value || *seen & 1U << i) {
            err_code(err, EXIT_USAGE, "%s wants one value: %s=...", word, word);
            return -1;
        }
        *seen |= 1U << i;
        return keys[i].take(value, out, err);
    }
    return usage(err, "setting", word, names);
}

int policy_parse(const char *text, struct policy *out, struct err *err)
{
    char *words = strdup(text), *rest = NULL;
    unsigned seen = 0;
    int rc = words ? 0 : -1;
    *out = (struct policy){0};
    if (!words)
        err_set(err, "read TLS settings: out of memory");
    for (char *word = words ? strtok_r(words, ",", &rest) : NULL; word && !rc;
         word = strtok_r(NULL, ",", &rest))
        rc = take_key(word, &seen, out, err);
    if (!rc && !seen) {
        err_code(err, EXIT_USAGE, "TLS settings are KEY=VALUE,...");
        rc = -1;
    }
    free(words);
    return rc;
}

/* ---- use ----------------------------------------------------------------- */

/* OpenSSL signs TLS 1.0 and 1.1 at level 0 only, where MD5 and SHA-1 may. */
static int level_of(const struct policy *policy, int otherwise)
{
    if (policy->level_given)
        return policy->level;
    return policy->least && policy->least < TLS1_2_VERSION ? 0 : otherwise;
}

int policy_apply(const struct policy *policy, int level, SSL_CTX *context,
                 struct err *err)
{
    SSL_CTX_set_security_level(context, level_of(policy, level));
    int least = policy->least ? policy->least : TLS1_2_VERSION;
    if (SSL_CTX_set_min_proto_version(context, least) == 1 &&
        SSL_CTX_set_max_proto_version(context, policy->most) == 1 &&
        (!*policy->groups || set_groups(context, policy->groups) == 1) &&
        (!*policy->ciphers ||
         SSL_CTX_set_cipher_list(context, policy->ciphers) == 1) &&
        (!*policy->suites ||
         SSL_CTX_set_ciphersuites(context, policy->suites) == 1))
        return 0;
    err_openssl(err, "set up TLS as it was asked for");
    return -1;
}

bool policy_speaks(const struct policy *policy, struct alpn_name protocol)
{
    for (unsigned i = 0; i < policy->alpn_count; i++)
        if (alpn_is(protocol, policy->alpn[i]))
            return true;
    bool is_h3 = protocol.len >= 2 && !memcmp(protocol.bytes, "h3", 2);
    return !policy->alpn_given && !is_h3;
}
