/* SPDX-License-Identifier: MIT
 *
 * PEM text in, objects out. */
#include "labs/engine/leaves.h"

#include "certs/show.h"
#include "labs/engine/jail.h"

#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

static json_t *data_of(const json_t *event)
{
    return json_object_get(event, "data");
}

static const char *leaf_pem(const json_t *event)
{
    json_t *chain = json_object_get(data_of(event), "chain");
    return json_string_value(json_array_get(chain, 0));
}

static bool is_bare(const json_t *event)
{
    return !strcmp(event_kind(event), "tls.cert") && leaf_pem(event) &&
           !json_object_get(data_of(event), "leaf");
}

/* The common name alone, which is what a person calls an authority. */
static void add_common_name(json_t *object, const char *key,
                            const X509_NAME *name)
{
    unsigned char *text = NULL;
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, at);
    if (entry &&
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry)) > 0)
        json_object_set_new(object, key, json_string((char *)text));
    OPENSSL_free(text);
}

static json_t *object_of(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    char *text = cert ? show_json_text(cert) : NULL;
    json_t *object = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
    if (object) {
        add_common_name(object, "subject_cn", X509_get_subject_name(cert));
        add_common_name(object, "issuer_cn", X509_get_issuer_name(cert));
    }
    free(text);
    X509_free(cert);
    BIO_free(bio);
    return object ? object : json_object();
}

/* In the jail: one object for each bare event, in their order. */
static int describe(void *argument, json_t **out, struct err *err)
{
    const struct chronicle *chronicle = argument;
    size_t i;
    json_t *event;
    (void)err;
    *out = json_array();
    json_array_foreach(chronicle->events, i, event)
    {
        if (is_bare(event))
            json_array_append_new(*out, object_of(leaf_pem(event)));
    }
    return 0;
}

int leaves_describe(struct chronicle *chronicle, struct err *err)
{
    json_t *objects = NULL, *event;
    size_t i, next = 0, bare = 0;
    json_array_foreach(chronicle->events, i, event) bare += is_bare(event);
    if (!bare)
        return 0;
    if (jail_run(describe, chronicle, "a certificate", &objects, err))
        return -1;
    json_array_foreach(chronicle->events, i, event)
    {
        if (is_bare(event))
            json_object_set(data_of(event), "leaf",
                            json_array_get(objects, next++));
    }
    json_decref(objects);
    return 0;
}
