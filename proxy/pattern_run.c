/* SPDX-License-Identifier: MIT
 *
 * The program of a pattern runs for all ways through the text at once, in lock
 * step (Thompson 1968, with Pike's places of groups): no two of them are ever
 * at the same instruction. A search may stop where the bytes end that are
 * there, and go on when more have come; all places are offsets in the text. */
#include "proxy/pattern_parts.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLACES = 2 * PATTERN_GROUPS,
    CREDIT_A_BYTE = 64,
    CREDIT_FIRST = 64 * 1024,
};

/* The ways that are under way at one byte, the best first. */
struct ways {
    unsigned count;
    uint16_t at[PATTERN_STEPS_MOST];
    size_t *places; /* pattern->places of each; NULL: nobody asks for them */
};

struct search {
    const struct pattern *pattern;
    const unsigned char *bytes; /* what is there of the text */
    size_t from, have;          /* first and last of it */
    size_t total;               /* of the text; SIZE_MAX: not known yet */
    size_t most;                /* bytes of a match */
    size_t place;               /* the byte to be looked at */
    size_t fresh;               /* first one that was not looked at yet */
    size_t credit;              /* how many may be looked at still */
    bool broke;                 /* it was not enough: this is the end */
    bool found;                 /* `best` is a match, and none is better yet */
    size_t best[PLACES];
    uint32_t turn; /* marks steps that were reached at this byte */
    uint32_t reached[PATTERN_STEPS_MOST];
    size_t now[PLACES];
    unsigned current;
    struct ways ways[2];
};

struct pattern_run {
    struct search search;
    size_t places[]; /* of both ways */
};

static size_t *places_of(const struct search *search, const struct ways *ways,
                         unsigned which)
{
    return ways->places + (size_t)which * search->pattern->places;
}

static void copy_places(const struct search *search, size_t *to,
                        const size_t *from)
{
    memcpy(to, from, search->pattern->places * sizeof *to);
}

static void next_turn(struct search *search)
{
    if (++search->turn)
        return;
    memset(search->reached, 0, sizeof search->reached);
    search->turn = 1;
}

/* Follow a way from `at` to where a byte is wanted. */
static void follow(struct search *search, struct ways *ways, uint16_t at,
                   size_t place)
{
    const struct step *step = &search->pattern->steps[at];
    if (search->reached[at] == search->turn)
        return;
    search->reached[at] = search->turn;
    switch (step->kind) {
    case STEP_SPLIT:
        follow(search, ways, step->next, place);
        follow(search, ways, step->other, place);
        return;
    case STEP_SAVE: {
        size_t before = search->now[step->other];
        search->now[step->other] = place;
        follow(search, ways, step->next, place);
        search->now[step->other] = before;
        return;
    }
    case STEP_BEGIN:
        if (!place)
            follow(search, ways, step->next, place);
        return;
    case STEP_END:
        if (place == search->total)
            follow(search, ways, step->next, place);
        return;
    case STEP_SET:
    case STEP_MATCH:
        ways->at[ways->count] = at;
        if (ways->places)
            copy_places(search, places_of(search, ways, ways->count),
                        search->now);
        ways->count++;
        return;
    }
}

/* How many of the last bytes may be the beginning of the prefix? */
static size_t begun_prefix(const struct search *search, size_t len)
{
    const struct pattern *pattern = search->pattern;
    const unsigned char *end = search->bytes + (search->have - search->from);
    size_t held = pattern->prefix_len - 1;
    for (held = held < len ? held : len; held; held--)
        if (!memcmp(end - held, pattern->prefix, held))
            break;
    return held;
}

/* Where the next match can begin, as far as the bytes tell. */
static size_t next_start(const struct search *search, size_t place)
{
    const struct pattern *pattern = search->pattern;
    if (place >= search->have || !pattern->skips)
        return place;
    const unsigned char *at = search->bytes + (place - search->from);
    size_t len = search->have - place;
    if (pattern->prefix_len) {
        const unsigned char *found =
            memmem(at, len, pattern->prefix, pattern->prefix_len);
        return found ? place + (size_t)(found - at)
                     : search->have - begun_prefix(search, len);
    }
    while (len && !set_has(&pattern->first, *at)) {
        at++;
        len--;
    }
    return search->have - len;
}

/* A new way that begins here, behind all others. */
static void begin_way(struct search *search, struct ways *ways, size_t place)
{
    const struct pattern *pattern = search->pattern;
    if (pattern->skips &&
        (place == search->have ||
         !set_has(&pattern->first, search->bytes[place - search->from])))
        return;
    memset(search->now, 0xff, sizeof search->now);
    search->now[0] = place;
    follow(search, ways, pattern->start, place);
}

/* Take the byte at `place` on all ways. True when the best of those that are
 * left has come to its end; `best` is where. */
static bool take_byte(struct search *search, const struct ways *ways,
                      struct ways *next)
{
    size_t place = search->place;
    next->count = 0;
    next_turn(search);
    for (unsigned i = 0; i < ways->count; i++) {
        const struct step *step = &search->pattern->steps[ways->at[i]];
        const size_t *places = ways->places ? places_of(search, ways, i) : NULL;
        if (step->kind == STEP_MATCH) {
            if (places)
                copy_places(search, search->best, places);
            search->best[1] = place;
            return true;
        }
        if (place == search->total ||
            !set_has(&step->set, search->bytes[place - search->from]) ||
            (places && place - places[0] >= search->most))
            continue;
        if (places)
            copy_places(search, search->now, places);
        follow(search, next, step->next, place + 1);
    }
    return false;
}

