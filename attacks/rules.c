/* SPDX-License-Identifier: MIT
 *
 * Reading rules. */
#include "attacks/rules_parts.h"

#include "certs/nearest.h"
#include "proxy/base/quoted.h"
#include "proxy/pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct rule_row rule_rows[] = {
#define RULE_ACTION(symbol, words, takes, arguments, when, body, sentence)     \
    {words, takes, arguments, RULE_##when, body},
#include "attacks/rules.def"
#undef RULE_ACTION
};

enum { DELAY_MOST = 10 * 60 * 1000 };

struct reader {
    const char *text, *at;
    struct rules *rules;
    struct err *err;
    bool failed;
};

static void wrong(struct reader *reader, const char *at, const char *sentence)
{
    if (!reader->failed)
        err_code(reader->err, EXIT_USAGE, "rule, column %td: %s",
                 at - reader->text + 1, sentence);
    reader->failed = true;
}

/* ---- words --------------------------------------------------------------- */

static void skip_space(struct reader *reader)
{
    reader->at += strspn(reader->at, " \t\r\n");
}

/* The action ends here. */
static bool at_end(struct reader *reader)
{
    skip_space(reader);
    return !*reader->at || *reader->at == ';';
}

/* One word, which may be empty in quotes; NULL: none is left. */
static const char *take_word(struct reader *reader, bool pattern, size_t *len)
{
    if (reader->failed || at_end(reader))
        return NULL;
    const char *begin = reader->at;
    char *word = arena_alloc(&reader->rules->arena, strlen(begin) + 1);
    if (!word) {
        wrong(reader, begin, "out of memory");
        return NULL;
    }
    if (*begin == '"' || *begin == '\'') {
        size_t used = quoted_read(begin, pattern, word, len);
        if (!used)
            wrong(reader, begin, "this quote is never closed");
        reader->at += used;
    } else {
        *len = strcspn(begin, " \t\r\n;");
        memcpy(word, begin, *len);
        reader->at += *len;
    }
    word[*len] = 0;
    return word;
}

/* The same as a string; a NUL in it would be a lie. */
static const char *take_string(struct reader *reader, const char *wanted)
{
    size_t len = 0;
    skip_space(reader);
    const char *begin = reader->at, *word = take_word(reader, false, &len);
    if (!word || strlen(word) != len)
        wrong(reader, begin, wanted);
    return reader->failed ? "" : word;
}

/* ---- arguments ----------------------------------------------------------- */

static void take_name(struct reader *reader, struct rule_action *action)
{
    skip_space(reader);
    const char *begin = reader->at;
    action->name = take_string(reader, "the name of a header field is missing");
    if (!reader->failed && !edit_is_name(action->name))
        wrong(reader, begin, "this is not the name of a header field");
}

static void take_value(struct reader *reader, struct rule_action *action)
{
    skip_space(reader);
    const char *begin = reader->at;
    action->text = take_string(reader, "a value is missing");
    if (!edit_is_value(action->text))
        wrong(reader, begin,
              "a header field is one line, without control "
              "characters");
}

static void take_target(struct reader *reader, struct rule_action *action)
{
    skip_space(reader);
    const char *begin = reader->at;
    action->text = take_string(reader, "a path is missing");
    bool clear = !action->text[strcspn(action->text, " ")];
    if (!reader->failed &&
        (action->text[0] != '/' || !clear || !edit_is_value(action->text)))
        wrong(reader, begin, "a path begins with / and holds no space");
}

static void take_parameter(struct reader *reader, struct rule_action *action)
{
    skip_space(reader);
    const char *begin = reader->at;
    action->name = take_string(reader, "the name of a parameter is missing");
    if (!reader->failed && (!*action->name || !edit_is_value(action->name)))
        wrong(reader, begin, "this is not the name of a parameter");
}

/* A name is looked up when it is asked, in the lab's table; an address can be
 * judged here. */
