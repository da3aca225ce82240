/* SPDX-License-Identifier: MIT
 *
 * Cuts both certificates into the parts that have a name, pairs the parts,
 * and compares each pair. So a longer name in one of them does not make
 * everything behind it look different. */
#include "certs/diff.h"

#include "certs/show.h"

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTS_MOST = 128, /* what comes beyond counts as one with the last */
    DEPTH_MOST = 16,  /* of elements in elements */
    GAP = 4,          /* fewer equal bytes in between do not end a run */
    SHOWN = 16,       /* bytes of a run that a person wants to see */
};

struct part {
    char field[48];
    size_t at, len;
};

struct parts {
    const unsigned char *der;
    size_t len;
    struct part list[PARTS_MOST];
    unsigned count;
};

/* ---- a certificate in parts ---------------------------------------------- */

struct element {
    size_t at, body, end;
    int tag, class;
    bool constructed;
};

static bool read_element(const struct parts *parts, size_t at,
                         struct element *out)
{
    const unsigned char *body = parts->der + at;
    long len;
    if (at >= parts->len)
        return false;
    int how = ASN1_get_object(&body, &len, &out->tag, &out->class,
                              (long)(parts->len - at));
    if (how & 0x80)
        return false;
    out->at = at;
    out->body = (size_t)(body - parts->der);
    out->end = out->body + (size_t)len;
    out->constructed = how & V_ASN1_CONSTRUCTED;
    return true;
}

static void add_part(struct parts *parts, const char *field, size_t at,
                     size_t end)
{
    if (parts->count == PARTS_MOST) {
        struct part *last = &parts->list[PARTS_MOST - 1];
        last->len = end - last->at;
        return;
    }
    struct part *part = &parts->list[parts->count++];
    *part = (struct part){.at = at, .len = end - at};
    snprintf(part->field, sizeof part->field, "%s", field);
}

/* The next element as a whole; steps over it. */
static bool take_whole(struct parts *parts, const char *field, size_t *at)
{
    struct element element;
    if (!read_element(parts, *at, &element))
        return false;
    add_part(parts, field, element.at, element.end);
    *at = element.end;
    return true;
}

/* The head of the next element; steps into it. */
static bool take_head(struct parts *parts, size_t *at)
{
    struct element element;
    if (!read_element(parts, *at, &element))
        return false;
    add_part(parts, "lengths", element.at, element.body);
    *at = element.body;
    return true;
}

/* The extension's key in show.def, or its own name. */
static void name_extension(const struct parts *parts, size_t body,
                           char name[48])
{
    static const struct {
        int nid;
        const char *field;
    } known[] = {
        {NID_subject_alt_name, "names"},
        {NID_basic_constraints, "is_ca"},
        {NID_key_usage, "key_usage"},
        {NID_ext_key_usage, "extended_key_usage"},
        {NID_subject_key_identifier, "subject_key_id"},
        {NID_authority_key_identifier, "authority_key_id"},
        {NID_name_constraints, "permitted"},
    };
    const unsigned char *at = parts->der + body;
    ASN1_OBJECT *oid = d2i_ASN1_OBJECT(NULL, &at, (long)(parts->len - body));
    int nid = OBJ_obj2nid(oid);
    if (nid == NID_undef)
        OBJ_obj2txt(name, 48, oid, 1);
    else
        snprintf(name, 48, "%s", OBJ_nid2sn(nid));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].nid == nid)
            snprintf(name, 48, "%s", known[i].field);
    ASN1_OBJECT_free(oid);
}

static bool take_extensions(struct parts *parts, size_t *at, size_t end)
{
    if (!take_head(parts, at) || !take_head(parts, at))
        return false;
    while (*at < end) {
        struct element extension;
        char name[48] = "";
        if (!read_element(parts, *at, &extension))
            return false;
        name_extension(parts, extension.body, name);
        if (!take_whole(parts, name, at))
            return false;
    }
    return true;
}

