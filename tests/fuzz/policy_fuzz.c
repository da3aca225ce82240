/* SPDX-License-Identifier: MIT
 *
 * What stands behind --tls-victim and --tls-server. What is understood lies
 * within its bounds, and OpenSSL takes it or says why not; what is not
 * understood gets a sentence. */
#include "proxy/policy.h"
#include "tests/fuzz/fuzz.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

#define ENDS(array) CHECK(memchr(array, 0, sizeof(array)))

static void check_policy(const struct policy *policy)
{
    static SSL_CTX *context; /* one for all: most time is in making them */
    struct err err = ERR_INIT;
    CHECK(!policy->least || policy->least <= policy->most);
    CHECK(policy->level >= 0 && policy->level <= 5);
    CHECK(policy->alpn_count <= POLICY_ALPN_MOST);
    ENDS(policy->groups);
    ENDS(policy->ciphers);
    ENDS(policy->suites);
    for (unsigned i = 0; i < policy->alpn_count; i++) {
        ENDS(policy->alpn[i]);
        CHECK(*policy->alpn[i]);
        CHECK(policy_speaks(policy,
                            (struct alpn_name){(const uint8_t *)policy->alpn[i],
                                               strlen(policy->alpn[i])}));
    }
    if (!context)
        context = SSL_CTX_new(TLS_method());
    CHECK(context);
    /* Words that are right one by one may leave nothing together. */
    CHECK(!policy_apply(policy, 1, context, &err) || *err.text);
    CHECK(!ERR_peek_error());
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct policy policy = {0};
    struct err err = ERR_INIT;
    char *text = malloc(len + 1);
    CHECK(text);
    memcpy(text, bytes, len);
    text[len] = 0;
    if (!policy_parse(text, &policy, &err))
        check_policy(&policy);
    else
        CHECK(err.code == EXIT_USAGE && *err.text);
    ERR_clear_error();
    free(text);
    return 0;
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    static const char *const seeds[] = {
        "versions=1.2-1.3,groups=X25519:P-256,seclevel=0",
        "versions=1.0",
        "ciphers=ECDHE-RSA-AES128-SHA:TLS_AES_128_GCM_SHA256:!PSK",
        "ciphers=@SECLEVEL=0:ALL,resume=ids",
        "alpn=h2:http/1.1,resume=tickets,staple=on",
        "alpn=none",
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add(seeds[i], strlen(seeds[i]));
}

const char *const fuzz_words[] = {
    "versions=",  "groups=", "ciphers=",    "alpn=", "resume=", "seclevel=",
    "staple=",    "1.0",     "1.3",         "-",     ":",       ",",
    "=",          "P-384",   "x25519",      "none",  "on",      "off",
    "AES128-SHA", "TLS_",    "@SECLEVEL=0", "!",     "+",       "DEFAULT",
    "h2",         "5",       NULL,
};