static void take_server(struct reader *reader, struct rule_action *action)
{
    struct err err = ERR_INIT;
    union address address;
    skip_space(reader);
    const char *begin = reader->at,
               *url = take_string(reader, "a URL is missing");
    struct target *server = &action->server;
    if (reader->failed)
        return;
    if (target_parse(url, server, &err) || server->protocol != TARGET_HTTP) {
        wrong(reader, begin,
              "a server is http://HOST[:PORT] or https://HOST[:PORT], without "
              "a path ('set path' changes that)");
        return;
    }
    if (target_is_number(server) &&
        (dial_resolve(server->host, server->port, &address, &err) ||
         dial_check(&address, &err))) {
        wrong(reader, begin, err.text);
        reader->err->code = EXIT_CONTAINMENT;
        return;
    }
    const char *host = strstr(url, "://") + 3;
    action->text = arena_copy(&reader->rules->arena, host, strcspn(host, "/"));
    if (!action->text)
        wrong(reader, begin, "out of memory");
}

static void take_method(struct reader *reader, struct rule_action *action)
{
    skip_space(reader);
    const char *begin = reader->at;
    action->text = take_string(reader, "a method is missing");
    if (!reader->failed &&
        (!edit_is_name(action->text) || !strcmp(action->text, "CONNECT") ||
         strlen(action->text) > 31))
        wrong(reader, begin, "this is not a method");
}

static void take_status(struct reader *reader, struct rule_action *action)
{
    skip_space(reader);
    const char *begin = reader->at;
    const char *word = take_string(reader, "a status is missing");
    action->status = (int)strtol(word, NULL, 10);
    if (strlen(word) != 3 || word[strspn(word, "0123456789")] ||
        action->status < 200 || action->status > 599)
        wrong(reader, begin, "a status is a number from 200 to 599");
}

static void take_time(struct reader *reader, struct rule_action *action)
{
    char *unit;
    skip_space(reader);
    const char *begin = reader->at;
    const char *word = take_string(reader, "a time is missing");
    unsigned long number = strtoul(word, &unit, 10);
    bool seconds = !strcmp(unit, "s");
    if (unit == word || word[0] == '-' ||
        (*unit && !seconds && strcmp(unit, "ms") != 0) ||
        number > (seconds ? DELAY_MOST / 1000 : DELAY_MOST))
        wrong(reader, begin, "a time is 200, 200ms or 2s, at most 600s");
    else
        action->ms = (unsigned)number * (seconds ? 1000 : 1);
}

static void take_content(struct reader *reader, struct rule_action *action,
                         bool file)
{
    struct err err = ERR_INIT;
    size_t len = 0;
    skip_space(reader);
    const char *begin = reader->at, *word = take_word(reader, false, &len);
    if (!word) {
        wrong(reader, begin,
              file ? "a file or folder is missing"
                   : "a text or @FILE is missing");
        return;
    }
    action->has_content = true;
    bool from_file = file || word[0] == '@';
    action->stock =
        (struct stock){.folder = -1, .type = "text/plain; charset=utf-8"};
    if (!from_file) {
        if (buf_append(&action->stock.file, word, len))
            wrong(reader, begin, "out of memory");
        return;
    }
    if (stock_open(&action->stock, word + !file, &err))
        wrong(reader, begin, err.text);
    else if (!file && action->stock.folder >= 0)
        wrong(reader, begin, "this is a folder; 'map' takes one");
}

/* [~] OLD NEW */
static void take_edit(struct reader *reader, struct rule_action *action)
{
    struct err err = ERR_INIT;
    struct replace *text = &action->edit;
    skip_space(reader);
    bool pattern = reader->at[0] == '~';
    reader->at += pattern;
    skip_space(reader);
    const char *begin = reader->at;
    text->find = take_word(reader, pattern, &text->find_len);
    if (!text->find || !text->find_len || text->find_len > REPLACE_FIND_MOST) {
        wrong(reader, begin, "what is to be replaced is missing");
        return;
    }
    if (pattern && pattern_new(text->find, false, &action->pattern, &err)) {
        wrong(reader, begin, err.text);
        return;
    }
    text->pattern = action->pattern;
    skip_space(reader);
    begin = reader->at;
    /* Backslashes before digits are left to the edit. */
    text->with = take_word(reader, pattern, &text->with_len);
    if (!text->with)
        wrong(reader, begin, "what to put in its place is missing");
    else if (action->kind != RULE_REPLACE_BODY &&
             (strlen(text->with) != text->with_len ||
              !edit_is_value(text->with)))
        wrong(reader, begin, "no control characters can stand here");
}