/* RFC 5280 4.1: what is signed. */
static bool take_signed(struct parts *parts, size_t *at)
{
    struct element whole, next;
    if (!read_element(parts, *at, &whole) || !take_head(parts, at) ||
        !read_element(parts, *at, &next))
        return false;
    if (next.class == V_ASN1_CONTEXT_SPECIFIC &&
        !take_whole(parts, "version", at))
        return false;
    if (!take_whole(parts, "serial", at) ||
        !take_whole(parts, "signature_algorithm", at) ||
        !take_whole(parts, "issuer", at) || !take_head(parts, at) ||
        !take_whole(parts, "not_before", at) ||
        !take_whole(parts, "not_after", at) ||
        !take_whole(parts, "subject", at) || !take_whole(parts, "key", at))
        return false;
    while (*at < whole.end) {
        if (!read_element(parts, *at, &next))
            return false;
        if (next.tag == 3 ? !take_extensions(parts, at, next.end)
                          : !take_whole(parts, "unique_id", at))
            return false;
    }
    return true;
}

/* A certificate that is not DER is one part without a name. */
static void cut(struct parts *parts, const unsigned char *der, size_t len)
{
    size_t at = 0;
    *parts = (struct parts){.der = der, .len = len};
    if (take_head(parts, &at) && take_signed(parts, &at) &&
        take_whole(parts, "signature_algorithm", &at) &&
        take_whole(parts, "signature", &at) && at == len)
        return;
    *parts = (struct parts){.der = der, .len = len};
    add_part(parts, "certificate", 0, len);
}

/* ---- comparing ----------------------------------------------------------- */

static bool add_run(struct diff *diff, const struct diff_bytes *run)
{
    /* Room grows with the powers of two. */
    if (!(diff->count & (diff->count - 1))) {
        size_t room = diff->count ? 2 * (size_t)diff->count : 1;
        void *more = realloc(diff->runs, room * sizeof *diff->runs);
        if (!more)
            return false;
        diff->runs = more;
    }
    diff->runs[diff->count++] = *run;
    return true;
}

/* Where the run that begins at `at` ends. */
static size_t run_end(const unsigned char *x, const unsigned char *y, size_t at,
                      size_t len)
{
    size_t end = at;
    for (size_t i = at; i < len && i < end + GAP; i++)
        if (x[i] != y[i])
            end = i + 1;
    return end;
}

/* Of one length: every run of bytes that differ. */
static bool compare_bytes(struct diff *diff, const struct part *a,
                          const struct part *b)
{
    const unsigned char *x = diff->der_a + a->at, *y = diff->der_b + b->at;
    for (size_t at = 0, end; at < a->len; at = end) {
        if (x[at] == y[at]) {
            end = at + 1;
            continue;
        }
        end = run_end(x, y, at, a->len);
        struct diff_bytes run = {.at_a = a->at + at,
                                 .len_a = end - at,
                                 .at_b = b->at + at,
                                 .len_b = end - at};
        memcpy(run.field, a->field, sizeof run.field);
        if (!add_run(diff, &run))
            return false;
    }
    return true;
}

/* Of two lengths: all but what is equal at the start and at the end. */
static bool compare_shapes(struct diff *diff, const struct part *a,
                           const struct part *b)
{
    const unsigned char *x = diff->der_a + a->at, *y = diff->der_b + b->at;
    size_t shorter = a->len < b->len ? a->len : b->len, head = 0, tail = 0;
    while (head < shorter && x[head] == y[head])
        head++;
    while (tail < shorter - head &&
           x[a->len - 1 - tail] == y[b->len - 1 - tail])
        tail++;
    struct diff_bytes run = {.at_a = a->at + head,
                             .len_a = a->len - head - tail,
                             .at_b = b->at + head,
                             .len_b = b->len - head - tail};
    memcpy(run.field, a->field, sizeof run.field);
    return add_run(diff, &run);
}

/* How many elements stand in the body of `whole`. */
static unsigned count_children(const struct parts *parts,
                               const struct element *whole)
{
    struct element child;
    unsigned count = 0;
    for (size_t at = whole->body; at < whole->end; at = child.end, count++)
        if (!read_element(parts, at, &child))
            return 0;
    return count;
}

static struct part part_between(const char *field, size_t at, size_t end)
{
    struct part part = {.at = at, .len = end - at};
    snprintf(part.field, sizeof part.field, "%s", field);
    return part;
}

/* Of two lengths: what encloses is compared child by child where it can be, so
 * that a longer name shows as a longer name and not as another subject. */
