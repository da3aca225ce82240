/* SPDX-License-Identifier: MIT
 *
 * A handshake's facts carry its certificates as PEM. Which fields there are,
 * and what they are called, certs/show.h knows. */
#include "labs/report/compare.h"

#include "certs/diff.h"
#include "certs/show.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAIRS_MOST = 20,
    LOOKED_MOST = 200,
    PEM_MOST = 1 << 20,
    VALUE_MOST = 1500
};

static X509 *parse(struct text pem)
{
    if (!pem.len || pem.len > PEM_MOST)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem.bytes, (int)pem.len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return cert;
}

/* The leaf is the first of the chain. */
static X509 *leaf_of(struct report *report, const struct fact *fact)
{
    const json_t *chain = json_object_get(fact ? fact->data : NULL, "chain");
    return parse(bytes_of(report, json_array_get(chain, 0)));
}

void certificate_issuer(struct report *report, const struct fact *fact,
                        char *room, size_t size)
{
    X509 *cert = leaf_of(report, fact);
    room[0] = 0;
    if (cert)
        X509_NAME_get_text_by_NID(X509_get_issuer_name(cert), NID_commonName,
                                  room, (int)size);
    X509_free(cert);
}

/* show.h ends each item of a list with a line feed; here they get semicolons. */
static struct text value_of(struct report *report, X509 *cert,
                            const struct show_field *field)
{
    char *shown = cert ? show_value(cert, field) : NULL;
    struct out out = {0};
    size_t len = shown ? strlen(shown) : 0;
    while (len && shown[len - 1] == '\n')
        len--;
    for (size_t i = 0; i < len && i < VALUE_MOST; i++) {
        if (shown[i] == '\n')
            out_raw(&out, "; ");
        else
            out_bytes(&out, &shown[i], 1);
    }
    if (len > VALUE_MOST)
        out_raw(&out, " ...");
    free(shown);
    size_t size = buf_len(&out.buf);
    char *kept =
        size ? arena_copy(&report->arena, buf_head(&out.buf), size) : NULL;
    out_free(&out);
    return (struct text){kept ? kept : "", kept ? size : 0};
}

static void fill(struct report *report, X509 *original, X509 *forged,
                 struct comparison *out)
{
    out->has_original = original != NULL;
    for (const struct show_field *it = show_fields; it->name; it++) {
        struct field_pair field = {
            .name = text_of(it->label),
            .original = value_of(report, original, it),
            .forged = value_of(report, forged, it),
        };
        field.same = text_same(field.original, field.forged);
        if (out->count < FIELDS_MOST &&
            (field.original.len || field.forged.len))
            out->fields[out->count++] = field;
    }
}

/* "issuer, serial number, signature": where the bytes differ, each once. */
static struct text parts_of(struct report *report, X509 *original, X509 *forged)
{
    struct diff diff;
    struct err err = ERR_INIT;
    if (!original || diff_certificates(original, forged, &diff, &err))
        return TEXT("");
    struct out out = {0};
    for (unsigned i = 0; i < diff.count; i++) {
        bool before = false;
        for (unsigned b = 0; b < i; b++)
            before |= !strcmp(diff.runs[b].field, diff.runs[i].field);
        if (before)
            continue;
        const char *label = diff.runs[i].field;
        for (const struct show_field *it = show_fields; it->name; it++)
            if (!strcmp(it->name, diff.runs[i].field))
                label = it->label;
        out_format(&out, "%s%s", buf_len(&out.buf) ? ", " : "", label);
    }
    diff_close(&diff);
    size_t len = buf_len(&out.buf);
    char *kept =
        len ? arena_copy(&report->arena, buf_head(&out.buf), len) : NULL;
    out_free(&out);
    return (struct text){kept ? kept : "", kept ? len : 0};
}

bool certificate_fields(struct report *report, struct text pem,
                        struct comparison *out)
{
    X509 *cert = parse(pem);
    *out = (struct comparison){0};
    if (cert)
        fill(report, NULL, cert, out);
    X509_free(cert);
    return out->count > 0;
}

static bool has_role(struct report *report, const struct fact *fact,
                     const char *role)
{
    return fact_is(fact, "tls.cert") &&
           text_is(fact_bytes(report, fact, "role"), role);
}

/* What the proxy saw from the server: in the same flow, or before, if it did
 * not ask again. */
static const struct fact *find_original(struct report *report,
                                        struct fact_span span,
                                        const struct fact *forged)
{
    const struct fact *before = NULL;
    for (size_t i = 0; i < span.count; i++) {
        const struct fact *fact = &report->facts[span.first + i];
        if (!has_role(report, fact, "original") ||
            !text_same(fact->place, forged->place))
            continue;
        if (fact->flow == forged->flow)
            return fact;
        if (fact->t <= forged->t)
            before = fact;
    }
    return before;
}

/* Certificates that differ in what every new one differs in are one kind. */
static bool seen_before(const struct comparison *list, unsigned count)
{
    const struct comparison *now = &list[count];
    for (unsigned i = 0; i < count; i++) {
        bool equal = list[i].count == now->count &&
                     text_same(list[i].forgery, now->forgery) &&
                     text_same(list[i].parts, now->parts);
        for (unsigned f = 0; equal && f < now->count; f++)
            equal =
                list[i].fields[f].same == now->fields[f].same &&
                text_same(list[i].fields[f].original, now->fields[f].original);
        if (equal)
            return true;
    }
    return false;
}

static void compare(struct report *report, const struct fact *original,
                    const struct fact *forged, struct comparison *out)
{
    X509 *from = leaf_of(report, original), *to = leaf_of(report, forged);
    *out = (struct comparison){
        .forgery = fact_bytes(report, forged, "forgery"),
        .forged_frame = forged->frame,
        .original_frame = original ? original->frame : 0,
    };
    if (to) {
        fill(report, from, to, out);
        out->parts = parts_of(report, from, to);
    }
    X509_free(from);
    X509_free(to);
}

struct comparison *comparisons_of(struct report *report, unsigned step,
                                  unsigned *out_count)
{
    struct fact_span span = step_facts(report, step);
    struct comparison *list =
        arena_alloc(&report->arena, (PAIRS_MOST + 1) * sizeof *list);
    unsigned looked = 0;
    *out_count = 0;
    for (size_t i = 0; list && i < span.count; i++) {
        const struct fact *fact = &report->facts[span.first + i];
        if (*out_count == PAIRS_MOST || looked == LOOKED_MOST)
            break;
        if (!has_role(report, fact, "forged"))
            continue;
        looked++;
        struct comparison *pair = &list[*out_count];
        compare(report, find_original(report, span, fact), fact, pair);
        *out_count += pair->count && !seen_before(list, *out_count);
    }
    return list;
}
