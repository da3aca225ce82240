/* SPDX-License-Identifier: MIT
 *
 * Memory runs out under TLS: as the first connection of a proxy, beside
 * another one, behind CONNECT and SOCKS, behind STARTTLS, and left alone. How
 * that is tried: fault_loop.h.
 *
 * A handshake takes thousands of allocations, most of them in OpenSSL, so
 * ctest tries a few of them each time. */
#include "tests/proxy/fault_loop.h"

enum { STRIDE = 151 };

static bool hold_tls(struct stage *stage)
{
    struct talker victim =
        victim_calls(stage, NULL, TLS1_3_VERSION, "bank.lab.test");
    struct talker server = {.actor = {.stage = stage, .fd = -1}};
    bool all = ask_sealed(&victim, &server);
    talker_leaves(&victim);
    talker_leaves(&server);
    return all;
}

static void the_first_handshake_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){
        .name = "tls", .scheme = "https", .stride = STRIDE, .hold = hold_tls});
}

/* How it went with the Nth allocation failing; nothing is left of it. */
static int open_hungry(const struct tls_terms *terms, unsigned at)
{
    struct err err = ERR_INIT;
    struct tls *tls;
    hunger_arm(at, false);
    memory.inside = true;
    int rc = tls_open(terms, &tls, &err);
    memory.inside = false;
    hunger_disarm();
    if (!rc)
        tls_free(tls);
    assert_true(!rc || *err.text);
    return rc;
}

/* What all connections share is complete, or not there: OpenSSL goes without
 * an algorithm for which it gets no memory, and does not say so. */
static void contexts_are_whole_or_none(void **state)
{
    (void)state;
    struct tls_terms terms = {.trust = authorities.trust};
    struct err err = ERR_INIT;
    for (int i = 0; i < 2; i++) /* some things are made once a process */
        assert_int_equal(open_hungry(&terms, UINT_MAX), 0);
    unsigned at = memory.count; /* so many without contexts */
    assert_int_equal(policy_parse("versions=1.3", &terms.server, &err), 0);
    for (;; at++) {
        int rc = open_hungry(&terms, at);
        if (!memory.failed && rc)
            fail_msg("refused without a fault");
        if (!memory.failed)
            break;
        if (!rc)
            fail_msg("made although allocation %u failed", at);
    }
}

static int forge_hungry(unsigned at)
{
    const struct forge_signers signers = {.rogue = authorities.rogue};
    const struct forge_plan plan = {.server_name = "bank.lab.test"};
    struct forged forged;
    struct err err = ERR_INIT;
    hunger_arm(at, false);
    memory.inside = true;
    int rc = forge_leaf(&signers, authorities.leaf, &plan, &forged, &err);
    memory.inside = false;
    hunger_disarm();
    if (!rc)
        forged_close(&forged);
    assert_true(!rc || *err.text);
    return rc;
}

/* The same of what all victims of a server are shown: a certificate whose
 * extensions OpenSSL could not read once stays invalid to it. */
static void leaves_are_whole_or_none(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(forge_hungry(UINT_MAX), 0);
    for (unsigned at = 0;; at++) {
        int rc = forge_hungry(at);
        if (!memory.failed && rc)
            fail_msg("refused without a fault");
        if (!memory.failed)
            break;
        if (!rc)
            fail_msg("made although allocation %u failed", at);
    }
}

/* The leaf is there, and the server's chain has verified. */
static void another_handshake_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "tls-again",
                               .scheme = "https",
                               .sealed_friend = true,
                               .stride = STRIDE,
                               .hold = hold_tls});
}

/* ---- old TLS, resumption, client certificates ---------------------------- */

static void resume_and_staple(struct stage *stage)
{
    struct err err = ERR_INIT;
    struct tls_terms *terms = &stage->options.terms;
    assert_int_equal(
        policy_parse("versions=1.2,resume=on,staple=on", &terms->server, &err),
        0);
    assert_int_equal(
        policy_parse("versions=1.2,resume=on", &terms->victim, &err), 0);
    terms->ask_client_cert = true;
}