static bool compare_part(struct diff *diff, const struct part *a,
                         const struct part *b, int depth)
{
    const struct parts one = {.der = diff->der_a, .len = diff->len_a};
    const struct parts two = {.der = diff->der_b, .len = diff->len_b};
    struct element x, y;
    if (a->len == b->len)
        return compare_bytes(diff, a, b);
    if (depth == DEPTH_MOST || !a->len || !b->len ||
        !read_element(&one, a->at, &x) || !read_element(&two, b->at, &y) ||
        !x.constructed || x.tag != y.tag || x.end != a->at + a->len ||
        y.end != b->at + b->len ||
        count_children(&one, &x) != count_children(&two, &y))
        return compare_shapes(diff, a, b);
    struct part head_a = part_between("lengths", x.at, x.body);
    struct part head_b = part_between("lengths", y.at, y.body);
    if (!compare_part(diff, &head_a, &head_b, DEPTH_MOST))
        return false;
    struct element i = {.end = x.body}, j = {.end = y.body};
    while (i.end < x.end) {
        if (!read_element(&one, i.end, &i) || !read_element(&two, j.end, &j))
            return false;
        struct part child_a = part_between(a->field, i.at, i.end);
        struct part child_b = part_between(a->field, j.at, j.end);
        if (!compare_part(diff, &child_a, &child_b, depth + 1))
            return false;
    }
    return true;
}

/* Of two certificates, what stands in both keeps its order; so a partner is
 * looked for behind the last one only. b->count: there is none. */
static unsigned find_partner(const struct parts *b, unsigned from,
                             const char *field)
{
    while (from < b->count && strcmp(b->list[from].field, field))
        from++;
    return from;
}

/* Parts of b that stand in a nowhere, from `*next` up to `end`. */
static bool add_extra(struct diff *diff, const struct parts *b, unsigned *next,
                      unsigned end, size_t at_a)
{
    for (; *next < end; ++*next) {
        struct part nothing = {.at = at_a};
        memcpy(nothing.field, b->list[*next].field, sizeof nothing.field);
        if (!compare_shapes(diff, &nothing, &b->list[*next]))
            return false;
    }
    return true;
}

static bool compare_parts(struct diff *diff, const struct parts *a,
                          const struct parts *b)
{
    unsigned next = 0;
    for (unsigned i = 0; i < a->count; i++) {
        const struct part *one = &a->list[i];
        struct part nothing = {.at =
                                   next < b->count ? b->list[next].at : b->len};
        unsigned partner = find_partner(b, next, one->field);
        bool found = partner < b->count;
        if (found && !add_extra(diff, b, &next, partner, one->at))
            return false;
        if (!compare_part(diff, one, found ? &b->list[partner] : &nothing, 0))
            return false;
        next += found;
    }
    return add_extra(diff, b, &next, b->count, a->len);
}

static size_t encode(X509 *cert, unsigned char **out)
{
    int len = i2d_X509(cert, out);
    return len > 0 ? (size_t)len : 0;
}

int diff_certificates(X509 *a, X509 *b, struct diff *out, struct err *err)
{
    *out = (struct diff){0};
    struct parts *parts = calloc(2, sizeof *parts);
    out->len_a = encode(a, &out->der_a);
    out->len_b = encode(b, &out->der_b);
    bool ok = parts && out->len_a && out->len_b;
    if (ok) {
        cut(&parts[0], out->der_a, out->len_a);
        cut(&parts[1], out->der_b, out->len_b);
        ok = compare_parts(out, &parts[0], &parts[1]);
    }
    free(parts);
    if (ok)
        return 0;
    err_openssl(err, "compare two certificates");
    diff_close(out);
    return -1;
}

void diff_close(struct diff *diff)
{
    OPENSSL_free(diff->der_a);
    OPENSSL_free(diff->der_b);
    free(diff->runs);
    *diff = (struct diff){0};
}

/* ---- saying it ----------------------------------------------------------- */

/* Both values of a field, or false if they are equal. */
static bool values_differ(X509 *a, X509 *b, const struct show_field *field,
                          char **value_a, char **value_b)
{
    *value_a = show_value(a, field);
    *value_b = show_value(b, field);
    if (*value_a && *value_b && strcmp(*value_a, *value_b))
        return true;
    free(*value_a);
    free(*value_b);
    return false;
}

static void json_hex(const unsigned char *bytes, size_t len, FILE *out)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%02x", bytes[i]);
    fputc('"', out);
}

