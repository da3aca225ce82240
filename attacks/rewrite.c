/* SPDX-License-Identifier: MIT
 *
 * rewrite: put one text in the place of another, in whatever passes through.
 * The proxy puts length, chunking and coding right afterwards, so neither end
 * can see from the form of a message that it was touched; with naive=yes it
 * does not, and everybody can see it. */
#include "attacks/attack.h"
#include "attacks/edit.h"
#include "attacks/secrets.h"

#include <string.h>

struct rewrite {
    struct replace edit;
    const char *field; /* NULL: the body */
    bool requests, responses;
    struct secrets_look look;
};

static void on_secret(void *context, const struct secret *secret)
{
    if (!strcmp(secret->what, "text"))
        secret_report(secret, context);
}

/* `from` is the leg that the message came on, `to` the one it leaves on. */
static enum hook_act on_message(struct rewrite *rewrite, struct flow *flow,
                                struct message *message, enum event_leg from,
                                enum event_leg to)
{
    struct event_where seen = flow_where(flow, from);
    struct event_where leaves = flow_where(flow, to);
    if (rewrite->look.count)
        secrets_in_message(message, &rewrite->look, on_secret, &seen);
    bool changed = rewrite->field ? edit_field(&rewrite->edit, &leaves, message,
                                               rewrite->field)
                                  : edit_body(&rewrite->edit, &leaves, message);
    if (!rewrite->field && !message->has_body)
        edit_body_later(&rewrite->edit, &leaves, message);
    return changed ? HOOK_CHANGED : HOOK_PASS;
}

static enum hook_act on_request(void *config, struct flow *flow,
                                struct message *request)
{
    return on_message(config, flow, request, LEG_VICTIM, LEG_SERVER);
}

static enum hook_act on_response(void *config, struct flow *flow,
                                 struct message *response)
{
    return on_message(config, flow, response, LEG_SERVER, LEG_VICTIM);
}

static int check(const struct rewrite *rewrite, struct err *err)
{
    const struct replace *text = &rewrite->edit;
    if (!text->find_len || text->find_len > REPLACE_FIND_MOST) {
        err_code(err, EXIT_USAGE,
                 "rewrite: find is empty, or longer than %d bytes",
                 REPLACE_FIND_MOST);
        return -1;
    }
    if (rewrite->field && !edit_is_name(rewrite->field)) {
        err_code(err, EXIT_USAGE,
                 "rewrite: \"%s\" is not the name of a header field",
                 rewrite->field);
        return -1;
    }
    if (rewrite->field && !edit_is_value(text->with)) {
        err_code(err, EXIT_USAGE,
                 "rewrite: a field's value is one line, so with may hold no "
                 "line break and no other control character");
        return -1;
    }
    return 0;
}

/* What is looked for may lie over an edge between two pieces. */
static bool wants_body(void *config, struct flow *flow,
                       const struct message *head)
{
    const struct rewrite *rewrite = config;
    (void)flow;
    return rewrite->look.count || edit_wants_whole(head);
}

static void fill_hook(const struct attack_run *run, struct rewrite *rewrite,
                      struct hook *hook)
{
    bool bodies = !rewrite->field || rewrite->look.count;
    hook->config = rewrite;
    hook->wants_body = wants_body;
    hook->on_body = edit_on_body;
    if (rewrite->requests) {
        hook->on_request = on_request;
        hook->wants |= bodies ? HOOK_WANTS_REQUEST_BODY : 0;
    }
    if (rewrite->responses) {
        hook->on_response = on_response;
        hook->wants |= bodies ? HOOK_WANTS_RESPONSE_BODY : 0;
    }
    if (attack_value_is(run, "naive", "yes"))
        hook->wants |= HOOK_WANTS_NAIVE_LENGTH;
}

static int start(struct attack_run *run, struct err *err)
{
    struct rewrite *rewrite = arena_alloc(&run->arena, sizeof *rewrite);
    if (!rewrite) {
        err_set(err, "rewrite: out of memory");
        return -1;
    }
    struct replace *text = &rewrite->edit;
    text->find = attack_value(run, "find");
    text->find_len = strlen(text->find);
    text->with = attack_value(run, "with");
    text->with_len = strlen(text->with);
    rewrite->field = attack_value(run, "field");
    rewrite->requests = !attack_value_is(run, "in", "response");
    rewrite->responses = !attack_value_is(run, "in", "request");
    if (check(rewrite, err) ||
        secrets_look_parse(attack_value(run, "look"), &run->arena,
                           &rewrite->look, err))
        return -1;
    fill_hook(run, rewrite, &run->hook);
    return 0;
}

static const struct attack_param params[] = {
    {"find", "TEXT", NULL, "the text to replace, wherever it occurs", true},
    {"with", "TEXT", "", "what to put in its place", false},
    {"in", "request|response|both", "both", "which way to look", false},
    {"field", "NAME", NULL, "edit this header field instead of the body",
     false},
    {"naive", "yes|no", "no", "leave the lengths as they were, wrong", false},
    {"look", "TEXT", NULL, "also report these texts (| between them)", false},
    {NULL, NULL, NULL, NULL, false},
};

const struct attack attack_rewrite = {
    .name = "rewrite",
    .teaches = "Whoever stands on the path of clear bytes can change them, and "
               "neither end sees it.",
    .kind = ATTACK_HOOK,
    .params = params,
    .start = start,
};
