/* SPDX-License-Identifier: MIT
 *
 * Reading a condition, and deciding it. What the fields hold stands in
 * filter_value.c. */
#include "proxy/filter.h"

#include "certs/nearest.h"
#include "proxy/base/quoted.h"
#include "proxy/filter_value.h"
#include "proxy/pattern.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH_MOST = 64 };

enum field_kind { KIND_TEXT, KIND_FOLD, KIND_NUMBER, KIND_FLAG, KIND_NAMED };
enum field_known {
    KNOWN_ALWAYS,
    KNOWN_ASKED,
    KNOWN_ANSWERED,
    KNOWN_BODY,
    KNOWN_OVER,
};

static const struct field_row {
    const char *name;
    enum field_kind kind;
    enum field_known known;
} fields[] = {
#define FILTER_FIELD(symbol, name, kind, known, sentence)                      \
    {name, KIND_##kind, KNOWN_##known},
#include "proxy/filter_fields.def"
#undef FILTER_FIELD
};

enum node_kind { NODE_OR, NODE_AND, NODE_NOT, NODE_TEST };

enum test_kind {
    TEST_THERE, /* a field alone */
    TEST_EQUAL,
    TEST_LESS,
    TEST_MORE,
    TEST_CONTAINS,
    TEST_PATTERN,
};

struct node {
    enum node_kind kind;
    const struct node *left, *right;
    struct filter_what what;
    enum test_kind test;
    const char *text; /* EQUAL, CONTAINS */
    size_t text_len;
    uint64_t least, most; /* numbers: EQUAL in both, LESS than least ... */
    struct pattern *pattern;
    struct node *before; /* for patterns to be freed */
};

struct filter {
    struct arena arena;
    const struct node *root;
    struct node *last;
    uint32_t uses; /* 1 << enum filter_field */
};

/* ---- words --------------------------------------------------------------- */

struct reader {
    const char *text, *at;
    struct filter *filter;
    unsigned depth;
    struct err *err;
    bool failed;
};

static const struct node *parse_or(struct reader *reader);

static void wrong(struct reader *reader, const char *at, const char *sentence)
{
    if (!reader->failed)
        err_code(reader->err, EXIT_USAGE, "filter, column %td: %s",
                 at - reader->text + 1, sentence);
    reader->failed = true;
}

static void skip_space(struct reader *reader)
{
    reader->at += strspn(reader->at, " \t\r\n");
}

static bool is_word_end(char c)
{
    return !c || strchr(" \t\r\n()!&|\"'=<>~", c);
}

/* Take a symbol, or a word that ends where this one does. */
static bool take(struct reader *reader, const char *token)
{
    size_t len = strlen(token);
    skip_space(reader);
    if (strncmp(reader->at, token, len) != 0)
        return false;
    bool word = (token[0] | 0x20) >= 'a' && (token[0] | 0x20) <= 'z';
    if (word && !is_word_end(reader->at[len]))
        return false;
    reader->at += len;
    return true;
}

/* A colon that stands alone ends a condition. */
static bool at_end(struct reader *reader)
{
    skip_space(reader);
    char after = reader->at[0] ? reader->at[1] : 0;
    return !reader->at[0] ||
           (reader->at[0] == ':' && (!after || strchr(" \t\r\n", after)));
}

static const char *take_quoted(struct reader *reader, bool pattern, size_t *len)
{
    char *text = arena_alloc(&reader->filter->arena, strlen(reader->at) + 1);
    size_t used = text ? quoted_read(reader->at, pattern, text, len) : 0;
    if (!used) {
        wrong(reader, reader->at,
              text ? "this quote is never closed" : "out of memory");
        return "";
    }
    text[*len] = 0;
    reader->at += used;
    return text;
}

static const char *take_value(struct reader *reader, bool pattern, size_t *len)
{
    skip_space(reader);
    const char *begin = reader->at;
    if (*begin == '"' || *begin == '\'')
        return take_quoted(reader, pattern, len);
    /* A word may be an address or a cookie: 127.0.0.1:80, a=1. */
    reader->at += strcspn(begin, " \t\r\n()&|\"'");
    *len = (size_t)(reader->at - begin);
    if (!*len || at_end(&(struct reader){.at = begin}))
        wrong(reader, begin, "a value is missing here");
    const char *text = arena_copy(&reader->filter->arena, begin, *len);
    return text ? text : "";
}

/* ---- tests --------------------------------------------------------------- */

static void no_such_field(struct reader *reader, const char *at, size_t len)
{
    const char *names[FILTER_FIELDS + 1], *near = NULL;
    char word[40], sentence[160];
    for (unsigned i = 0; i < FILTER_FIELDS; i++)
        names[i] = fields[i].name;
    names[FILTER_FIELDS] = NULL;
    snprintf(word, sizeof word, "%.*s", (int)len, at);
    near = len ? nearest(word, names) : NULL;
    snprintf(sentence, sizeof sentence,
             "%s%s%s%s%s%s; 'mitmlab help filter' lists them",
             len ? "no field \"" : "a field is missing here", word,
             len ? "\"" : "", near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    wrong(reader, at, sentence);
}

/* "request." or "response." in front. */
static enum filter_whose take_whose(struct reader *reader)
{
    static const char *const words[] = {"request.", "response."};
    for (unsigned i = 0; i < 2; i++)
        if (!strncmp(reader->at, words[i], strlen(words[i]))) {
            reader->at += strlen(words[i]);
            return i ? FILTER_OF_RESPONSE : FILTER_OF_REQUEST;
        }
    return FILTER_OF_ANY;
}

/* The name in header(Name). */
static const char *take_name(struct reader *reader)
{
    size_t len = 0;
    const char *begin = reader->at, *name;
    if (!take(reader, "(")) {
        wrong(reader, begin, "header wants a name: header(Cookie)");
        return "";
    }
    name = take_value(reader, false, &len);
    if (!take(reader, ")"))
        wrong(reader, reader->at, "a ) is missing behind the name");
    return name;
}

static void take_field(struct reader *reader, struct node *node)
{
    skip_space(reader);
    enum filter_whose whose = take_whose(reader);
    const char *begin = reader->at;
    while (!is_word_end(*reader->at) && *reader->at != '.')
        reader->at++;
    size_t len = (size_t)(reader->at - begin);
    unsigned i = 0;
    while (i < FILTER_FIELDS && (strlen(fields[i].name) != len ||
                                 strncmp(fields[i].name, begin, len) != 0))
        i++;
    if (i == FILTER_FIELDS) {
        no_such_field(reader, begin, len);
        return;
    }
    node->what = (struct filter_what){(enum filter_field)i, whose, NULL};
    if (whose != FILTER_OF_ANY && i != FILTER_HEADER && i != FILTER_TYPE)
        wrong(reader, begin,
              "request. and response. stand before header and type only");
    if (i == FILTER_HEADER)
        node->what.name = take_name(reader);
    reader->filter->uses |= 1u << i;
}

static uint64_t unit_of(const struct reader *reader, enum filter_field field,
                        const char *unit)
{
    static const struct {
        enum filter_field field;
        const char *unit;
        uint64_t times;
    } units[] = {
        {FILTER_SIZE, "k", 1024},
        {FILTER_SIZE, "M", 1024 * 1024},
        {FILTER_TIME, "ms", 1},
        {FILTER_TIME, "s", 1000},
    };
    (void)reader;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (units[i].field == field && !strcmp(units[i].unit, unit))
            return units[i].times;
    return *unit ? 0 : 1;
}

static void take_number(struct reader *reader, struct node *node)
{
    size_t len = 0;
    skip_space(reader);
    const char *begin = reader->at;
    const char *text = take_value(reader, false, &len);
    size_t digits = strspn(text, "0123456789");
    if (node->what.field == FILTER_STATUS && len == 3 && digits == 1 &&
        !strcmp(text + 1, "xx")) {
        node->least = (uint64_t)(text[0] - '0') * 100;
        node->most = node->least + 99;
        return;
    }
    uint64_t times = unit_of(reader, node->what.field, text + digits);
    if (!digits || digits > 15 || !times || strlen(text) != len) {
        wrong(reader, begin,
              node->what.field == FILTER_SIZE   ? "a size is 1000, 10k or 2M"
              : node->what.field == FILTER_TIME ? "a time is 100, 100ms or 2s"
              : node->what.field == FILTER_STATUS
                  ? "a status is 404, or 4xx for all of them"
                  : "a whole number is wanted here");
        return;
    }
    node->least = node->most = strtoull(text, NULL, 10) * times;
}

static void take_pattern(struct reader *reader, struct node *node)
{
    struct err err = ERR_INIT;
    size_t len = 0;
    skip_space(reader);
    const char *begin = reader->at;
    const char *text = take_value(reader, true, &len);
    bool fold = fields[node->what.field].kind == KIND_FOLD;
    if (reader->failed || !pattern_new(text, fold, &node->pattern, &err))
        return;
    wrong(reader, begin, err.text);
}

/* The operator and what stands behind it. Sets *negate for != and !~. */
static void take_test(struct reader *reader, struct node *node, bool *negate)
{
    static const struct {
        const char *token;
        enum test_kind test;
        bool negate;
        int numbers; /* 1: of numbers only, 0: of texts only, -1: of both */
    } tests[] = {
        {"==", TEST_EQUAL, false, -1},
        {"!=", TEST_EQUAL, true, -1},
        {"!~", TEST_PATTERN, true, 0},
        {"~", TEST_PATTERN, false, 0},
        {"<=", TEST_MORE, true, 1},
        {">=", TEST_LESS, true, 1},
        {"<", TEST_LESS, false, 1},
        {">", TEST_MORE, false, 1},
        {"contains", TEST_CONTAINS, false, 0},
    };
    skip_space(reader);
    const char *begin = reader->at;
    enum field_kind kind = fields[node->what.field].kind;
    bool number = kind == KIND_NUMBER;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        if (!take(reader, tests[i].token))
            continue;
        node->test = tests[i].test;
        *negate = tests[i].negate;
        if (kind == KIND_FLAG)
            wrong(reader, begin, "this field stands alone, or behind !");
        else if (tests[i].numbers >= 0 && tests[i].numbers != number)
            wrong(reader, begin,
                  number ? "a number knows == != < <= > >= only"
                         : "a text knows == != ~ !~ contains only");
        else if (number)
            take_number(reader, node);
        else if (node->test == TEST_PATTERN)
            take_pattern(reader, node);
        else
            node->text = take_value(reader, false, &node->text_len);
        return;
    }
    if (*reader->at == '=')
        wrong(reader, begin, "equal is written ==");
}

/* ---- the tree ------------------------------------------------------------ */

static struct node *new_node(struct reader *reader, enum node_kind kind,
                             const struct node *left, const struct node *right)
{
    static struct node none;
    struct node *node = arena_alloc(&reader->filter->arena, sizeof *node);
    if (!node) {
        wrong(reader, reader->at, "out of memory");
        return &none;
    }
    node->kind = kind;
    node->left = left;
    node->right = right;
    node->before = reader->filter->last;
    reader->filter->last = node;
    return node;
}

static const struct node *parse_test(struct reader *reader)
{
    bool negate = false;
    struct node *node = new_node(reader, NODE_TEST, NULL, NULL);
    if (!reader->failed)
        take_field(reader, node);
    if (!reader->failed)
        take_test(reader, node, &negate);
    return negate ? new_node(reader, NODE_NOT, node, NULL) : node;
}

static const struct node *parse_not(struct reader *reader)
{
    const struct node *inside;
    if (++reader->depth > DEPTH_MOST)
        wrong(reader, reader->at, "the parentheses are nested too deep");
    if (reader->failed) {
        inside = NULL;
    } else if (take(reader, "!") || take(reader, "not")) {
        inside = new_node(reader, NODE_NOT, parse_not(reader), NULL);
    } else if (take(reader, "(")) {
        inside = parse_or(reader);
        if (!take(reader, ")"))
            wrong(reader, reader->at, "a ) is missing here");
    } else {
        inside = parse_test(reader);
    }
    reader->depth--;
    return inside;
}

static const struct node *parse_and(struct reader *reader)
{
    const struct node *left = parse_not(reader);
    while (!reader->failed && (take(reader, "&&") || take(reader, "and")))
        left = new_node(reader, NODE_AND, left, parse_not(reader));
    return left;
}

static const struct node *parse_or(struct reader *reader)
{
    const struct node *left = parse_and(reader);
    while (!reader->failed && (take(reader, "||") || take(reader, "or")))
        left = new_node(reader, NODE_OR, left, parse_and(reader));
    return left;
}

int filter_parse(const char *text, struct filter **out, const char **end,
                 struct err *err)
{
    struct filter *filter = calloc(1, sizeof *filter);
    struct reader reader = {
        .text = text, .at = text, .filter = filter, .err = err};
    if (!filter) {
        err_set(err, "filter: out of memory");
        return -1;
    }
    filter->root = parse_or(&reader);
    skip_space(&reader);
    if (!reader.failed && (end ? !at_end(&reader) : *reader.at))
        wrong(&reader, reader.at,
              "&& or || is missing here, or quotes around what stands before");
    if (reader.failed) {
        filter_free(filter);
        return -1;
    }
    if (end)
        *end = reader.at;
    *out = filter;
    return 0;
}

void filter_free(struct filter *filter)
{
    if (!filter)
        return;
    for (const struct node *it = filter->last; it; it = it->before)
        pattern_free(it->pattern);
    arena_free(&filter->arena);
    free(filter);
}

/* ---- deciding ------------------------------------------------------------ */

static bool text_equals(const struct node *node, const struct filter_text *text)
{
    if (text->len != node->text_len)
        return false;
    return fields[node->what.field].kind == KIND_FOLD
               ? !strncasecmp(text->bytes, node->text, text->len)
               : !memcmp(text->bytes, node->text, text->len);
}

static bool text_contains(const struct node *node,
                          const struct filter_text *text)
{
    if (fields[node->what.field].kind != KIND_FOLD)
        return memmem(text->bytes, text->len, node->text, node->text_len);
    for (size_t at = 0; at + node->text_len <= text->len; at++)
        if (!strncasecmp(text->bytes + at, node->text, node->text_len))
            return true;
    return false;
}

static bool holds(const struct node *node, const struct filter_value *value)
{
    switch (node->test) {
    case TEST_THERE:
        return value->number || value->text.len;
    case TEST_EQUAL:
        return node->text ? text_equals(node, &value->text)
                          : value->number >= node->least &&
                                value->number <= node->most;
    case TEST_LESS:
        return value->number < node->least;
    case TEST_MORE:
        return value->number > node->most;
    case TEST_CONTAINS:
        return text_contains(node, &value->text);
    case TEST_PATTERN:
        return pattern_in(node->pattern, value->text.bytes, value->text.len);
    }
    return false;
}

/* Of several values, fields of one name or the bodies of both messages, one
 * that fits is enough. */
static enum filter_truth decide_test(const struct node *node,
                                     const struct filter_subject *subject)
{
    struct filter_value value;
    struct filter_cursor cursor = {0};
    enum filter_truth truth = FILTER_NO;
    while (truth != FILTER_YES &&
           filter_value_next(subject, &node->what, &cursor, &value)) {
        if (!value.known)
            truth = FILTER_UNKNOWN;
        else if (holds(node, &value))
            truth = FILTER_YES;
    }
    filter_value_done(&cursor);
    return truth;
}

static enum filter_truth decide(const struct node *node,
                                const struct filter_subject *subject)
{
    if (node->kind == NODE_TEST)
        return decide_test(node, subject);
    enum filter_truth left = decide(node->left, subject), right;
    if (node->kind == NODE_NOT)
        return left == FILTER_UNKNOWN ? left
               : left == FILTER_YES   ? FILTER_NO
                                      : FILTER_YES;
    enum filter_truth settles = node->kind == NODE_OR ? FILTER_YES : FILTER_NO;
    if (left == settles)
        return left;
    right = decide(node->right, subject);
    return right == settles || left != FILTER_UNKNOWN ? right : left;
}

enum filter_truth filter_test(const struct filter *filter,
                              const struct filter_subject *subject)
{
    return decide(filter->root, subject);
}

bool filter_uses(const struct filter *filter, enum filter_field field)
{
    return filter->uses >> field & 1;
}

bool filter_uses_body(const struct filter *filter)
{
    for (unsigned i = 0; i < FILTER_FIELDS; i++)
        if (fields[i].known == KNOWN_BODY && filter_uses(filter, i))
            return true;
    return false;
}