static bool hold_tls12(struct stage *stage)
{
    struct talker victim =
        victim_calls(stage, NULL, TLS1_2_VERSION, "bank.lab.test");
    struct talker server = {.actor = {.stage = stage, .fd = -1}};
    SSL_use_certificate(victim.ssl, authorities.leaf);
    SSL_use_PrivateKey(victim.ssl, authorities.key);
    bool all = ask_sealed(&victim, &server);
    talker_leaves(&victim);
    talker_leaves(&server);
    return all;
}

static void tls_12_with_all_its_trimmings_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "tls12",
                               .scheme = "https",
                               .stride = STRIDE,
                               .prepare = resume_and_staple,
                               .hold = hold_tls12});
}

/* ---- inside of tunnels --------------------------------------------------- */

static void by_connect(struct stage *stage)
{
    stage_takes(stage, WAY_HTTP);
}

/* The victim is the talker's actor until TLS begins. */
static bool ask_in_tunnel(struct stage *stage, struct talker *victim,
                          const char *request, size_t len, const char *grant)
{
    struct talker server = {.actor = {.stage = stage, .fd = -1}};
    say_bytes(&victim->actor, request, len);
    struct actor at_door = meet(stage, &victim->actor);
    bool all = at_door.fd >= 0;
    for (int i = 0; all && i < patience(); i++) {
        if (gone(&victim->actor) ||
            buf_len(&victim->actor.got) >= strlen(grant))
            break;
        if (!actor_listens(&victim->actor))
            stage_turn(stage);
    }
    all = all && buf_len(&victim->actor.got) == strlen(grant);
    buf_clear(&victim->actor.got);
    if (all) {
        server = server_greets(at_door);
        all = ask_sealed(victim, &server);
    } else {
        actor_leaves(&at_door);
    }
    talker_leaves(victim);
    talker_leaves(&server);
    return all;
}

static bool hold_connect(struct stage *stage)
{
    char request[128];
    struct talker victim =
        victim_calls(stage, NULL, TLS1_3_VERSION, "bank.lab.test");
    int len = snprintf(request, sizeof request,
                       "CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: a\r\n\r\n",
                       stage->upstream.port);
    return ask_in_tunnel(stage, &victim, request, (size_t)len,
                         "HTTP/1.1 200 Connection established\r\n\r\n");
}

static void connect_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "connect-tls",
                               .scheme = "https",
                               .stride = STRIDE,
                               .prepare = by_connect,
                               .hold = hold_connect});
}

/* ---- behind STARTTLS ----------------------------------------------------- */

#define READY "220 mail.lab.test\r\n"
#define BEGIN "STARTTLS\r\n"
#define YES   "220 go\r\n"

static bool hold_starttls(struct stage *stage)
{
    struct talker victim =
        victim_calls(stage, NULL, TLS1_3_VERSION, "bank.lab.test");
    struct talker server = {.actor = {.stage = stage, .fd = -1}};
    struct actor at_door = meet(stage, &victim.actor);
    bool all = passes(&at_door, &victim.actor, READY, READY) &&
               passes(&victim.actor, &at_door, BEGIN, BEGIN) &&
               passes(&at_door, &victim.actor, YES, YES);
    if (all) {
        server = server_greets(at_door);
        all = ask_sealed(&victim, &server);
    } else {
        actor_leaves(&at_door);
    }
    talker_leaves(&victim);
    talker_leaves(&server);
    return all;
}

static void starttls_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "starttls",
                               .scheme = "smtp",
                               .stride = STRIDE,
                               .hold = hold_starttls});
}

/* ---- left alone ---------------------------------------------------------- */

static void leave_it_alone(struct stage *stage)
{
    stage->options.ways[0].pass_tls = true;
}

static void tls_that_is_left_alone_survives(void **state)
{
    (void)state;
    try_faults(&(struct scene){.name = "tls-passed",
                               .scheme = "https",
                               .prepare = leave_it_alone,
                               .hold = hold_tls});
}

int main(void)
{
    if (hunger_begins())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_handshake_survives),
        cmocka_unit_test(contexts_are_whole_or_none),
        cmocka_unit_test(leaves_are_whole_or_none),
        cmocka_unit_test(another_handshake_survives),
        cmocka_unit_test(tls_12_with_all_its_trimmings_survives),
        cmocka_unit_test(connect_survives),
        cmocka_unit_test(starttls_survives),
        cmocka_unit_test(tls_that_is_left_alone_survives),
    };
    return cmocka_run_group_tests(tests, make_authorities, free_authorities);
}