static void json_fields(X509 *a, X509 *b, FILE *out)
{
    const char *comma = "";
    char *value_a, *value_b;
    for (const struct show_field *field = show_fields; field->name; field++) {
        if (!values_differ(a, b, field, &value_a, &value_b))
            continue;
        fprintf(out, "%s{\"field\":\"%s\",\"a\":", comma, field->name);
        show_json_value(field, value_a, out);
        fputs(",\"b\":", out);
        show_json_value(field, value_b, out);
        fputc('}', out);
        comma = ",";
        free(value_a);
        free(value_b);
    }
}

void diff_json(const struct diff *diff, X509 *a, X509 *b, FILE *out)
{
    fputs("{\"fields\":[", out);
    json_fields(a, b, out);
    fputs("],\"bytes\":[", out);
    for (unsigned i = 0; i < diff->count; i++) {
        const struct diff_bytes *run = &diff->runs[i];
        fprintf(out, "%s{\"field\":", i ? "," : "");
        show_json_string(run->field, out);
        fprintf(out, ",\"at_a\":%zu,\"at_b\":%zu,\"a\":", run->at_a, run->at_b);
        json_hex(diff->der_a + run->at_a, run->len_a, out);
        fputs(",\"b\":", out);
        json_hex(diff->der_b + run->at_b, run->len_b, out);
        fputc('}', out);
    }
    fputs("]}", out);
}

static void text_line(const char *name, const char *value, unsigned width,
                      FILE *out)
{
    fprintf(out, "    %s  ", name);
    show_wrapped(value[0] ? value : "-", (unsigned)strlen(name) + 6, width,
                 out);
}

static void text_bytes(const char *name, const unsigned char *bytes, size_t at,
                       size_t len, unsigned width, FILE *out)
{
    char text[3 * SHOWN + 64] = "";
    size_t used = 0;
    for (size_t i = 0; i < len && i < SHOWN; i++)
        used +=
            (size_t)sprintf(text + used, "%s%02x", i ? " " : "", bytes[at + i]);
    if (len > SHOWN)
        sprintf(text + used, " ... (%zu bytes)", len);
    text_line(name, text, width, out);
}

static void text_run(const struct diff *diff, const struct diff_bytes *run,
                     const char *name_a, const char *name_b, unsigned width,
                     FILE *out)
{
    if (run->at_a == run->at_b || !run->len_b)
        fprintf(out, "  %s, at byte %zu\n", run->field, run->at_a);
    else if (!run->len_a)
        fprintf(out, "  %s, at byte %zu of %s\n", run->field, run->at_b,
                name_b);
    else
        fprintf(out, "  %s, at bytes %zu and %zu\n", run->field, run->at_a,
                run->at_b);
    text_bytes(name_a, diff->der_a, run->at_a, run->len_a, width, out);
    text_bytes(name_b, diff->der_b, run->at_b, run->len_b, width, out);
}

/* Lengths follow from what they enclose, so for a person they are a number. */
static void text_runs(const struct diff *diff, const char *name_a,
                      const char *name_b, unsigned width, FILE *out)
{
    unsigned lengths = 0;
    fputs("\nBytes that differ\n", out);
    for (unsigned i = 0; i < diff->count; i++)
        if (strcmp(diff->runs[i].field, "lengths"))
            text_run(diff, &diff->runs[i], name_a, name_b, width, out);
        else
            lengths++;
    if (lengths)
        fprintf(out, "  and %u length%s of what encloses them\n", lengths,
                lengths == 1 ? "" : "s");
}

void diff_text(const struct diff *diff, X509 *a, X509 *b, const char *name_a,
               const char *name_b, unsigned width, FILE *out)
{
    char *value_a, *value_b;
    if (!diff->count) {
        fputs("The two certificates are equal, byte by byte.\n", out);
        return;
    }
    fputs("Fields that differ\n", out);
    for (const struct show_field *field = show_fields; field->name; field++) {
        if (!values_differ(a, b, field, &value_a, &value_b))
            continue;
        fprintf(out, "  %s\n", field->label);
        text_line(name_a, value_a, width, out);
        text_line(name_b, value_b, width, out);
        free(value_a);
        free(value_b);
    }
    text_runs(diff, name_a, name_b, width, out);
}
