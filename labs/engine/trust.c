/* SPDX-License-Identifier: MIT
 *
 * Whom the places trust: the authorities of the run, the certificates of its
 * servers, and who gets which key. Keys go to the places only, never to a file
 * of the host. */
#include "labs/engine/play.h"

#include "certs/forge.h"
#include "labs/engine/words.h"

#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

/* ---- certificates -------------------------------------------------------- */

static bool add_cert(BIO *out, X509 *cert)
{
    return PEM_write_bio_X509(out, cert) == 1;
}

/* What was collected in `bio` becomes a file at a place; `bio` is freed. */
static int put_bio(struct play *play, const char *at, const char *path,
                   BIO *bio, bool good, struct err *err)
{
    char *bytes;
    int rc = -1;
    if (good) {
        long len = BIO_get_mem_data(bio, &bytes);
        rc = net_put(play->net, at, path, bytes, (size_t)len, err);
    } else {
        err_openssl(err, "write %s", path);
    }
    BIO_free(bio);
    return rc;
}

static int put_cert(struct play *play, const char *at, const char *path,
                    X509 *cert, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    return put_bio(play, at, path, bio, add_cert(bio, cert), err);
}

static int put_chain(struct play *play, const char *at, const char *path,
                     X509 *first, const STACK_OF(X509) * rest, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = add_cert(bio, first);
    for (int i = 0; good && i < sk_X509_num(rest); i++)
        if (X509_cmp(sk_X509_value(rest, i), first))
            good = add_cert(bio, sk_X509_value(rest, i));
    return put_bio(play, at, path, bio, good, err);
}

static int put_key(struct play *play, const char *at, const char *path,
                   EVP_PKEY *key, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    bool good = PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return put_bio(play, at, path, bio, good, err);
}

static int put_authority(struct play *play, const char *at, const char *dir,
                         const struct ca *ca, struct err *err)
{
    char cert[32], key[32], root[32];
    snprintf(cert, sizeof cert, "%s/ca.crt", dir);
    snprintf(key, sizeof key, "%s/ca.key", dir);
    snprintf(root, sizeof root, "%s/root.crt", dir);
    if (put_chain(play, at, cert, ca->cert, ca->above, err) ||
        put_key(play, at, key, ca->key, err))
        return -1;
    if (!ca->root || !X509_cmp(ca->root, ca->cert))
        return 0;
    return put_cert(play, at, root, ca->root, err);
}

static int put_server_cert(struct play *play, const struct lab_command *start,
                           struct err *err)
{
    const char *name = words_text("start", start->words, "name");
    char path[256], url[256];
    X509 *leaf;
    EVP_PKEY *key;
    if (!name)
        return 0;
    struct ca_standing standing = standing_wanted(play, start, url);
    if (ca_issue_with(play->ca, &name, 1, &standing, &leaf, &key, err))
        return -1;
    snprintf(path, sizeof path, "%.200s.crt", name);
    int rc = put_chain(play, start->at, path, leaf, play->ca->above, err);
    snprintf(path, sizeof path, "%.200s.key", name);
    if (!rc)
        rc = put_key(play, start->at, path, key, err);
    if (!rc)
        rc = standing_put(play, start, leaf, err);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return rc;
}

/* ---- trust --------------------------------------------------------------- */

static X509 *anchor_of(const struct play *play, const char *authority)
{
    const struct ca *ca = !strcmp(authority, "rogue") ? play->rogue : play->ca;
    return ca->root ? ca->root : ca->cert;
}

/* Text of rigs, or the certificate of an authority of the run. */
static bool add_anchor(BIO *out, const struct play *play, const char *authority)
{
    const char *text = !strcmp(authority, "rig")         ? play->rig_roots
                       : !strcmp(authority, "installed") ? play->installed_roots
                                                         : NULL;
    if (!strcmp(authority, "rig") || !strcmp(authority, "installed"))
        return !text || BIO_puts(out, text) > 0;
    return add_cert(out, anchor_of(play, authority));
}

static int put_trust(struct play *play, const char *place,
                     const json_t *authorities, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    size_t i;
    json_t *item;
    bool good = true;
    json_array_foreach((json_t *)authorities, i, item) good &=
        add_anchor(bio, play, json_string_value(item));
    return put_bio(play, place, "trust.pem", bio, good, err);
}