/* May this place be looked at? Each new one brings more credit than it takes,
 * so only who is led back again and again runs out of it. */
static bool pay(struct search *search)
{
    if (search->place >= search->fresh) {
        search->fresh = search->place + 1;
        if (search->credit < SIZE_MAX - CREDIT_A_BYTE)
            search->credit += CREDIT_A_BYTE;
    }
    if (search->credit)
        search->credit--;
    else
        search->broke = true;
    return !search->broke;
}

/* The byte at `place` has not come yet. Is a match complete without it? */
static bool complete(struct search *search)
{
    const struct ways *ways = &search->ways[search->current];
    return ways->count &&
           search->pattern->steps[ways->at[0]].kind == STEP_MATCH &&
           pay(search) &&
           take_byte(search, ways, &search->ways[!search->current]);
}

/* Have all bytes come that say what becomes of this place? */
static bool is_settled(const struct search *search)
{
    return search->total != SIZE_MAX ||
           search->place + search->pattern->asks_end < search->have;
}

/* Go on until a match is found, or there is nothing more to be looked at. */
static bool go_on(struct search *search)
{
    for (;; search->place++) {
        struct ways *ways = &search->ways[search->current];
        struct ways *next = &search->ways[!search->current];
        if (!search->found && !ways->count) {
            search->place = next_start(search, search->place);
            next_turn(search);
        }
        if (!is_settled(search))
            return search->place == search->have && complete(search);
        if (search->place > search->total || !pay(search))
            return search->found;
        if (!search->found)
            begin_way(search, ways, search->place);
        search->found |= take_byte(search, ways, next);
        search->current = !search->current;
        if (search->found && (!next->count || !next->places))
            return true;
    }
}

static void prepare(struct search *search, const struct pattern *pattern)
{
    search->pattern = pattern;
    search->bytes = (const unsigned char *)"";
    search->from = search->have = search->place = search->fresh = 0;
    search->most = search->total = search->credit = SIZE_MAX;
    search->found = search->broke = false;
    search->turn = 0;
    search->current = 0;
    memset(search->reached, 0, sizeof search->reached);
    for (unsigned i = 0; i < 2; i++) {
        search->ways[i].count = 0;
        search->ways[i].places = NULL;
    }
}

static void give(struct search *search, const void *bytes, size_t from,
                 size_t len, bool end)
{
    if (bytes)
        search->bytes = bytes;
    search->from = from;
    search->have = from + len;
    search->total = end ? search->have : SIZE_MAX;
}

static void copy_groups(const struct search *search,
                        struct pattern_group groups[PATTERN_GROUPS])
{
    for (unsigned i = 0; i < PATTERN_GROUPS; i++)
        groups[i] = 2 * i < search->pattern->places
                        ? (struct pattern_group){search->best[2 * i],
                                                 search->best[2 * i + 1]}
                        : (struct pattern_group){SIZE_MAX, SIZE_MAX};
}

bool pattern_in(const struct pattern *pattern, const void *bytes, size_t len)
{
    struct search search;
    prepare(&search, pattern);
    give(&search, bytes, 0, len, true);
    return go_on(&search);
}

bool pattern_find(const struct pattern *pattern, const void *bytes, size_t len,
                  size_t from, struct pattern_group groups[PATTERN_GROUPS])
{
    struct search search;
    size_t places[2][PATTERN_STEPS_MOST * PLACES];
    prepare(&search, pattern);
    search.ways[0].places = places[0];
    search.ways[1].places = places[1];
    give(&search, bytes, 0, len, true);
    search.place = from;
    if (from > len || !go_on(&search))
        return false;
    copy_groups(&search, groups);
    return true;
}

/* ---- piece by piece ------------------------------------------------------ */

struct pattern_run *pattern_run_new(const struct pattern *pattern, size_t most)
{
    size_t places = (size_t)pattern->count * pattern->places;
    struct pattern_run *run =
        malloc(sizeof *run + 2 * places * sizeof *run->places);
    if (!run)
        return NULL;
    prepare(&run->search, pattern);
    run->search.most = most;
    run->search.credit = CREDIT_FIRST;
    run->search.ways[0].places = run->places;
    run->search.ways[1].places = run->places + places;
    return run;
}

void pattern_run_free(struct pattern_run *run)
{
    free(run);
}

/* The first byte that may still be part of a match. */
static size_t needed(const struct search *search)
{
    const struct ways *ways = &search->ways[search->current];
    size_t keep = search->place < search->have ? search->place : search->have;
    if (search->total != SIZE_MAX)
        return search->have;
    if (search->found)
        keep = search->best[0];
    return ways->count && ways->places[0] < keep ? ways->places[0] : keep;
}

bool pattern_run_next(struct pattern_run *run, const void *bytes, size_t from,
                      size_t len, bool end,
                      struct pattern_group groups[PATTERN_GROUPS],
                      size_t *out_keep)
{
    struct search *search = &run->search;
    give(search, bytes, from, len, end);
    bool found = !search->broke && go_on(search);
    if (!found) {
        *out_keep = search->broke ? search->have : needed(search);
        return false;
    }
    copy_groups(search, groups);
    /* Behind an empty match the search goes on one byte later. */
    search->place = groups[0].end + (groups[0].at == groups[0].end);
    search->found = false;
    search->ways[0].count = search->ways[1].count = 0;
    return true;
}
