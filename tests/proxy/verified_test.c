/* SPDX-License-Identifier: MIT
 *
 * What verified once is believed again: this chain, for this name, for a
 * while, and nothing else. */
#include "proxy/verified.h"

#include "certs/ca.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static const char NAME[] = "bank.lab.test";

struct scene {
    struct ca *lab, *rogue;
    X509 *leaf, *other;
    EVP_PKEY *key, *other_key;
    X509_STORE *trust;
    struct verified *verified;
    long long now;
};

static int open_scene(void **state)
{
    static struct scene scene;
    struct err err = ERR_INIT;
    const char *name = NAME;
    scene = (struct scene){.now = time(NULL)};
    *state = &scene;
    scene.trust = X509_STORE_new();
    scene.verified = verified_new();
    return ca_make_lab("t", &scene.lab, &err) ||
           ca_make_rogue("t", &scene.rogue, &err) ||
           ca_issue(scene.lab, &name, 1, &scene.leaf, &scene.key, &err) ||
           ca_issue(scene.lab, &name, 1, &scene.other, &scene.other_key,
                    &err) ||
           X509_STORE_add_cert(scene.trust, scene.lab->root) != 1;
}

static int close_scene(void **state)
{
    struct scene *scene = *state;
    ca_free(scene->lab);
    ca_free(scene->rogue);
    X509_free(scene->leaf);
    X509_free(scene->other);
    EVP_PKEY_free(scene->key);
    EVP_PKEY_free(scene->other_key);
    X509_STORE_free(scene->trust);
    verified_free(scene->verified);
    return 0;
}

/* A chain as a server sends it: this leaf, what stands above it, and then
 * `more` (NULL: nothing). */
struct sent {
    X509_STORE_CTX *store;
    STACK_OF(X509) * chain;
};

static struct sent send_chain(struct scene *scene, X509 *leaf, X509 *more,
                              const char *name)
{
    struct sent sent = {X509_STORE_CTX_new(), sk_X509_new_null()};
    sk_X509_push(sent.chain, leaf);
    for (int i = 0; i < sk_X509_num(scene->lab->above); i++)
        sk_X509_push(sent.chain, sk_X509_value(scene->lab->above, i));
    if (more)
        sk_X509_push(sent.chain, more);
    assert_int_equal(
        X509_STORE_CTX_init(sent.store, scene->trust, leaf, sent.chain), 1);
    X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(sent.store), name, 0);
    return sent;
}

static void sent_close(struct sent *sent)
{
    X509_STORE_CTX_free(sent->store);
    sk_X509_free(sent->chain);
}

static bool has(struct scene *scene, X509 *leaf, X509 *more, const char *name,
                long long now)
{
    struct sent sent = send_chain(scene, leaf, more, name);
    bool known = verified_has(scene->verified, sent.store, now);
    sent_close(&sent);
    return known;
}

static void keep(struct scene *scene)
{
    struct sent sent = send_chain(scene, scene->leaf, NULL, NAME);
    assert_int_equal(X509_verify_cert(sent.store), 1);
    verified_keep(scene->verified, sent.store, scene->now);
    sent_close(&sent);
}

static void only_what_was_kept_is_known(void **state)
{
    struct scene *scene = *state;
    assert_false(has(scene, scene->leaf, NULL, NAME, scene->now));
    keep(scene);
    assert_true(has(scene, scene->leaf, NULL, NAME, scene->now));
    assert_false(has(scene, scene->other, NULL, NAME, scene->now));
    assert_false(has(scene, scene->leaf, scene->rogue->cert, NAME, scene->now));
}

static void another_name_is_another_question(void **state)
{
    struct scene *scene = *state;
    keep(scene);
    assert_false(has(scene, scene->leaf, NULL, "shop.lab.test", scene->now));
    assert_false(has(scene, scene->leaf, NULL, NULL, scene->now));
}

static void it_is_forgotten_after_five_minutes(void **state)
{
    struct scene *scene = *state;
    keep(scene);
    assert_true(has(scene, scene->leaf, NULL, NAME, scene->now + 299));
    assert_false(has(scene, scene->leaf, NULL, NAME, scene->now + 300));
    assert_false(has(scene, scene->leaf, NULL, NAME, scene->now - 1));
}

/* The certificates of a lab are good for a day. */
static void it_is_not_known_beyond_the_validity_of_a_certificate(void **state)
{
    struct scene *scene = *state;
    struct tm parts;
    assert_int_equal(ASN1_TIME_to_tm(X509_get0_notAfter(scene->leaf), &parts),
                     1);
    long long last = timegm(&parts);
    struct sent sent = send_chain(scene, scene->leaf, NULL, NAME);
    assert_int_equal(X509_verify_cert(sent.store), 1);
    verified_keep(scene->verified, sent.store, last - 10);
    sent_close(&sent);
    assert_true(has(scene, scene->leaf, NULL, NAME, last - 1));
    assert_false(has(scene, scene->leaf, NULL, NAME, last));
}

static void the_oldest_makes_room(void **state)
{
    struct scene *scene = *state;
    char name[32];
    keep(scene);
    for (int i = 0; i < 32; i++) {
        snprintf(name, sizeof name, "n%d.lab.test", i);
        struct sent sent = send_chain(scene, scene->leaf, NULL, NAME);
        assert_int_equal(X509_verify_cert(sent.store), 1);
        X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(sent.store), name,
                                    0);
        verified_keep(scene->verified, sent.store, scene->now);
        sent_close(&sent);
        assert_true(has(scene, scene->leaf, NULL, name, scene->now));
    }
    assert_false(has(scene, scene->leaf, NULL, NAME, scene->now));
}

#define SCENE_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(only_what_was_kept_is_known),
        SCENE_TEST(another_name_is_another_question),
        SCENE_TEST(it_is_forgotten_after_five_minutes),
        SCENE_TEST(it_is_not_known_beyond_the_validity_of_a_certificate),
        SCENE_TEST(the_oldest_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
