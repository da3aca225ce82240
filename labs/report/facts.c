/* SPDX-License-Identifier: MIT
 *
 * One line, one fact. Lines that say nothing to a reader (heartbeats, states,
 * keys) are not kept; lines that are damaged are counted. */
#include "labs/report/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { UNKNOWN = -2 }; /* step of a fact that does not say */

struct loading {
    size_t lines; /* so far */
    struct report *report;
    size_t room, bad, beyond;
};

static bool says_nothing(struct text kind)
{
    static const char *const silent[] = {"ready", "flow.state", "heartbeat",
                                         "tls.key"};
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
        if (text_is(kind, silent[i]))
            return true;
    return false;
}

static struct text get_text(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    if (!json_is_string(value))
        return TEXT("");
    return (struct text){json_string_value(value), json_string_length(value)};
}

static long long get_number(const json_t *line, const char *key)
{
    return json_integer_value(json_object_get(line, key));
}

static void read_tuple(const json_t *tuple, struct fact *fact)
{
    if (json_array_size(tuple) != 4)
        return;
    const json_t *from = json_array_get(tuple, 0);
    const json_t *to = json_array_get(tuple, 2);
    if (!json_is_string(from) || !json_is_string(to))
        return;
    fact->opener =
        (struct text){json_string_value(from), json_string_length(from)};
    fact->acceptor =
        (struct text){json_string_value(to), json_string_length(to)};
    fact->opener_port = (int)json_integer_value(json_array_get(tuple, 1));
    fact->acceptor_port = (int)json_integer_value(json_array_get(tuple, 3));
}

static void read_fact(json_t *line, struct fact *fact)
{
    *fact = (struct fact){
        .t = get_number(line, "t"),
        .flow = get_number(line, "flow"),
        .frame = get_number(line, "frame"),
        .at = get_number(line, "at"),
        .len = get_number(line, "len"),
        .has_at = json_is_integer(json_object_get(line, "at")),
        .place = get_text(line, "place"),
        .kind = get_text(line, "kind"),
        .leg = get_text(line, "leg"),
        .dir = get_text(line, "dir"),
        .act = get_text(line, "act"),
        .step = json_is_integer(json_object_get(line, "step"))
                    ? get_number(line, "step") - 1
                    : UNKNOWN,
        .data = json_object_get(line, "data"),
        .line = line,
    };
    if (fact->frame < 0)
        fact->frame = 0;
    read_tuple(json_object_get(line, "tuple"), fact);
}

static bool grow(struct loading *loading)
{
    struct report *report = loading->report;
    if (report->facts_count < loading->room)
        return true;
    size_t room = loading->room ? loading->room * 2 : 256;
    struct fact *facts =
        reallocarray(report->facts, room, sizeof *report->facts);
    if (!facts)
        return false;
    report->facts = facts;
    loading->room = room;
    return true;
}

static void take_line(struct loading *loading, struct text bytes)
{
    struct report *report = loading->report;
    size_t order = loading->lines++;
    if (!bytes.len)
        return;
    json_t *line =
        bytes.len > EVENT_LINE_MOST
            ? NULL
            : json_loadb(bytes.bytes, bytes.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(line) ||
        !json_is_string(json_object_get(line, "kind"))) {
        loading->bad++;
        json_decref(line);
        return;
    }
    if (says_nothing(get_text(line, "kind"))) {
        json_decref(line);
        return;
    }
    if (report->facts_count == EVENTS_MOST || !grow(loading)) {
        loading->beyond++;
        json_decref(line);
        return;
    }
    struct fact *fact = &report->facts[report->facts_count++];
    read_fact(line, fact);
    fact->order = order;
}

static int by_step(const void *a, const void *b)
{
    const struct fact *one = a, *two = b;
    if (one->step != two->step)
        return one->step < two->step ? -1 : 1;
    if (one->t != two->t)
        return one->t < two->t ? -1 : 1;
    return (one->order > two->order) - (one->order < two->order);
}

/* The last step that had begun; without any times, all belongs to the first. */
static long long step_at(const struct report *report, long long t)
{
    long long step = -1;
    bool timed = false;
    for (unsigned i = 0; i < report->steps_count; i++) {
        timed |= report->steps[i].t0 != 0;
        if (report->steps[i].t0 && report->steps[i].t0 <= t)
            step = i;
    }
    return timed ? step : 0;
}

static void sort(struct report *report)
{
    for (size_t i = 0; i < report->facts_count; i++) {
        struct fact *fact = &report->facts[i];
        if (fact->step == UNKNOWN)
            fact->step = step_at(report, fact->t);
    }
    if (report->facts_count)
        qsort(report->facts, report->facts_count, sizeof *report->facts,
              by_step);
}

