/* SPDX-License-Identifier: MIT
 *
 * The commands of a person (or a script) who looks at what is held. */
#include "attacks/hold_parts.h"

#include "attacks/rules.h"
#include "certs/nearest.h"
#include "proxy/message_text.h"

#include <stdlib.h>
#include <string.h>

static const char *skip_space(const char *text)
{
    return text + strspn(text, " \t\r\n");
}

/* ---- which --------------------------------------------------------------- */

/* With the lock. "3", or nothing when only one is held. */
static struct held *which(struct hold *hold, const char *word, struct err *err)
{
    size_t digits = strspn(word, "0123456789");
    bool number = digits && digits < 10;
    struct held *held = NULL;
    for (struct held *it = hold->first; it; it = it->next)
        if (!it->decided && number && it->number == strtoul(word, NULL, 10))
            held = it;
    if (held)
        return held;
    if (number)
        err_code(err, EXIT_USAGE,
                 "number %.*s is not held; 'list' says what is", (int)digits,
                 word);
    else
        err_code(err, EXIT_USAGE,
                 "a number is missing; 'list' says what is "
                 "held");
    return NULL;
}

unsigned hold_which(struct hold *hold, const char *word, struct err *err)
{
    uv_mutex_lock(&hold->lock);
    struct held *held = which(hold, skip_space(word), err);
    unsigned number = held ? held->number : 0;
    uv_mutex_unlock(&hold->lock);
    return number;
}

/* ---- the commands -------------------------------------------------------- */

struct order {
    struct hold *hold;
    const char *words; /* all of the line */
    const char *rest;  /* behind the first word */
    struct buf *out;
    struct err *err;
};

static int list(struct order *order)
{
    unsigned count = 0;
    uint64_t now = uv_hrtime();
    for (struct held *it = order->hold->first; it; it = it->next) {
        if (it->decided)
            continue;
        count++;
        if (hold_line(it, order->out) ||
            buf_printf(order->out, ", for %llu s\n",
                       (unsigned long long)((now - it->since) / 1000000000)))
            return -1;
    }
    return count ? 0 : buf_append_text(order->out, "nothing is held\n");
}

static int show_text(struct order *order, bool escaped)
{
    struct buf text = {0};
    struct held *held = which(order->hold, order->rest, order->err);
    if (!held)
        return -1;
    const struct buf *body = &held->copy.body;
    int bad = !held->is_socket ? message_text_write(&held->copy, &text)
              : buf_len(body) ? buf_append(&text, buf_head(body), buf_len(body))
                              : 0;
    size_t len = buf_len(&text);
    if (!bad)
        bad = escaped ? hold_escape(order->out, buf_head(&text), len, true)
                      : buf_append(order->out, buf_head(&text), len);
    if (!bad && escaped && len && buf_head(&text)[len - 1] != '\n')
        bad = buf_append_text(order->out, "\n");
    buf_free(&text);
    return bad;
}

static int show(struct order *order)
{
    return show_text(order, true);
}

static int get(struct order *order)
{
    return show_text(order, false);
}

static int decide(struct order *order, enum hook_act act)
{
    bool all = !strncmp(order->rest, "all", 3) && !*skip_space(order->rest + 3);
    struct held *held =
        all ? NULL : which(order->hold, order->rest, order->err);
    if (!all)
        return held ? hold_decide(held, act, order->err) : -1;
    for (held = order->hold->first; held; held = held->next)
        if (!held->decided && hold_decide(held, act, order->err))
            return -1;
    return 0;
}

static int go(struct order *order)
{
    return decide(order, HOOK_PASS);
}

static int drop(struct order *order)
{
    return decide(order, HOOK_CUT);
}

static bool names_a_part(const char *text)
{
    static const char *const parts[] = {"body ", "header ", "path "};
    for (unsigned i = 0; i < 3; i++)
        if (!strncmp(text, parts[i], strlen(parts[i])))
            return true;
    return false;
}

/* "set 3 header A b" is the action "set header A b" on number 3. */
static int act(struct order *order)
{
    struct buf action = {0};
    struct held *held = which(order->hold, order->rest, order->err);
    enum hook_act outcome = HOOK_PASS;
    size_t verb = strcspn(order->words, " \t");
    if (!held)
        return -1;
    const char *rest =
        skip_space(order->rest + strspn(order->rest, "0123456789"));
    bool body = !strncmp(order->words, "replace", 7) && !names_a_part(rest);
    if (held->is_socket && !body && strncmp(rest, "body ", 5) != 0) {
        err_code(order->err, EXIT_USAGE,
                 "a message of a WebSocket is a body and nothing else");
        return -1;
    }
    int bad =
        buf_printf(&action, "%.*s %s%s", (int)verb, order->words,
                   body ? "body " : "", rest) ||
        buf_append(&action, "", 1) ||
        rules_do((char *)buf_head(&action), &held->copy, &outcome, order->err);
    buf_free(&action);
    if (bad)
        return -1;
    if (outcome == HOOK_ANSWER || outcome == HOOK_CUT)
        return hold_decide(held, outcome, order->err);
    held->changed |= outcome == HOOK_CHANGED;
    return outcome == HOOK_CHANGED
               ? 0
               : buf_append_text(order->out, "nothing to change there\n");
}

