/* SPDX-License-Identifier: MIT
 *
 * tamper: damage done below HTTP, to TLS records that nobody can read: one is
 * changed, left out, sent twice, sent late or after the next. What the two
 * ends make of it is the lesson. Works on TLS that passes the proxy as it
 * is. */
#include "attacks/attack.h"
#include "proxy/record.h"

#include <stdlib.h>
#include <string.h>

enum deed { FLIP, DROP, REPLAY, REORDER, DELAY };
static const char *const deeds[] = {"flip", "drop", "replay", "reorder",
                                    "delay"};

enum { MS_MOST = 60 * 1000 };

struct tamper {
    struct attack_run *run;
    enum deed deed;
    enum event_leg from;
    unsigned type;        /* of the records that are counted; 0: of any */
    unsigned long number; /* the one that it happens to, from 1 */
    unsigned long bit, ms;
    bool last_bit;
};

/* Of one flow, in the direction that is tampered with. */
struct damage {
    bool begun;
    struct record record;
    unsigned long count; /* of the records of this type */
    bool mine;           /* it happens to this record ... */
    struct buf kept;     /* ... and this is what has come of it */
    struct buf late;     /* a whole record that waits for the next to go */
    bool waits;          /* this piece is to go later */
};

/* ---- the deed ------------------------------------------------------------ */

static void tell(const struct tamper *tamper, struct flow *flow,
                 const struct record *record)
{
    struct event_where where = flow_where(flow, tamper->from);
    where.at = record->at;
    where.len = RECORD_HEADER_LEN + record_body_len(record);
    event("tls.tampered", &where,
          "\"what\":\"%s\",\"from\":\"%s\",\"record\":%lu,\"type\":\"%s\"",
          deeds[tamper->deed], tamper->from == LEG_VICTIM ? "victim" : "server",
          tamper->number, record_type_name(record->header[0]));
}

/* Counted from the first bit of what the record carries, and from the front
 * again if it is not so long. */
