/* SPDX-License-Identifier: MIT
 *
 * Rules about what is not HTTP: messages of WebSockets, and questions of DNS
 * with their answers. Only rules whose filter speaks of `kind` are asked of
 * these, so that `host ~ bank : set body x` stays what it looks like. */
#include "attacks/rules_parts.h"

#include "proxy/messages.h"

#include <string.h>

static bool is_about(const struct rule *rule, enum rule_when when)
{
    return (rule->when & when) && filter_uses(rule->filter, FILTER_KIND);
}

static void tell(const struct rule *rule, const struct flow *flow,
                 enum event_leg leg)
{
    struct event_where seen = flow_where(flow, leg);
    event("rule.acted", &seen, "\"rule\":%u,\"text\":%s", rule->number,
          event_text(rule->text, strlen(rule->text), 512));
}

/* ---- WebSocket ----------------------------------------------------------- */

struct outcome {
    enum hook_act act; /* PASS, CHANGED, CUT */
    unsigned ms;
    bool stop;
};

/* Actions on bodies know messages of HTTP; this one has nothing else. */
static enum hook_act edit(const struct rule_action *action, struct flow *flow,
                          struct socket_message *socket)
{
    struct event_where leaves = flow_where(flow, socket->to);
    struct message message = {.kind = HTTP1_RESPONSE,
                              .arena = &flow->arena,
                              .has_body = true,
                              .body = socket->body};
    enum hook_act act = rules_act(action, &leaves, &message);
    socket->body = message.body;
    return act;
}

static void apply(const struct rule *rule, struct flow *flow,
                  struct socket_message *socket, struct outcome *outcome)
{
    tell(rule, flow, socket->to == LEG_SERVER ? LEG_VICTIM : LEG_SERVER);
    for (const struct rule_action *it = rule->actions;
         it && !outcome->stop && outcome->act != HOOK_CUT; it = it->next) {
        if (!(rule_rows[it->kind].when & RULE_MESSAGE))
            continue;
        if (it->kind == RULE_DELAY) {
            outcome->ms += it->ms;
        } else if (it->kind == RULE_STOP) {
            outcome->stop = true;
        } else if (it->kind == RULE_DROP) {
            socket->dropped = outcome->stop = true;
            outcome->act = HOOK_CHANGED;
        } else {
            enum hook_act act = edit(it, flow, socket);
            outcome->act = act == HOOK_PASS ? outcome->act : act;
        }
    }
}

static enum hook_act on_message(void *config, struct flow *flow,
                                struct socket_message *socket)
{
    const struct rules *rules = config;
    struct outcome outcome = {.act = HOOK_PASS};
    for (const struct rule *it = rules->first;
         it && !outcome.stop && outcome.act != HOOK_CUT; it = it->next) {
        struct filter_subject subject = messages_subject(flow, socket);
        if (is_about(it, RULE_MESSAGE) && filter_holds(it->filter, &subject))
            apply(it, flow, socket, &outcome);
    }
    if (!outcome.ms || outcome.act == HOOK_CUT)
        return outcome.act;
    return socket_wake(flow, socket->to, outcome.ms, outcome.act) ? HOOK_CUT
                                                                  : HOOK_WAIT;
}

/* ---- DNS ----------------------------------------------------------------- */

/* What can be done with a question is to drop it, or to leave it alone. */
static enum hook_act on_dns(void *config, struct flow *flow,
                            struct dns_talk *talk)
{
    const struct rules *rules = config;
    char type[FILTER_TYPE_TEXT];
    struct filter_subject subject = filter_subject_of_dns(flow, talk, type);
    for (const struct rule *it = rules->first; it; it = it->next) {
        if (!is_about(it, RULE_QUESTION) || !filter_holds(it->filter, &subject))
            continue;
        tell(it, flow, buf_len(talk->answer) ? LEG_SERVER : LEG_VICTIM);
        for (const struct rule_action *action = it->actions; action;
             action = action->next) {
            if (action->kind == RULE_DROP)
                return HOOK_CUT;
            if (action->kind == RULE_STOP)
                return HOOK_PASS;
        }
    }
    return HOOK_PASS;
}

void rules_fill_others(struct rules *rules)
{
    for (const struct rule *it = rules->first; it; it = it->next) {
        if (is_about(it, RULE_MESSAGE))
            rules->hook.on_message = on_message;
        if (is_about(it, RULE_QUESTION))
            rules->hook.on_dns = on_dns;
    }
}
