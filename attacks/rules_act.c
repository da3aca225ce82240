/* SPDX-License-Identifier: MIT
 *
 * Doing what rules say. All rules are gone through at once; a delay among them
 * counts for the message as a whole, because nothing of it leaves before. */
#include "attacks/rules_parts.h"

#include <string.h>

/* What the rules together made of one message. */
struct outcome {
    enum hook_act act; /* PASS, CHANGED, ANSWER, CUT */
    unsigned ms;       /* let it wait */
    bool dropped;      /* let it wait for ever */
    bool stop;
};

static enum rule_when when_of(const struct message *message)
{
    return message->kind == HTTP1_REQUEST ? RULE_REQUEST : RULE_RESPONSE;
}

/* ---- single actions ------------------------------------------------------ */

static bool set_body(const struct rule_action *action, struct message *message)
{
    const struct buf *body = &action->stock.file;
    size_t len = buf_len(body);
    return !message_set_body(message, len ? buf_head(body) : NULL, len);
}

/* A body that is not there is on its way. */
static bool passes(const struct message *message)
{
    return !message->has_body && !message->bodyless &&
           !message_is_bodyless(message);
}

static bool set_text(struct message *message, const char **member,
                     const char *text)
{
    const char *copy = arena_text(message->arena, text);
    if (copy)
        *member = copy;
    return copy;
}

/* True: it is another query now. */
static bool set_query(struct message *message, const char *name,
                      const char *value)
{
    const char *target = rules_set_query(message, name, value);
    if (!target || !strcmp(target, message->target))
        return false;
    message->target = target;
    return true;
}

/* The name of the server is written as a URL has it. */
static bool send_to(const struct rule_action *action, struct message *message)
{
    if (message_set_field(message, "Host", action->text))
        return false;
    message->server = &action->server;
    return set_text(message, &message->host, action->text);
}

static bool set_status(const struct rule_action *action,
                       struct message *message)
{
    message->status = action->status;
    message->reason = message_reason(action->status);
    return true;
}

static void fill(struct message *answer, const char *type, const void *bytes,
                 size_t len, struct outcome *outcome)
{
    if ((type && message_set_field(answer, "Content-Type", type)) ||
        message_set_body(answer, bytes, len))
        outcome->act = HOOK_CUT;
    else
        outcome->act = HOOK_ANSWER;
}

static void answer(const struct rule_action *action, struct message *request,
                   struct outcome *outcome)
{
    const struct stock *stock = &action->stock;
    struct message *answer = message_answer(request, action->status, NULL);
    size_t len = buf_len(&stock->file);
    if (answer)
        fill(answer, len ? stock->type : NULL,
             len ? buf_head(&stock->file) : NULL, len, outcome);
}

static void map(const struct rule_action *action, struct message *request,
                struct outcome *outcome)
{
    struct buf file = {0};
    const char *type;
    int status = stock_fetch(&action->stock, request->target, &file, &type);
    struct message *answer = message_answer(request, status, NULL);
    bool found = status == 200;
    if (answer && found)
        fill(answer, type, buf_len(&file) ? buf_head(&file) : NULL,
             buf_len(&file), outcome);
    else if (answer)
        fill(answer, "text/plain; charset=utf-8", answer->reason,
             strlen(answer->reason), outcome);
    buf_free(&file);
}

/* True: the message is different now. */
static bool act(const struct rule_action *action,
                const struct event_where *where, struct message *message,
                struct outcome *outcome)
{
    switch (action->kind) {
    case RULE_REPLACE_BODY:
        if (passes(message))
            edit_body_later(&action->edit, where, message);
        return edit_body(&action->edit, where, message);
    case RULE_REPLACE_HEADER:
        return edit_field(&action->edit, where, message, action->name);
    case RULE_REPLACE_PATH:
        return edit_target(&action->edit, where, message);
    case RULE_SET_HEADER:
        return !message_set_field(message, action->name, action->text);
    case RULE_SET_METHOD:
        return set_text(message, &message->method, action->text);
    case RULE_SET_PATH:
        return set_text(message, &message->target, action->text);
    case RULE_SET_QUERY:
        return set_query(message, action->name, action->text);
    case RULE_REMOVE_QUERY:
        return set_query(message, action->name, NULL);
    case RULE_SEND_TO:
        return send_to(action, message);
    case RULE_SET_STATUS:
        return set_status(action, message);
    case RULE_SET_BODY:
        if (!passes(message))
            return set_body(action, message);
        edit_content_later(&action->stock.file, message);
        return false;
    case RULE_REMOVE_HEADER: {
        bool there = message_field(message, action->name);
        message_remove_field(message, action->name);
        return there;
    }
    case RULE_DELAY:
        outcome->ms += action->ms;
        return false;
    case RULE_DROP:
        outcome->dropped = outcome->stop = true;
        return false;
    case RULE_ABORT:
        outcome->act = HOOK_CUT;
        return false;
    case RULE_ANSWER:
        answer(action, message, outcome);
        return false;
    case RULE_MAP:
        map(action, message, outcome);
        return false;
    case RULE_STOP:
        outcome->stop = true;
        return false;
    case RULE_KINDS:
        break;
    }
    return false;
}