static void flip(const struct tamper *tamper, struct buf *record)
{
    size_t bits = 8 * (buf_len(record) - RECORD_HEADER_LEN);
    if (!bits)
        return;
    size_t bit = tamper->last_bit ? bits - 1 : tamper->bit % bits;
    buf_head(record)[RECORD_HEADER_LEN + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
}

static int append(struct buf *to, const struct buf *from)
{
    return buf_append(to, buf_head(from), buf_len(from));
}

/* The record in damage->kept is whole. */
static int do_it(const struct tamper *tamper, struct damage *damage,
                 struct buf *out)
{
    struct buf *kept = &damage->kept;
    int bad = 0;
    if (tamper->deed == FLIP)
        flip(tamper, kept);
    if (tamper->deed == REORDER)
        bad = append(&damage->late, kept);
    else if (tamper->deed != DROP)
        bad = append(out, kept);
    if (tamper->deed == REPLAY)
        bad |= append(out, kept);
    damage->waits |= tamper->deed == DELAY;
    buf_free(kept);
    return bad;
}

/* ---- records ------------------------------------------------------------- */

/* A header is whole: does it happen to this one? */
static void judge(const struct tamper *tamper, struct damage *damage)
{
    if (tamper->type && damage->record.header[0] != tamper->type)
        damage->mine = false;
    else
        damage->mine = ++damage->count == tamper->number;
}

/* A piece of a record; a header is kept until it is known whose. */
static int take(const struct tamper *tamper, struct damage *damage,
                enum record_part part, const uint8_t *bytes, size_t len,
                struct buf *out)
{
    struct record *record = &damage->record;
    struct buf *kept = &damage->kept;
    int bad = 0;
    if (part == RECORD_HEAD && record->have == RECORD_HEADER_LEN)
        judge(tamper, damage);
    if (part == RECORD_HEAD || damage->mine)
        bad = buf_append(kept, bytes, len);
    else
        bad = buf_append(out, bytes, len);
    if (!damage->mine && record->have == RECORD_HEADER_LEN && buf_len(kept)) {
        bad |= append(out, kept);
        buf_free(kept);
    }
    return bad;
}

static int take_whole(const struct tamper *tamper, struct flow *flow,
                      struct damage *damage, struct buf *out)
{
    if (damage->mine) {
        damage->mine = false;
        tell(tamper, flow, &damage->record);
        return do_it(tamper, damage, out);
    }
    if (!buf_len(&damage->late))
        return 0;
    int bad = append(out, &damage->late);
    buf_free(&damage->late);
    return bad;
}

/* What is no TLS goes as it is, with what was kept of it. */
static int let_go(struct damage *damage, const uint8_t *bytes, size_t len,
                  struct buf *out)
{
    int bad = buf_len(&damage->kept) ? append(out, &damage->kept) : 0;
    buf_free(&damage->kept);
    return bad | buf_append(out, bytes, len);
}

static int take_all(const struct tamper *tamper, struct flow *flow,
                    struct damage *damage, const struct buf *data,
                    struct buf *out)
{
    const uint8_t *bytes = buf_head(data);
    int bad = 0;
    for (size_t len = buf_len(data), took; len && !bad;
         bytes += took, len -= took) {
        enum record_part part;
        took = record_next(&damage->record, bytes, len, &part);
        if (part == RECORD_NONE) {
            bad = let_go(damage, bytes, took, out);
            continue;
        }
        bad = take(tamper, damage, part, bytes, took, out);
        if (!bad && record_is_whole(&damage->record))
            bad = take_whole(tamper, flow, damage, out);
    }
    return bad;
}

/* ---- the hook ------------------------------------------------------------ */

static enum hook_act on_data(void *config, struct flow *flow, enum event_leg to,
                             struct buf *data)
{
    struct tamper *tamper = config;
    struct damage *damage = flow_hook_state(flow, &tamper->run->hook);
    struct buf out = {0};
    if (!flow->sealed || to == tamper->from)
        return HOOK_PASS;
    if (!damage->begun)
        damage->record.seen = flow_where(flow, tamper->from).at;
    damage->begun = true;
    int bad = take_all(tamper, flow, damage, data, &out);
    buf_clear(data);
    if (!bad && buf_len(&out))
        bad = append(data, &out);
    buf_free(&out);
    if (bad)
        return HOOK_CUT;
    bool waits = damage->waits && !flow_wake(flow, to, (unsigned)tamper->ms);
    damage->waits = false;
    return waits ? HOOK_WAIT : HOOK_CHANGED;
}

static void on_end(void *config, struct flow *flow, enum flow_end why)
{
    (void)why;
    struct tamper *tamper = config;
    struct damage *damage = flow_hook_state(flow, &tamper->run->hook);
    buf_free(&damage->kept);
    buf_free(&damage->late);
}

/* ---- parameters ---------------------------------------------------------- */

static int take_number(const struct attack_run *run, const char *param,
                       unsigned long least, unsigned long most,
                       unsigned long *out, struct err *err)
{
    const char *text = attack_value(run, param);
    char *end = NULL;
    bool digit = *text >= '0' && *text <= '9';
    *out = strtoul(text, &end, 10);
    if (digit && !*end && *out >= least && *out <= most)
        return 0;
    err_code(err, EXIT_USAGE, "tamper: %s wants %lu to %lu, not \"%.60s\"",
             param, least, most, text);
    return -1;
}

static unsigned type_of(const char *word)
{
    static const struct {
        const char *word;
        unsigned type;
    } rows[] = {{"handshake", RECORD_HANDSHAKE},
                {"data", RECORD_APPLICATION_DATA},
                {"alert", RECORD_ALERT},
                {"ccs", RECORD_CHANGE_CIPHER_SPEC}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].word, word))
            return rows[i].type;
    return 0;
}

static int start(struct attack_run *run, struct err *err)
{
    struct tamper *tamper = arena_alloc(&run->arena, sizeof *tamper);
    if (!tamper) {
        err_set(err, "tamper: out of memory");
        return -1;
    }
    tamper->run = run;
    while (!attack_value_is(run, "do", deeds[tamper->deed]))
        tamper->deed++;
    tamper->from =
        attack_value_is(run, "from", "victim") ? LEG_VICTIM : LEG_SERVER;
    tamper->type = type_of(attack_value(run, "type"));
    tamper->last_bit = attack_value_is(run, "bit", "last");
    if (take_number(run, "record", 1, 1UL << 31, &tamper->number, err) ||
        (!tamper->last_bit &&
         take_number(run, "bit", 0, 1UL << 31, &tamper->bit, err)) ||
        take_number(run, "ms", 1, MS_MOST, &tamper->ms, err))
        return -1;
    run->hook.config = tamper;
    run->hook.flow_bytes = sizeof(struct damage);
    run->hook.on_data = on_data;
    run->hook.on_end = on_end;
    return 0;
}

static const struct attack_param params[] = {
    {"do", "flip|drop|replay|reorder|delay", NULL,
     "a bit changes; it is left out; it comes twice; the next comes first; it "
     "comes later",
     true},
    {"from", "victim|server", "server", "whose record", false},
    {"record", "N", "1", "the how-many-th of its type, from 1", false},
    {"type", "any|handshake|data|alert|ccs", "data",
     "what is counted; TLS 1.3 says data of most of its handshake", false},
    {"bit", "N", "last", "flip: which, from 0 behind the header; or the last",
     false},
    {"ms", "N", "500", "delay: for so long", false},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_tamper = {
    .name = "tamper",
    .teaches = "Whoever cannot read TLS can still break it, and is noticed.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
};
