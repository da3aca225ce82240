/* SPDX-License-Identifier: MIT
 *
 * What rules.c (reading) and rules_act.c (doing) share with each other only. */
#ifndef ATTACKS_RULES_PARTS_H
#define ATTACKS_RULES_PARTS_H

#include "attacks/edit.h"
#include "attacks/rules.h"
#include "attacks/stock.h"
#include "proxy/filter.h"
#include "proxy/target.h"

enum rule_kind {
#define RULE_ACTION(symbol, words, takes, arguments, when, body, sentence)     \
    RULE_##symbol,
#include "attacks/rules.def"
#undef RULE_ACTION
    RULE_KINDS
};

enum rule_when {
    RULE_REQUEST = 1,
    RULE_RESPONSE = 2,
    RULE_BOTH = 3,
    RULE_MESSAGE = 4,  /* of a WebSocket */
    RULE_SPOKEN = 7,   /* BOTH and that */
    RULE_QUESTION = 8, /* of DNS, and its answer */
    RULE_ALL = 15,
};

struct rule_row {
    const char *words, *takes, *arguments;
    enum rule_when when;
    bool body;
};
extern const struct rule_row rule_rows[];

struct rule_action {
    enum rule_kind kind;
    const char *name; /* of a field */
    const char *text; /* value, target, method */
    struct target server;
    struct replace edit;
    struct pattern *pattern; /* of `edit`, NULL: a text */
    int status;
    unsigned ms;
    struct stock stock; /* content */
    bool has_content;
    struct rule_action *next;
};

struct rule {
    const char *text; /* as it was written */
    unsigned number;  /* from 1 */
    struct filter *filter;
    struct rule_action *actions;
    enum rule_when when; /* of any action */
    struct rule *next;
};

struct rules {
    struct hook hook;
    struct arena arena;
    struct rule *first, **last;
    unsigned count;
};

/* Do one action; its changes leave at `where`. */
enum hook_act rules_act(const struct rule_action *action,
                        const struct event_where *where,
                        struct message *message);

/* The target with one parameter of this name, NULL without any; in the
 * message's arena. NULL: memory is out. */
const char *rules_set_query(struct message *message, const char *name,
                            const char *value);

/* The callbacks that the rules need: for HTTP, and for what is not. */
void rules_fill_hook(struct rules *rules);
void rules_fill_others(struct rules *rules);

#endif