static int choose(struct order *order)
{
    struct hold *hold = order->hold;
    struct filter *filter = NULL;
    char *text = NULL;
    if (!*order->rest) {
        const char *now = hold->filter ? hold->filter_text : "off";
        return hold_escape(order->out, now, strlen(now), false) ||
               buf_append_text(order->out, "\n");
    }
    if (strcmp(order->rest, "off") != 0) {
        text = strdup(order->rest);
        if (!text || filter_parse(text, &filter, NULL, order->err)) {
            free(text);
            return -1;
        }
    }
    filter_free(hold->filter);
    free(hold->filter_text);
    hold->filter = filter;
    hold->filter_text = text;
    return 0;
}

static int help(struct order *order);

static const struct word {
    const char *name, *arguments, *sentence;
    int (*run)(struct order *order);
} words[] = {
    {"list", "", "what is held", list},
    {"show", "N", "number N as a text", show},
    {"edit", "N", "number N in $EDITOR", NULL},
    {"go", "N|all", "send it on, as it is now", go},
    {"drop", "N|all", "reset both its connections instead", drop},
    {"set", "N header NAME VALUE",
     "also: body TEXT, and of requests method M, path P, of responses status S",
     act},
    {"replace", "N [header NAME|path] [~] OLD NEW",
     "in the body, or where else you say", act},
    {"remove", "N header NAME", "all fields of this name", act},
    {"answer", "N STATUS [TEXT|@FILE]",
     "answer a request in the server's place", act},
    {"filter", "[FILTER|off]", "what is stopped from now on", choose},
    {"help", "", "this list", help},
    {"get", NULL, NULL, get},
};

enum { WORDS = sizeof words / sizeof *words };

static int help(struct order *order)
{
    int bad = 0;
    for (unsigned i = 0; i < WORDS && !bad; i++)
        if (words[i].sentence)
            bad = buf_printf(order->out, "%s%s%s\n    %s\n", words[i].name,
                             *words[i].arguments ? " " : "", words[i].arguments,
                             words[i].sentence);
    return bad;
}

static int no_such_word(const char *line, struct err *err)
{
    const char *names[WORDS + 1];
    char word[24];
    for (unsigned i = 0; i < WORDS; i++)
        names[i] = words[i].name;
    names[WORDS] = NULL;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(line, " \t"), line);
    const char *near = nearest(word, names);
    err_code(err, EXIT_USAGE, "no command \"%s\"%s%s%s; 'help' lists them",
             word, near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    return -1;
}

int hold_command(struct hold *hold, const char *line, struct buf *out,
                 struct err *err)
{
    char *copy = strdup(skip_space(line));
    int rc = -1;
    if (!copy) {
        err_set(err, "out of memory");
        return -1;
    }
    size_t len = strlen(copy);
    while (len && strchr(" \t\r\n", copy[len - 1]))
        copy[--len] = 0;
    size_t verb = strcspn(copy, " \t");
    const struct word *word = NULL;
    for (unsigned i = 0; i < WORDS && !word; i++)
        if (words[i].run && strlen(words[i].name) == verb &&
            !strncmp(words[i].name, copy, verb))
            word = &words[i];
    struct order order = {hold, copy, skip_space(copy + verb), out, err};
    if (!len) {
        rc = 0;
    } else if (!word) {
        no_such_word(copy, err);
    } else {
        uv_mutex_lock(&hold->lock);
        rc = word->run(&order);
        uv_mutex_unlock(&hold->lock);
        if (rc && !err->text[0])
            err_set(err, "out of memory");
    }
    free(copy);
    return rc ? -1 : 0;
}

int hold_put(struct hold *hold, unsigned number, const char *text, size_t len,
             struct err *err)
{
    char word[16];
    snprintf(word, sizeof word, "%u", number);
    uv_mutex_lock(&hold->lock);
    struct held *held = which(hold, word, err);
    int rc = !held             ? -1
             : held->is_socket ? message_set_body(&held->copy, text, len)
                               : message_text_read(&held->copy, text, len, err);
    if (!rc)
        held->changed = true;
    uv_mutex_unlock(&hold->lock);
    return rc;
}