static void note_damage(const struct loading *loading, bool cut)
{
    struct report *report = loading->report;
    if (cut)
        report_problem(report,
                       "events.jsonl is longer than %d MiB; its start is used",
                       EVENTS_BYTES_MOST >> 20);
    if (loading->bad)
        report_problem(report,
                       "%zu line%s of events.jsonl cannot be read and %s left "
                       "out",
                       loading->bad, loading->bad == 1 ? "" : "s",
                       loading->bad == 1 ? "is" : "are");
    if (loading->beyond)
        report_problem(report,
                       "events.jsonl holds %zu events more than the %d that "
                       "are used",
                       loading->beyond, EVENTS_MOST);
}

void facts_load(int dir, struct report *report)
{
    struct text all;
    bool cut;
    if (folder_read(dir, "events.jsonl", EVENTS_BYTES_MOST, report, &all,
                    &cut)) {
        report_problem(report,
                       "events.jsonl cannot be read (%s), so there is "
                       "no ladder and no HAR entry",
                       strerror(errno));
        return;
    }
    facts_read(report, all, cut);
}

void facts_read(struct report *report, struct text all, bool cut)
{
    struct loading loading = {.report = report};
    while (all.len) {
        const char *end = memchr(all.bytes, '\n', all.len);
        size_t len = end ? (size_t)(end - all.bytes) : all.len;
        take_line(&loading, (struct text){all.bytes, len});
        len += end != NULL;
        all.bytes += len;
        all.len -= len;
    }
    sort(report);
    note_damage(&loading, cut);
}

/* ---- asking ------------------------------------------------------------ */

struct text bytes_of(struct report *report, const json_t *latin1)
{
    if (!json_is_string(latin1))
        return TEXT("");
    const unsigned char *from =
        (const unsigned char *)json_string_value(latin1);
    size_t len = json_string_length(latin1), used = 0;
    char *bytes = arena_alloc(&report->arena, len + 1);
    if (!bytes)
        return TEXT("");
    for (size_t i = 0; i < len; i++) {
        /* U+0080..U+00FF are two bytes of UTF-8, C2 or C3 in front. */
        bool two = (from[i] == 0xc2 || from[i] == 0xc3) && i + 1 < len;
        bytes[used++] = two ? (char)((from[i] & 3) << 6 | (from[i + 1] & 0x3f))
                            : (char)from[i];
        i += two;
    }
    return (struct text){bytes, used};
}

struct text fact_bytes(struct report *report, const struct fact *fact,
                       const char *key)
{
    return bytes_of(report, json_object_get(fact->data, key));
}

long long fact_number(const struct fact *fact, const char *key, long long none)
{
    const json_t *value = json_object_get(fact->data, key);
    return json_is_integer(value) ? json_integer_value(value) : none;
}

bool fact_is(const struct fact *fact, const char *kind)
{
    return text_is(fact->kind, kind);
}

bool fact_same_connection(const struct fact *one, const struct fact *two)
{
    return one->opener.len && one->opener_port == two->opener_port &&
           one->acceptor_port == two->acceptor_port &&
           text_same(one->opener, two->opener) &&
           text_same(one->acceptor, two->acceptor);
}

bool fact_same_message(const struct fact *one, const struct fact *two)
{
    if (!text_same(one->kind, two->kind) || text_same(one->place, two->place))
        return false;
    bool at = one->at == two->at && one->has_at == two->has_at;
    bool frame = one->frame && one->frame == two->frame;
    /* Programs may count the bytes of a handshake differently; and where a
     * relay records the connection, its two ends see different addresses. */
    bool handshake = one->kind.len > 4 && !memcmp(one->kind.bytes, "tls.", 4);
    return (at && fact_same_connection(one, two)) ||
           (frame && (at || handshake));
}

struct text place_at(const struct report *report, struct text address)
{
    for (unsigned i = 0; address.len && i < report->places_count; i++)
        if (text_same(report->places[i].address, address) ||
            text_same(report->places[i].address6, address))
            return report->places[i].name;
    return TEXT("");
}

bool fact_is_upstream(const struct report *report, const struct fact *fact)
{
    /* What belongs together lies close together, also in a hostile file. */
    enum { NEAR = 5000 };
    struct text opener = place_at(report, fact->opener);
    if (!opener.len || text_same(opener, fact->place))
        return false;
    size_t here = (size_t)(fact - report->facts);
    size_t first = here < NEAR ? 0 : here - NEAR;
    for (size_t i = first; i < report->facts_count && i < here + NEAR; i++) {
        const struct fact *other = &report->facts[i];
        if (other->step == fact->step && text_is(other->leg, "server") &&
            text_same(other->place, opener))
            return true;
    }
    return false;
}

struct fact_span step_facts(const struct report *report, unsigned step)
{
    struct fact_span span = {0};
    for (size_t i = 0; i < report->facts_count; i++)
        if (report->facts[i].step == step && !span.count++)
            span.first = i;
    return span;
}
