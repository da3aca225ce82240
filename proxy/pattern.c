/* SPDX-License-Identifier: MIT
 *
 * A pattern becomes a tree, and the tree a program; pattern_run.c runs it. */
#include "proxy/pattern_parts.h"

#include "proxy/base/quoted.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    NODES_MOST = 1024,
    DEPTH_MOST = 64,
    REPEAT_MOST = 255,
};

/* ---- the tree ------------------------------------------------------------ */

enum node_kind {
    NODE_EMPTY,
    NODE_SET,   /* one byte of a set */
    NODE_BEGIN, /* ^ */
    NODE_END,   /* $ */
    NODE_CAT,
    NODE_ALT,
    NODE_REPEAT,
    NODE_GROUP,
};

struct node {
    enum node_kind kind;
    uint16_t left, right;
    int least, most; /* REPEAT; most -1: any number. GROUP: least is which */
    bool lazy;
    struct set set;
};

struct parser {
    const char *text, *at;
    struct node nodes[NODES_MOST];
    unsigned count, depth;
    int groups;
    bool fold;
    const char *why; /* NULL: all is well */
};

static uint16_t parse_alternatives(struct parser *parser);

static uint16_t wrong(struct parser *parser, const char *why)
{
    if (!parser->why)
        parser->why = why;
    return 0;
}

static uint16_t node(struct parser *parser, enum node_kind kind, uint16_t left,
                     uint16_t right)
{
    if (parser->count == NODES_MOST)
        return wrong(parser, "the pattern is too long");
    parser->nodes[parser->count] =
        (struct node){.kind = kind, .left = left, .right = right};
    return (uint16_t)parser->count++;
}

static void set_add(struct set *set, unsigned byte)
{
    set->bits[byte >> 5] |= 1u << (byte & 31);
}

static void set_invert(struct set *set)
{
    for (unsigned i = 0; i < 8; i++)
        set->bits[i] = ~set->bits[i];
}

static void set_fold(struct set *set)
{
    for (unsigned c = 'a'; c <= 'z'; c++)
        if (set_has(set, c) || set_has(set, c - 32)) {
            set_add(set, c);
            set_add(set, c - 32);
        }
}

static uint16_t set_node(struct parser *parser, const struct set *set)
{
    uint16_t at = node(parser, NODE_SET, 0, 0);
    parser->nodes[at].set = *set;
    if (parser->fold)
        set_fold(&parser->nodes[at].set);
    return at;
}

/* \d, \w, \s and their opposites; false: it is none. */
static bool class_of(char letter, struct set *set)
{
    struct set class = {{0}};
    char small = (char)(letter | 0x20);
    for (unsigned c = 0; c < 128; c++) {
        bool digit = c >= '0' && c <= '9';
        bool word =
            digit || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        if (small == 'd' ? digit : small == 'w' ? word : space)
            set_add(&class, c);
    }
    if (small != 'd' && small != 'w' && small != 's')
        return false;
    if (letter != small)
        set_invert(&class);
    for (unsigned i = 0; i < 8; i++)
        set->bits[i] |= class.bits[i];
    return true;
}

/* Behind a backslash: the byte that is meant, -1 for a class, which is added
 * to `set`. */
