/* SPDX-License-Identifier: MIT
 *
 * Rules: what is to be done with which messages, in a line each.
 *
 *   FILTER : ACTION [; ACTION ...]
 *
 *   host ~ bank && path ~ "^/login" : replace body "amount=10" "amount=9999"
 *   response && type == text/html   : set header X-Seen yes ; delay 200ms
 *   path == /logo.png               : map ./logo.png
 *
 * The filter is one of proxy/filter.h, the actions are those of rules.def.
 * Rules are asked in their order, of requests and of responses alike; words
 * with white space, a semicolon or a quote in them stand in " or '.
 *
 * A rule keeps a body only of messages that can still match and when the
 * filter or an action needs it; everything else streams. So does a body that
 * is to be edited and whose length is not known or does not fit; it is edited
 * while it passes. */
#ifndef ATTACKS_RULES_H
#define ATTACKS_RULES_H

#include "certs/err.h"
#include "proxy/hook.h"

struct rules;

struct rules *rules_new(void); /* NULL when memory is out */
void rules_free(struct rules *rules);

/* One rule. -1 with EXIT_USAGE; the sentence names the column. */
int rules_add(struct rules *rules, const char *text, struct err *err);

/* One a line; empty lines and what begins with # are no rules. The sentence
 * names file, line and column. */
int rules_load(struct rules *rules, const char *path, struct err *err);

unsigned rules_count(const struct rules *rules);

/* When all rules are there. Borrowed; lives as long as the rules. */
struct hook *rules_hook(struct rules *rules);

/* Do one action with a message here and now. *out_act: CHANGED, ANSWER, CUT, or
 * PASS when nothing came of it; `delay` and `drop` are not for this. -1 with
 * EXIT_USAGE. */
int rules_do(const char *action, struct message *message,
             enum hook_act *out_act, struct err *err);

#endif
