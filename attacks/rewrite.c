/* SPDX-License-Identifier: MIT
 *
 * rewrite: put one text in the place of another, in whatever passes through.
 * The proxy puts length, chunking and coding right afterwards, so neither end
 * can see from the form of a message that it was touched; with naive=yes it
 * does not, and everybody can see it. */
#include "attacks/attack.h"
#include "attacks/secrets.h"

#include <string.h>
#include <strings.h>

enum {
    BODY_MOST = 64 * 1024 * 1024, /* an edit may not grow a body past this */
    CONTEXT = 32,                 /* bytes shown around the first change */
};

struct rewrite {
    const char *find, *with, *field; /* field NULL: the body */
    size_t find_len, with_len;
    bool requests, responses;
    struct secrets_look look;
};

/* `text` with every find replaced, appended to `out`. Returns how many, with
 * *first set to where the first one was; -1 when that is too much. */
static int replace_all(const struct rewrite *rewrite, const char *text,
                       size_t len, struct buf *out, size_t *first)
{
    int count = 0;
    const char *end = text + len;
    for (const char *from = text, *hit; from; from = hit) {
        hit = memmem(from, (size_t)(end - from), rewrite->find,
                     rewrite->find_len);
        if (!hit)
            return count && buf_append(out, from, (size_t)(end - from)) ? -1
                                                                        : count;
        if (!count++)
            *first = (size_t)(hit - text);
        if (buf_append(out, from, (size_t)(hit - from)) ||
            buf_append(out, rewrite->with, rewrite->with_len) ||
            buf_len(out) > BODY_MOST)
            return -1;
        hit += rewrite->find_len;
    }
    return count;
}

/* JSON text of `len` bytes at `at` with a little of what stands around. */
static const char *excerpt(const char *text, size_t text_len, size_t at,
                           size_t len)
{
    size_t from = at > CONTEXT ? at - CONTEXT : 0;
    size_t to = at + len + CONTEXT;
    to = to < text_len ? to : text_len;
    return event_text(text + from, to - from, 512);
}

static void report_change(const struct rewrite *rewrite,
                          const struct event_where *where, const char *before,
                          size_t before_len, const struct buf *after, size_t at,
                          int count)
{
    event("attack.changed", where,
          "\"what\":\"%s\",\"field\":%s,\"count\":%d,\"before\":%s,"
          "\"after\":%s",
          rewrite->field ? "field" : "body",
          event_text(rewrite->field ? rewrite->field : "",
                     rewrite->field ? strlen(rewrite->field) : 0, 256),
          count, excerpt(before, before_len, at, rewrite->find_len),
          excerpt((const char *)buf_head(after), buf_len(after), at,
                  rewrite->with_len));
}

static enum hook_act edit_body(const struct rewrite *rewrite,
                               const struct event_where *where,
                               struct message *message)
{
    size_t len = buf_len(&message->body), at = 0;
    if (!message->has_body || !len)
        return HOOK_PASS;
    struct buf edited = {0};
    const char *text = (const char *)buf_head(&message->body);
    int count = replace_all(rewrite, text, len, &edited, &at);
    if (count <= 0) {
        buf_free(&edited);
        return HOOK_PASS;
    }
    report_change(rewrite, where, text, len, &edited, at, count);
    buf_free(&message->body);
    message->body = edited;
    return HOOK_CHANGED;
}

static enum hook_act edit_value(const struct rewrite *rewrite,
                                const struct event_where *where,
                                struct message *message,
                                struct message_field *field)
{
    struct buf edited = {0};
    enum hook_act act = HOOK_PASS;
    size_t len = strlen(field->value), at = 0;
    int count = replace_all(rewrite, field->value, len, &edited, &at);
    const char *value = NULL;
    if (count > 0)
        value = arena_copy(message->arena, buf_head(&edited), buf_len(&edited));
    if (value) {
        report_change(rewrite, where, field->value, len, &edited, at, count);
        field->value = value;
        act = HOOK_CHANGED;
    }
    buf_free(&edited);
    return act;
}

static enum hook_act edit_fields(const struct rewrite *rewrite,
                                 const struct event_where *where,
                                 struct message *message)
{
    enum hook_act act = HOOK_PASS;
    for (unsigned i = 0; i < message->fields_count; i++)
        if (!strcasecmp(message->fields[i].name, rewrite->field) &&
            edit_value(rewrite, where, message, &message->fields[i]) ==
                HOOK_CHANGED)
            act = HOOK_CHANGED;
    return act;
}

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
    return rewrite->field ? edit_fields(rewrite, &leaves, message)
                          : edit_body(rewrite, &leaves, message);
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

/* Anything but a control character may stand in a field's value: what could
 * end the line would smuggle in a field of its own. */
static bool fits_a_field(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static bool is_field_name(const char *text)
{
    return *text && !text[strspn(text, "!#$%&'*+-.^_`|~0123456789"
                                       "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

static int check(const struct rewrite *rewrite, struct err *err)
{
    if (!rewrite->find_len) {
        err_code(err, EXIT_USAGE, "rewrite: find is empty");
        return -1;
    }
    if (rewrite->field && !is_field_name(rewrite->field)) {
        err_code(err, EXIT_USAGE,
                 "rewrite: \"%s\" is not the name of a header field",
                 rewrite->field);
        return -1;
    }
    if (rewrite->field && !fits_a_field(rewrite->with)) {
        err_code(err, EXIT_USAGE,
                 "rewrite: a field's value is one line, so with may hold no "
                 "line break and no other control character");
        return -1;
    }
    return 0;
}

static void fill_hook(const struct attack_run *run, struct rewrite *rewrite,
                      struct hook *hook)
{
    bool bodies = !rewrite->field || rewrite->look.count;
    hook->config = rewrite;
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
    rewrite->find = attack_value(run, "find");
    rewrite->find_len = strlen(rewrite->find);
    rewrite->with = attack_value(run, "with");
    rewrite->with_len = strlen(rewrite->with);
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