static void take_arguments(struct reader *reader, struct rule_action *action)
{
    for (const char *it = rule_rows[action->kind].takes; *it && !reader->failed;
         it++) {
        switch (*it) {
        case 'N':
            take_name(reader, action);
            break;
        case 'V':
            take_value(reader, action);
            break;
        case 'E':
            take_edit(reader, action);
            break;
        case 'S':
            take_status(reader, action);
            break;
        case 'T':
            take_time(reader, action);
            break;
        case 'P':
            take_target(reader, action);
            break;
        case 'Q':
            take_parameter(reader, action);
            break;
        case 'U':
            take_server(reader, action);
            break;
        case 'M':
            take_method(reader, action);
            break;
        case 'c':
            if (at_end(reader))
                break;
            __attribute__((fallthrough));
        case 'C':
        case 'F':
            take_content(reader, action, *it == 'F');
            break;
        }
    }
}

/* ---- actions ------------------------------------------------------------- */

static void no_such_action(struct reader *reader, const char *at)
{
    const char *names[RULE_KINDS + 1];
    char word[48], sentence[160];
    for (unsigned i = 0; i < RULE_KINDS; i++)
        names[i] = rule_rows[i].words;
    names[RULE_KINDS] = NULL;
    size_t len = strcspn(at, " \t\r\n;");
    /* "set haeder": both words are one name. */
    if (!strncmp(at, "set ", 4) || !strncmp(at, "send ", 5) ||
        !strncmp(at, "remove ", 7) || !strncmp(at, "replace ", 8))
        len += 1 + strcspn(at + len + 1, " \t\r\n;");
    snprintf(word, sizeof word, "%.*s", (int)len, at);
    const char *near = len ? nearest(word, names) : NULL;
    snprintf(sentence, sizeof sentence,
             "%s%s%s%s%s%s; 'mitmlab help rules' lists them",
             len ? "no action \"" : "an action is missing here", word,
             len ? "\"" : "", near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    wrong(reader, at, sentence);
}

/* The words of an action may have any white space between them. */
static bool take_words(struct reader *reader, const char *words)
{
    const char *at = reader->at;
    for (; *words; words++) {
        if (*words == ' ') {
            size_t space = strspn(at, " \t\r\n");
            if (!space)
                return false;
            at += space;
        } else if (*at++ != *words) {
            return false;
        }
    }
    if (*at && !strchr(" \t\r\n;", *at))
        return false;
    reader->at = at;
    return true;
}

static struct rule_action *take_action(struct reader *reader)
{
    struct rule_action *action =
        arena_alloc(&reader->rules->arena, sizeof *action);
    if (!action) {
        wrong(reader, reader->at, "out of memory");
        return NULL;
    }
    action->stock.folder = -1;
    skip_space(reader);
    const char *begin = reader->at;
    unsigned i = 0;
    while (i < RULE_KINDS && !take_words(reader, rule_rows[i].words))
        i++;
    if (i == RULE_KINDS) {
        no_such_action(reader, begin);
        return action;
    }
    action->kind = (enum rule_kind)i;
    take_arguments(reader, action);
    if (!reader->failed && !at_end(reader))
        wrong(reader, reader->at,
              "this is too much; a ; stands between two actions, and quotes "
              "around a text with spaces");
    return action;
}

/* What only a response has cannot be asked of a request. */
static void check_moment(struct reader *reader, const struct rule *rule)
{
    if (filter_uses(rule->filter, FILTER_TIME) ||
        filter_uses(rule->filter, FILTER_VERDICT))
        wrong(reader, reader->text,
              "time and verdict are known only when all is over, and a rule "
              "acts before that");
    if (rule->when == RULE_REQUEST && filter_uses(rule->filter, FILTER_STATUS))
        wrong(reader, reader->text,
              "a status is known only in responses, and this action acts on "
              "requests");
}

static void take_rule(struct reader *reader, struct rule *rule)
{
    struct rule_action **last = &rule->actions;
    if (filter_parse(reader->text, &rule->filter, &reader->at, reader->err)) {
        reader->failed = true;
        return;
    }
    if (*reader->at != ':') {
        wrong(reader, reader->at,
              "an action is missing: FILTER : ACTION, with spaces around the "
              "colon");
        return;
    }
    do {
        reader->at++;
        struct rule_action *action = take_action(reader);
        if (!action)
            return;
        *last = action;
        last = &action->next;
        rule->when |= rule_rows[action->kind].when;
    } while (!reader->failed && *reader->at == ';');
    if (!reader->failed)
        check_moment(reader, rule);
}

/* ---- rules --------------------------------------------------------------- */

struct rules *rules_new(void)
{
    struct rules *rules = calloc(1, sizeof *rules);
    if (rules)
        rules->last = &rules->first;
    return rules;
}

static void close_rule(struct rule *rule)
{
    filter_free(rule->filter);
    for (struct rule_action *it = rule->actions; it; it = it->next) {
        pattern_free(it->pattern);
        stock_close(&it->stock);
    }
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    for (struct rule *it = rules->first; it; it = it->next)
        close_rule(it);
    arena_free(&rules->arena);
    free(rules);
}

int rules_add(struct rules *rules, const char *text, struct err *err)
{
    struct rule *rule = arena_alloc(&rules->arena, sizeof *rule);
    const char *copy = arena_text(&rules->arena, text);
    if (!rule || !copy) {
        err_set(err, "rule: out of memory");
        return -1;
    }
    struct reader reader = {
        .text = copy, .at = copy, .rules = rules, .err = err};
    rule->text = copy;
    take_rule(&reader, rule);
    if (reader.failed) {
        close_rule(rule);
        return -1;
    }
    rule->number = ++rules->count;
    *rules->last = rule;
    rules->last = &rule->next;
    return 0;
}

static int load_lines(struct rules *rules, FILE *file, const char *path,
                      struct err *err)
{
    char *line = NULL;
    size_t room = 0;
    int rc = 0;
    for (unsigned number = 1; !rc && getline(&line, &room, file) >= 0;
         number++) {
        line[strcspn(line, "\r\n")] = 0;
        const char *text = line + strspn(line, " \t");
        if (!*text || *text == '#')
            continue;
        /* Columns count from the beginning of the line. */
        rc = rules_add(rules, line, err);
        if (rc)
            err_prefix(err, "%s:%u", path, number);
    }
    if (!rc && ferror(file)) {
        err_errno(err, "read the rules in %s", path);
        rc = -1;
    }
    free(line);
    return rc;
}

int rules_load(struct rules *rules, const char *path, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        err_errno(err, "open the rules in %s", path);
        return -1;
    }
    int rc = load_lines(rules, file, path, err);
    fclose(file);
    return rc;
}