int trust_change(struct play *play, const char *place,
                 const json_t *authorities, struct err *err)
{
    size_t i;
    json_t *item;
    struct buf text = {0};
    json_array_foreach((json_t *)authorities, i, item)
        buf_printf(&text, " %s-ca.crt", json_string_value(item));
    buf_append(&text, "", 1);
    voice_sayf(&play->voice, 0, "",
               TERM_BOLD "%s$" TERM_PLAIN " cat%s > trust.pem", place,
               (char *)buf_head(&text));
    buf_free(&text);
    return put_trust(play, place, authorities, err);
}

/* Text behind text; free() it. */
static void append(char **text, const char *more)
{
    char *both;
    if (!more || asprintf(&both, "%s%s", *text ? *text : "", more) < 0)
        return;
    free(*text);
    *text = both;
}

static void note_roots(struct play *play, const json_t *ready)
{
    const json_t *data = json_object_get(ready, "data");
    const char *id;
    json_t *pem;
    append(&play->rig_roots, json_string_value(json_object_get(data, "trust")));
    json_object_foreach(json_object_get(data, "installed"), id, pem)
        append(&play->installed_roots, json_string_value(pem));
}

static int put_text(struct play *play, const char *at, const char *path,
                    const char *text, struct err *err)
{
    return text ? net_put(play->net, at, path, text, strlen(text), err) : 0;
}

int trust_rigs(struct play *play, struct err *err)
{
    size_t i;
    json_t *event;
    json_array_foreach(play->chronicle.events, i,
                       event) if (!strcmp(event_kind(event), "ready"))
        note_roots(play, event);
    json_t *all = json_pack("[s,s]", "lab", "rig");
    int rc = 0;
    for (unsigned p = 0; !rc && play->rig_roots && p < play->plan.places_count;
         p++) {
        const char *at = play->plan.places[p].name;
        rc = put_trust(play, at, all, err) ||
             put_text(play, at, "rig-ca.crt", play->rig_roots, err) ||
             put_text(play, at, "installed-ca.crt", play->installed_roots, err);
    }
    json_decref(all);
    return rc ? -1 : 0;
}

bool trust_accomplice(const struct lab *lab)
{
    for (unsigned i = 0; i < lab->steps_count; i++)
        for (unsigned j = 0; j < lab->steps[i].attacks_count; j++) {
            const json_t *words = lab->steps[i].attacks[j].words;
            const char *id = json_string_value(words_get(words, "forgery"));
            const struct forgery *forgery = id ? forgery_find(id) : NULL;
            if (forgery && forgery->signed_by_lab)
                return true;
        }
    return false;
}

/* Everybody knows where the authorities' certificates are; only the attacker
 * has a key to sign with. */
static int put_papers(struct play *play, const char *at, struct err *err)
{
    json_t *lab = json_pack("[s]", "lab");
    int rc = put_trust(play, at, lab, err);
    json_decref(lab);
    if (rc || put_cert(play, at, "lab-ca.crt", anchor_of(play, "lab"), err) ||
        put_cert(play, at, "rogue-ca.crt", anchor_of(play, "rogue"), err))
        return -1;
    return 0;
}

static bool attacks_from(const struct lab *lab, const char *place)
{
    for (unsigned i = 0; i < lab->steps_count; i++)
        for (unsigned j = 0; j < lab->steps[i].attacks_count; j++)
            if (!strcmp(lab->steps[i].attacks[j].at, place))
                return true;
    return false;
}

static int put_weapons(struct play *play, const char *at, struct err *err)
{
    if (!attacks_from(play->lab, at))
        return 0;
    if (put_authority(play, at, "rogue", play->rogue, err))
        return -1;
    return trust_accomplice(play->lab)
               ? put_authority(play, at, "lab", play->ca, err)
               : 0;
}

int trust_put(struct play *play, struct err *err)
{
    if (ca_make_lab(play->lab->id, &play->ca, err) ||
        ca_make_rogue(play->lab->id, &play->rogue, err))
        return -1;
    for (unsigned i = 0; i < play->plan.places_count; i++) {
        const char *at = play->plan.places[i].name;
        if (put_papers(play, at, err) || put_weapons(play, at, err))
            return -1;
    }
    for (unsigned i = 0; i < play->lab->starts_count; i++)
        if (put_server_cert(play, &play->lab->starts[i], err))
            return -1;
    return 0;
}