static int parse_escape(struct parser *parser, struct set *set)
{
    char letter = *parser->at;
    if (!letter) {
        wrong(parser, "a backslash stands at the end");
        return 0;
    }
    parser->at++;
    if (class_of(letter, set))
        return -1;
    if (letter == 'x') {
        int high = quoted_hex(parser->at[0]);
        int low = high < 0 ? -1 : quoted_hex(parser->at[1]);
        if (low < 0)
            wrong(parser, "\\x wants two hexadecimal digits");
        else
            parser->at += 2;
        return low < 0 ? 0 : high * 16 + low;
    }
    static const char letters[] = "nrt", bytes[] = "\n\r\t";
    const char *found = strchr(letters, letter);
    if (found)
        return bytes[found - letters];
    if ((letter >= '0' && letter <= '9') ||
        ((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z'))
        wrong(parser, "this escape is not known (no back references either)");
    return (unsigned char)letter;
}

/* One end of a range in [...]; -1: it was a class. */
static int parse_member(struct parser *parser, struct set *set)
{
    char c = *parser->at++;
    return c == '\\' ? parse_escape(parser, set) : (unsigned char)c;
}

static uint16_t parse_set(struct parser *parser)
{
    struct set set = {{0}};
    bool invert = *parser->at == '^', first = true;
    parser->at += invert;
    while (*parser->at && (first || *parser->at != ']') && !parser->why) {
        first = false;
        int from = parse_member(parser, &set), to = from;
        if (from >= 0 && parser->at[0] == '-' && parser->at[1] &&
            parser->at[1] != ']') {
            parser->at++;
            to = parse_member(parser, &set);
        }
        if (to < from)
            return wrong(parser, "this range in [] runs backwards");
        for (int c = from; c >= 0 && c <= to; c++)
            set_add(&set, (unsigned)c);
    }
    if (*parser->at != ']')
        return wrong(parser, "a [ is never closed");
    parser->at++;
    if (parser->fold)
        set_fold(&set);
    if (invert)
        set_invert(&set);
    uint16_t at = node(parser, NODE_SET, 0, 0);
    parser->nodes[at].set = set;
    return at;
}

static uint16_t parse_group(struct parser *parser)
{
    bool plain = !strncmp(parser->at, "?:", 2);
    if (!plain && *parser->at == '?')
        return wrong(parser, "of (?...) only (?:...) is known, and (?i) in "
                             "front");
    parser->at += plain ? 2 : 0;
    int which = plain ? -1 : ++parser->groups;
    if (++parser->depth > DEPTH_MOST)
        return wrong(parser, "the groups are nested too deep");
    uint16_t inside = parse_alternatives(parser);
    parser->depth--;
    if (*parser->at != ')')
        return wrong(parser, "a ( is never closed");
    parser->at++;
    /* Further groups group, and are not remembered. */
    if (which < 0 || which >= PATTERN_GROUPS)
        return inside;
    uint16_t at = node(parser, NODE_GROUP, inside, 0);
    parser->nodes[at].least = which;
    return at;
}

static uint16_t parse_atom(struct parser *parser)
{
    struct set set = {{0}};
    char c = *parser->at++;
    switch (c) {
    case '(':
        return parse_group(parser);
    case '[':
        return parse_set(parser);
    case '^':
        return node(parser, NODE_BEGIN, 0, 0);
    case '$':
        return node(parser, NODE_END, 0, 0);
    case '.':
        set_add(&set, '\n');
        set_invert(&set);
        return set_node(parser, &set);
    case '*':
    case '+':
    case '?':
    case '{':
        parser->at--;
        return wrong(parser, "there is nothing in front to repeat");
    case '\\': {
        int byte = parse_escape(parser, &set);
        if (byte >= 0)
            set_add(&set, (unsigned)byte);
        return set_node(parser, &set);
    }
    default:
        set_add(&set, (unsigned char)c);
        return set_node(parser, &set);
    }
}

static int parse_number(struct parser *parser)
{
    int number = -1;
    while (*parser->at >= '0' && *parser->at <= '9' && number <= REPEAT_MOST)
        number = (number < 0 ? 0 : number) * 10 + (*parser->at++ - '0');
    return number;
}

/* Behind '{'. */
static void parse_bounds(struct parser *parser, int *least, int *most)
{
    *least = *most = parse_number(parser);
    if (*parser->at == ',') {
        parser->at++;
        *most = parse_number(parser);
    }
    if (*parser->at != '}' || *least < 0 || *least > REPEAT_MOST ||
        *most > REPEAT_MOST || (*most >= 0 && *most < *least))
        wrong(parser, "a repetition is {2}, {2,} or {2,5}, at most {255}");
    else
        parser->at++;
}

static uint16_t parse_repeats(struct parser *parser)
{
    uint16_t inside = parse_atom(parser);
    while (!parser->why && *parser->at && strchr("*+?{", *parser->at)) {
        char c = *parser->at++;
        int least = c == '+', most = c == '?' ? 1 : -1;
        if (c == '{')
            parse_bounds(parser, &least, &most);
        inside = node(parser, NODE_REPEAT, inside, 0);
        struct node *repeat = &parser->nodes[inside];
        repeat->least = least;
        repeat->most = most;
        repeat->lazy = *parser->at == '?';
        parser->at += repeat->lazy;
    }
    return inside;
}

static uint16_t parse_sequence(struct parser *parser)
{
    uint16_t all = node(parser, NODE_EMPTY, 0, 0);
    while (!parser->why && *parser->at && *parser->at != '|' &&
           *parser->at != ')')
        all = node(parser, NODE_CAT, all, parse_repeats(parser));
    return all;
}

static uint16_t parse_alternatives(struct parser *parser)
{
    uint16_t all = parse_sequence(parser);
    while (!parser->why && *parser->at == '|') {
        parser->at++;
        all = node(parser, NODE_ALT, all, parse_sequence(parser));
    }
    return all;
}

/* ---- the program --------------------------------------------------------- */

/* A program is built from its end: each part knows what comes behind it. */
static uint16_t emit(struct pattern *pattern, struct parser *parser,
                     enum step_kind kind, uint16_t next, uint16_t other)
{
    if (pattern->count == PATTERN_STEPS_MOST)
        return wrong(parser, "the pattern is too large, with all repetitions "
                             "written out");
    pattern->steps[pattern->count] =
        (struct step){.kind = kind, .next = next, .other = other};
    return (uint16_t)pattern->count++;
}

static uint16_t build(struct pattern *pattern, struct parser *parser,
                      uint16_t which, uint16_t behind);

/* A choice between `inside` and what comes behind. */
static uint16_t choice(struct pattern *pattern, struct parser *parser,
                       bool lazy, uint16_t inside, uint16_t behind)
{
    return lazy ? emit(pattern, parser, STEP_SPLIT, behind, inside)
                : emit(pattern, parser, STEP_SPLIT, inside, behind);
}

static uint16_t build_repeat(struct pattern *pattern, struct parser *parser,
                             const struct node *repeat, uint16_t behind)
{
    uint16_t at = behind;
    if (repeat->most < 0) {
        uint16_t loop = choice(pattern, parser, repeat->lazy, 0, behind);
        uint16_t inside = build(pattern, parser, repeat->left, loop);
        if (parser->why)
            return 0;
        if (repeat->lazy)
            pattern->steps[loop].other = inside;
        else
            pattern->steps[loop].next = inside;
        at = loop;
    }
    for (int i = repeat->least; i < repeat->most && !parser->why; i++)
        at = choice(pattern, parser, repeat->lazy,
                    build(pattern, parser, repeat->left, at), behind);
    for (int i = 0; i < repeat->least && !parser->why; i++)
        at = build(pattern, parser, repeat->left, at);
    return at;
}

static uint16_t build(struct pattern *pattern, struct parser *parser,
                      uint16_t which, uint16_t behind)
{
    const struct node *it = &parser->nodes[which];
    uint16_t at;
    if (parser->why)
        return 0;
    switch (it->kind) {
    case NODE_EMPTY:
        return behind;
    case NODE_SET:
        at = emit(pattern, parser, STEP_SET, behind, 0);
        pattern->steps[at].set = it->set;
        return at;
    case NODE_BEGIN:
        return emit(pattern, parser, STEP_BEGIN, behind, 0);
    case NODE_END:
        return emit(pattern, parser, STEP_END, behind, 0);
    case NODE_CAT:
        at = build(pattern, parser, it->right, behind);
        return build(pattern, parser, it->left, at);
    case NODE_ALT:
        at = build(pattern, parser, it->right, behind);
        return emit(pattern, parser, STEP_SPLIT,
                    build(pattern, parser, it->left, behind), at);
    case NODE_REPEAT:
        return build_repeat(pattern, parser, it, behind);
    case NODE_GROUP:
        at = emit(pattern, parser, STEP_SAVE, behind,
                  (uint16_t)(it->least * 2 + 1));
        at = build(pattern, parser, it->left, at);
        return emit(pattern, parser, STEP_SAVE, at, (uint16_t)(it->least * 2));
    }
    return 0;
}

/* The only byte of a set, or -1. */
static int only_byte(const struct set *set)
{
    int only = -1;
    for (unsigned c = 0; c < 256; c++)
        if (set_has(set, c)) {
            if (only >= 0)
                return -1;
            only = (int)c;
        }
    return only;
}

/* What every match begins with is found much faster than the match. */
static void find_prefix(struct pattern *pattern)
{
    uint16_t at = pattern->start;
    while (pattern->prefix_len < PATTERN_PREFIX_MOST) {
        const struct step *step = &pattern->steps[at];
        int byte = step->kind == STEP_SET ? only_byte(&step->set) : -1;
        if (byte < 0 && step->kind != STEP_SAVE)
            return;
        if (byte >= 0)
            pattern->prefix[pattern->prefix_len++] = (unsigned char)byte;
        at = step->next;
    }
}

/* With what byte may a match begin? A step is visited once: `seen` is a bit
 * each. False: with any, or with none at all. */
static bool first_bytes(struct pattern *pattern, uint16_t at, uint32_t *seen)
{
    const struct step *step = &pattern->steps[at];
    if (seen[at >> 5] >> (at & 31) & 1)
        return true;
    seen[at >> 5] |= 1u << (at & 31);
    switch (step->kind) {
    case STEP_SET:
        for (unsigned i = 0; i < 8; i++)
            pattern->first.bits[i] |= step->set.bits[i];
        return true;
    case STEP_SAVE:
        return first_bytes(pattern, step->next, seen);
    case STEP_SPLIT:
        return first_bytes(pattern, step->next, seen) &&
               first_bytes(pattern, step->other, seen);
    case STEP_BEGIN:
    case STEP_END:
    case STEP_MATCH:
        break;
    }
    return false;
}

/* What a run wants to know of the program beforehand. */
static void look_through(struct pattern *pattern)
{
    uint32_t seen[PATTERN_STEPS_MOST / 32] = {0};
    pattern->skips = first_bytes(pattern, pattern->start, seen);
    pattern->places = 2;
    for (unsigned i = 0; i < pattern->count; i++) {
        const struct step *step = &pattern->steps[i];
        pattern->asks_end |= step->kind == STEP_END;
        if (step->kind == STEP_SAVE && step->other >= pattern->places)
            pattern->places = (step->other | 1u) + 1;
    }
}

static int compile(struct pattern *pattern, struct parser *parser)
{
    uint16_t tree = parse_alternatives(parser);
    if (!parser->why && *parser->at)
        wrong(parser, "a ) was never opened");
    uint16_t match = emit(pattern, parser, STEP_MATCH, 0, 0);
    pattern->start = build(pattern, parser, tree, match);
    if (parser->why)
        return -1;
    find_prefix(pattern);
    look_through(pattern);
    return 0;
}

int pattern_new(const char *text, bool fold, struct pattern **out,
                struct err *err)
{
    struct parser *parser = calloc(1, sizeof *parser);
    struct pattern *pattern = calloc(1, sizeof *pattern);
    bool marked = !strncmp(text, "(?i)", 4);
    int rc = -1;
    if (!parser || !pattern) {
        err_set(err, "pattern \"%s\": out of memory", text);
    } else {
        parser->text = text;
        parser->at = text + (marked ? 4 : 0);
        parser->fold = fold || marked;
        rc = compile(pattern, parser);
        if (rc)
            err_code(err, EXIT_USAGE, "pattern \"%s\", column %td: %s", text,
                     parser->at - text + 1, parser->why);
    }
    free(parser);
    if (rc) {
        free(pattern);
        return -1;
    }
    *out = pattern;
    return 0;
}

void pattern_free(struct pattern *pattern)
{
    free(pattern);
}