enum hook_act rules_act(const struct rule_action *action,
                        const struct event_where *where,
                        struct message *message)
{
    struct outcome outcome = {.act = HOOK_PASS};
    bool changed = act(action, where, message, &outcome);
    return changed ? HOOK_CHANGED : outcome.act;
}

/* ---- all rules ----------------------------------------------------------- */

static void apply(const struct rule *rule, struct flow *flow,
                  struct message *message, struct outcome *outcome)
{
    bool request = message->kind == HTTP1_REQUEST;
    struct event_where seen =
        flow_where(flow, request ? LEG_VICTIM : LEG_SERVER);
    struct event_where leaves =
        flow_where(flow, request ? LEG_SERVER : LEG_VICTIM);
    event("rule.acted", &seen, "\"rule\":%u,\"text\":%s", rule->number,
          event_text(rule->text, strlen(rule->text), 512));
    for (const struct rule_action *it = rule->actions;
         it && !outcome->stop && outcome->act < HOOK_ANSWER; it = it->next)
        if ((rule_rows[it->kind].when & when_of(message)) &&
            act(it, &leaves, message, outcome))
            outcome->act = HOOK_CHANGED;
}

/* The message is parked until its time has come, or for good. */
static enum hook_act park(struct message *message,
                          const struct outcome *outcome)
{
    if (outcome->dropped)
        return HOOK_WAIT;
    if (!outcome->ms)
        return outcome->act;
    return hook_wake(message, outcome->ms, outcome->act) ? HOOK_CUT : HOOK_WAIT;
}

static enum hook_act on_message(void *config, struct flow *flow,
                                struct message *message)
{
    const struct rules *rules = config;
    struct outcome outcome = {.act = HOOK_PASS};
    for (const struct rule *it = rules->first;
         it && !outcome.stop && outcome.act < HOOK_ANSWER; it = it->next) {
        if (!(it->when & when_of(message)))
            continue;
        /* Each rule sees what those before it made of the message. */
        struct filter_subject subject = filter_subject_of(flow, message);
        if (filter_holds(it->filter, &subject))
            apply(it, flow, message, &outcome);
    }
    return park(message, &outcome);
}

static bool acts_on_body(const struct rule *rule, enum rule_when when)
{
    for (const struct rule_action *it = rule->actions; it; it = it->next)
        if (rule_rows[it->kind].body && (rule_rows[it->kind].when & when))
            return true;
    return false;
}

/* Only of a message that can still match, and only if somebody needs it. */
static bool wants_body(void *config, struct flow *flow,
                       const struct message *head)
{
    const struct rules *rules = config;
    struct filter_subject subject = filter_subject_of(flow, head);
    enum rule_when when = when_of(head);
    for (const struct rule *it = rules->first; it; it = it->next) {
        if (!(it->when & when))
            continue;
        enum filter_truth truth = filter_test(it->filter, &subject);
        if ((truth == FILTER_UNKNOWN && filter_uses_body(it->filter)) ||
            (truth == FILTER_YES && acts_on_body(it, when) &&
             edit_wants_whole(head)))
            return true;
    }
    return false;
}

void rules_fill_hook(struct rules *rules)
{
    struct hook *hook = &rules->hook;
    *hook = (struct hook){.name = "rules",
                          .config = rules,
                          .wants_body = wants_body,
                          .on_body = edit_on_body};
    for (const struct rule *it = rules->first; it; it = it->next) {
        bool filter = filter_uses_body(it->filter);
        if (it->when & RULE_REQUEST)
            hook->on_request = on_message;
        if (it->when & RULE_RESPONSE)
            hook->on_response = on_message;
        if ((it->when & RULE_REQUEST) &&
            (filter || acts_on_body(it, RULE_REQUEST)))
            hook->wants |= HOOK_WANTS_REQUEST_BODY;
        if ((it->when & RULE_RESPONSE) &&
            (filter || acts_on_body(it, RULE_RESPONSE)))
            hook->wants |= HOOK_WANTS_RESPONSE_BODY;
        for (const struct rule_action *action = it->actions; action;
             action = action->next) {
            if (action->kind == RULE_DROP)
                hook->wants |= HOOK_WANTS_VICTIM;
            if (action->kind == RULE_ANSWER || action->kind == RULE_MAP ||
                action->kind == RULE_SEND_TO)
                hook->wants |= HOOK_ANSWERS;
        }
    }
    rules_fill_others(rules);
}
