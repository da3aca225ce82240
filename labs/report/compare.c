/* SPDX-License-Identifier: MIT
 *
 * The facts of a handshake carry each certificate as an object of fields (see
 * event.def); two such objects make a comparison. */
#include "labs/report/compare.h"

#include <string.h>

enum { PAIRS_MOST = 20, DEPTH_MOST = 4, VALUE_MOST = 2000 };

/* A value as words: lists with commas, objects as "key value". */
static void describe(struct report *report, const json_t *value, unsigned depth,
                     struct out *out)
{
    struct text bytes;
    const char *key;
    json_t *item;
    size_t index;
    if (depth > DEPTH_MOST || buf_len(&out->buf) > VALUE_MOST)
        return;
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        bytes = bytes_of(report, value);
        out_bytes(out, bytes.bytes, bytes.len);
        break;
    case JSON_INTEGER:
        out_format(out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        out_raw(out, json_is_true(value) ? "yes" : "no");
        break;
    case JSON_ARRAY:
        json_array_foreach(value, index, item)
        {
            out_raw(out, index ? ", " : "");
            describe(report, item, depth + 1, out);
        }
        break;
    case JSON_OBJECT:
        index = 0;
        json_object_foreach((json_t *)value, key, item)
        {
            out_format(out, "%s%s ", index++ ? ", " : "", key);
            describe(report, item, depth + 1, out);
        }
        break;
    case JSON_REAL:
    case JSON_NULL:
        break;
    }
}

static struct text words_of(struct report *report, const json_t *value)
{
    struct out out = {0};
    describe(report, value, 0, &out);
    size_t len = buf_len(&out.buf);
    char *kept =
        len ? arena_copy(&report->arena, buf_head(&out.buf), len) : NULL;
    out_free(&out);
    return (struct text){kept ? kept : "", kept ? len : 0};
}

static bool same(struct text one, struct text two)
{
    return one.len == two.len && !memcmp(one.bytes, two.bytes, one.len);
}

static void add_field(struct report *report, struct comparison *pair,
                      const char *key, const json_t *original,
                      const json_t *forged)
{
    if (pair->count == FIELDS_MOST)
        return;
    struct field_pair *field = &pair->fields[pair->count++];
    char *name = arena_text(&report->arena, key);
    for (char *at = name; at && *at; at++)
        *at = *at == '_' ? ' ' : *at;
    field->name = text_of(name);
    field->original = words_of(report, original);
    field->forged = words_of(report, forged);
    field->same = same(field->original, field->forged);
}

static void compare(struct report *report, json_t *original, json_t *forged,
                    struct comparison *pair)
{
    const char *key;
    json_t *value;
    pair->has_original = json_is_object(original);
    json_object_foreach(forged, key, value)
        add_field(report, pair, key, json_object_get(original, key), value);
    json_object_foreach(original, key, value)
    {
        if (!json_object_get(forged, key))
            add_field(report, pair, key, value, NULL);
    }
}

static bool has_role(struct report *report, const struct fact *fact,
                     const char *role)
{
    return fact_is(fact, "tls.cert") &&
           text_is(fact_bytes(report, fact, "role"), role);
}

/* What the proxy saw from the server while it forged: the same flow of the
 * same place. */
static const struct fact *find_original(struct report *report, struct span span,
                                        const struct fact *forged)
{
    for (size_t i = 0; i < span.count; i++) {
        const struct fact *fact = &report->facts[span.first + i];
        if (has_role(report, fact, "original") && fact->flow == forged->flow &&
            same(fact->place, forged->place))
            return fact;
    }
    return NULL;
}

static bool seen_before(const struct comparison *list, unsigned count)
{
    const struct comparison *now = &list[count];
    for (unsigned i = 0; i < count; i++) {
        bool equal =
            list[i].count == now->count && same(list[i].forgery, now->forgery);
        for (unsigned f = 0; equal && f < now->count; f++)
            equal = same(list[i].fields[f].forged, now->fields[f].forged);
        if (equal)
            return true;
    }
    return false;
}

struct comparison *comparisons_of(struct report *report, unsigned step,
                                  unsigned *out_count)
{
    struct span span = step_facts(report, step);
    struct comparison *list =
        arena_alloc(&report->arena, (PAIRS_MOST + 1) * sizeof *list);
    *out_count = 0;
    for (size_t i = 0; list && i < span.count; i++) {
        const struct fact *fact = &report->facts[span.first + i];
        if (*out_count == PAIRS_MOST || !has_role(report, fact, "forged"))
            continue;
        const struct fact *from = find_original(report, span, fact);
        struct comparison *pair = &list[*out_count];
        *pair = (struct comparison){
            .forgery = fact_bytes(report, fact, "forgery"),
            .forged_frame = fact->frame,
            .original_frame = from ? from->frame : 0,
        };
        compare(report, json_object_get(from ? from->data : NULL, "leaf"),
                json_object_get(fact->data, "leaf"), pair);
        if (pair->count && !seen_before(list, *out_count))
            (*out_count)++;
    }
    return list;
}
