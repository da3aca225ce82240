/* SPDX-License-Identifier: MIT
 *
 * Whether the lab's CA still stands by the certificate of a server: what the
 * certificate says of that, and what the CA says to those who ask. */
#include "labs/engine/play.h"

#include "certs/status.h"
#include "labs/engine/words.h"

#include <openssl/pem.h>
#include <string.h>

static const struct lab_command *responder_of(const struct play *play,
                                              const struct lab_command *start)
{
    const char *asked = words_text("start", start->words, "responder");
    for (unsigned i = 0; asked && i < play->lab->starts_count; i++) {
        const struct lab_command *it = &play->lab->starts[i];
        const char *name = words_text("start", it->words, "name");
        if (!strcmp(it->program, "ocsp-responder") && name &&
            !strcmp(name, asked))
            return it;
    }
    return NULL;
}

struct ca_standing standing_wanted(const struct play *play,
                                   const struct lab_command *start,
                                   char url[256])
{
    const char *asked = words_text("start", start->words, "responder");
    struct ca_standing standing = {
        .must_staple = words_yes("start", start->words, "must_staple")};
    int port = stage_port(play, 80);
    if (!asked)
        return standing;
    if (port == 80)
        snprintf(url, 256, "http://%.200s/", asked);
    else
        snprintf(url, 256, "http://%.200s:%d/", asked, port);
    standing.responder = url;
    return standing;
}

static int put_answer(struct play *play, const struct lab_command *start,
                      const struct status *status, struct err *err)
{
    const struct lab_command *responder = responder_of(play, start);
    unsigned char *answer;
    char path[256];
    size_t len = status_respond(status, &answer);
    snprintf(path, sizeof path, "%.200s.ocsp",
             words_text("start", start->words, "name"));
    if (!len) {
        err_openssl(err, "sign %s", path);
        return -1;
    }
    int rc = net_put(play->net, start->at, path, answer, len, err);
    if (!rc && responder)
        rc = net_put(play->net, responder->at, path, answer, len, err);
    OPENSSL_free(answer);
    return rc;
}

static int put_list(struct play *play, const struct status *status,
                    struct err *err)
{
    X509_CRL *list = status_list(status);
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    int rc = 0;
    if (!list || PEM_write_bio_X509_CRL(bio, list) != 1) {
        err_openssl(err, "sign lab.crl");
        rc = -1;
    }
    long len = BIO_get_mem_data(bio, &bytes);
    for (unsigned i = 0; !rc && i < play->plan.places_count; i++)
        rc = net_put(play->net, play->plan.places[i].name, "lab.crl", bytes,
                     (size_t)len, err);
    BIO_free(bio);
    X509_CRL_free(list);
    return rc;
}

int standing_put(struct play *play, const struct lab_command *start, X509 *leaf,
                 struct err *err)
{
    const json_t *words = start->words;
    struct status status = {
        .cert = leaf,
        .issuer = play->ca->cert,
        .issuer_key = play->ca->key,
        .revoked = words_yes("start", words, "revoked"),
    };
    bool asked = words_text("start", words, "responder") != NULL;
    if ((asked || words_yes("start", words, "staple")) &&
        put_answer(play, start, &status, err))
        return -1;
    return status.revoked ? put_list(play, &status, err) : 0;
}