unsigned rules_count(const struct rules *rules)
{
    return rules->count;
}

struct hook *rules_hook(struct rules *rules)
{
    rules_fill_hook(rules);
    return &rules->hook;
}

static void check_kind(struct reader *reader, const struct rule_action *action,
                       const struct message *message)
{
    enum rule_when when =
        message->kind == HTTP1_REQUEST ? RULE_REQUEST : RULE_RESPONSE;
    if (!(rule_rows[action->kind].when & when))
        wrong(reader, reader->text,
              when == RULE_REQUEST ? "this is done with responses only"
                                   : "this is done with requests only");
    if (action->kind == RULE_SEND_TO)
        wrong(reader, reader->text, "only a rule can do this, not an edit");
    if (rule_rows[action->kind].body && !message->has_body &&
        !message->bodyless)
        wrong(reader, reader->text, "this body is not known here");
}

int rules_do(const char *text, struct message *message, enum hook_act *out_act,
             struct err *err)
{
    struct rules rules = {0};
    struct event_where nowhere = {0};
    struct reader reader = {
        .text = text, .at = text, .rules = &rules, .err = err};
    struct rule rule = {.actions = take_action(&reader)};
    if (!reader.failed)
        check_kind(&reader, rule.actions, message);
    if (!reader.failed)
        *out_act = rules_act(rule.actions, &nowhere, message);
    close_rule(&rule);
    arena_free(&rules.arena);
    return reader.failed ? -1 : 0;
}
