/* SPDX-License-Identifier: MIT
 *
 * Events as sentences for a person: a row for each kind that is worth a line.
 * Everything that came from the network is escaped. */
#include "labs/engine/play.h"

#include "labs/engine/words.h"
#include "labs/report/explain.h"

#include <stdlib.h>
#include <string.h>

/* Text as safe text, `most` letters at most; free() it. */
static char *safe_text(const char *text, size_t len, size_t most)
{
    char *escaped = term_escape(text, len > most ? most : len, false);
    if (len <= most)
        return escaped;
    char *cut;
    if (asprintf(&cut, "%s...", escaped) < 0)
        abort();
    free(escaped);
    return cut;
}

/* The same of a member of data. */
static char *safe(const json_t *event, const char *key, size_t most)
{
    const char *text = event_data(event, key);
    return safe_text(text, strlen(text), most);
}

static long long number(const json_t *event, const char *key)
{
    return event_number(json_object_get(event, "data"), key);
}

/* Who opened the connection. */
static const char *opener(const struct play *play, const json_t *event)
{
    struct index_tuple tuple;
    const char *place =
        event_tuple(event, &tuple) ? play_place_at(play, tuple.src) : NULL;
    return place ? place : "stranger";
}

static bool is_server(const json_t *event)
{
    return !strcmp(event_member(event, "role"), "server");
}

typedef bool sentence(const struct play *play, const json_t *event,
                      struct buf *out);

static bool say_cert(const struct play *play, const json_t *event,
                     struct buf *out)
{
    (void)play;
    if (strcmp(event_data(event, "role"), "forged") != 0)
        return false;
    char *forgery = safe(event, "forgery", 16);
    buf_printf(out, "offers a forged certificate%s%s%s", *forgery ? " (" : "",
               forgery, *forgery ? ")" : "");
    free(forgery);
    return true;
}

/* A refusal; close_notify is only a good-bye. */
static bool say_alert(const struct play *play, const json_t *event,
                      struct buf *out)
{
    char *name = safe(event, "name", 40);
    bool up = !strcmp(event_member(event, "dir"), "up");
    buf_printf(out, "gets alert %s (%lld) from %s", name, number(event, "code"),
               opener(play, event));
    free(name);
    return up && number(event, "code") != 0;
}

/* The proxy, which decides on nobody's behalf. */
static bool opened_by_proxy(const struct play *play, const json_t *event)
{
    for (const struct actor *it = play->cast.actors; it; it = it->next)
        if (it->role == ACTOR_PROXY && !strcmp(it->place, opener(play, event)))
            return true;
    return false;
}

/* The way in which it was said, in the words of explain.def; "" for a yes. */
static const char *manner(const json_t *event)
{
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    struct explanation said;
    if (strcmp(event_data(event, "verdict"), "refused") != 0)
        return "";
    facts.how = event_data(event, "how");
    if (number(event, "alert_code")) /* close_notify, 0, is a way to leave */
        facts.alert = (int)number(event, "alert_code");
    facts.app_bytes = number(event, "app_bytes");
    explain(&facts, &said);
    return said.words;
}

static bool say_verdict(const struct play *play, const json_t *event,
                        struct buf *out)
{
    bool refused = !strcmp(event_data(event, "verdict"), "refused");
    const char *way = manner(event);
    buf_printf(
        out,
        "saw the %s %s" TERM_PLAIN " the certificate%s%s%s; in all, %lld "
        "bytes of application data came from it",
        opener(play, event), refused ? TERM_GOOD "refuse" : TERM_BAD "accept",
        *way ? " (" : "", way, *way ? ")" : "", number(event, "app_bytes"));
    return !opened_by_proxy(play, event);
}

static bool say_request(const struct play *play, const json_t *event,
                        struct buf *out)
{
    char *method = safe(event, "method", 16),
         *target = safe(event, "target", 60);
    buf_printf(out, "gets %s %s from %s", method, target, opener(play, event));
    free(method);
    free(target);
    return is_server(event);
}

static bool say_response(const struct play *play, const json_t *event,
                         struct buf *out)
{
    (void)play;
    char *reason = safe(event, "reason", 30);
    buf_printf(out, "answers %lld %s", number(event, "status"), reason);
    free(reason);
    return is_server(event);
}

/* The line of `text` in which `at` lies, as safe text; free() it. */
static char *line_around(const char *text, size_t at)
{
    size_t from = at;
    while (from && text[from - 1] != '\n')
        from--;
    return safe_text(text + from, strcspn(text + from, "\r\n"), 60);
}

static bool say_changed(const struct play *play, const json_t *event,
                        struct buf *out)
{
    (void)play;
    const char *old = event_data(event, "before"),
               *new = event_data(event, "after");
    size_t at = 0;
    while (old[at] && old[at] == new[at])
        at++;
    char *what = safe(event, "what", 16), *before = line_around(old, at),
         *after = line_around(new, at);
    buf_printf(out,
               TERM_BAD "changes" TERM_PLAIN " the %s: \"%s\" becomes "
                        "\"%s\"",
               what, before, after);
    free(what);
    free(before);
    free(after);
    return true;
}

static bool say_blocked(const struct play *play, const json_t *event,
                        struct buf *out)
{
    char *host = safe(event, "host", 60);
    buf_printf(out,
               TERM_BAD "holds back" TERM_PLAIN " what %s wants from %s, and "
                        "hangs up",
               opener(play, event), host);
    free(host);
    return true;
}

static bool say_secret(const struct play *play, const json_t *event,
                       struct buf *out)
{
    (void)play;
    char *what = safe(event, "what", 16), *value = safe(event, "value", 60);
    bool wanted = !strcmp(what, "text"); /* by look= of its command */
    buf_printf(out, TERM_BAD "reads" TERM_PLAIN " %s%s: %s", wanted ? "" : "a ",
               wanted ? "what it looks for" : what, value);
    free(what);
    free(value);
    return true;
}

static bool say_ledger(const struct play *play, const json_t *event,
                       struct buf *out)
{
    (void)play;
    char *to = safe(event, "to", 40);
    buf_printf(out, "books %lld to %s; %lld are left", number(event, "amount"),
               to, number(event, "balance"));
    free(to);
    return true;
}

static bool say_login(const struct play *play, const json_t *event,
                      struct buf *out)
{
    (void)play;
    char *user = safe(event, "user", 40);
    bool ok =
        json_is_true(json_object_get(json_object_get(event, "data"), "ok"));
    buf_printf(out, "%s %s", ok ? "logs in" : "turns away", user);
    free(user);
    return true;
}

static bool say_unreachable(const struct play *play, const json_t *event,
                            struct buf *out)
{
    (void)play;
    char *reason = safe(event, "reason", 120);
    buf_printf(out, "cannot reach the server: %s", reason);
    free(reason);
    return true;
}

static bool say_refused(const struct play *play, const json_t *event,
                        struct buf *out)
{
    (void)play;
    char *why = safe(event, "sentence", 160);
    buf_printf(out, "will not read this: %s", why);
    free(why);
    return true;
}

static const struct {
    const char *kind;
    sentence *say; /* false: not worth a line after all */
} rows[] = {
    {"tls.cert", say_cert},          {"tls.alert", say_alert},
    {"tls.verdict", say_verdict},    {"http.request", say_request},
    {"http.response", say_response}, {"http.refused", say_refused},
    {"attack.changed", say_changed}, {"attack.blocked", say_blocked},
    {"secret.read", say_secret},     {"ledger.entry", say_ledger},
    {"bank.login", say_login},       {"server.unreachable", say_unreachable},
};

/* Does the lab say that this act speaks for itself? */
static bool is_quiet(const struct play *play, const json_t *event)
{
    const char *name = event_member(event, "act");
    unsigned number = (unsigned)event_number(event, "step");
    if (!number || number > play->lab->steps_count)
        return false;
    const struct lab_step *step = &play->lab->steps[number - 1];
    for (unsigned i = 0; i < step->acts_count; i++)
        if (!strcmp(step->acts[i].as, name))
            return words_yes("act", step->acts[i].words, "quiet");
    return false;
}

static void tell_one(struct play *play, const json_t *event)
{
    struct buf text = {0};
    bool said = false, quiet = is_quiet(play, event);
    for (size_t i = 0; !quiet && i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].kind, event_kind(event)))
            said = rows[i].say(play, event, &text);
    uint64_t frame = event_frame(event);
    if (frame)
        buf_printf(&text, TERM_FAINT "  [frame %llu]" TERM_PLAIN,
                   (unsigned long long)frame);
    buf_append(&text, "", 1);
    char head[48];
    snprintf(head, sizeof head, "%-9s ", event_member(event, "place"));
    if (said)
        voice_say(&play->voice, 2, head, (char *)buf_head(&text));
    buf_free(&text);
}

struct told {
    json_t *event;
    uint64_t frame; /* its own, or the latest one when it happened */
    size_t at;      /* its place in time */
};

static int by_time(const void *a, const void *b)
{
    long long one = event_number(((const struct told *)a)->event, "t");
    long long two = event_number(((const struct told *)b)->event, "t");
    return one < two ? -1 : one > two;
}

/* Frames are in the order of the wire. Programs get to their report when they
 * get to it, so that an answer may come before its question by their times. */
static int by_frame(const void *a, const void *b)
{
    const struct told *one = a, *two = b;
    if (one->frame != two->frame)
        return one->frame < two->frame ? -1 : 1;
    return one->at < two->at ? -1 : one->at > two->at;
}

static void put_in_order(struct told *list, size_t count)
{
    uint64_t latest = 0;
    qsort(list, count, sizeof *list, by_time);
    for (size_t i = 0; i < count; i++) {
        uint64_t frame = event_frame(list[i].event);
        if (frame > latest)
            latest = frame;
        list[i].frame = frame ? frame : latest;
        list[i].at = i;
    }
    qsort(list, count, sizeof *list, by_frame);
}

void tell_events(struct play *play)
{
    struct chronicle *chronicle = &play->chronicle;
    size_t count = json_array_size(chronicle->events) - chronicle->told;
    struct told *fresh = calloc(count + 1, sizeof *fresh);
    for (size_t i = 0; i < count; i++)
        fresh[i].event = json_array_get(chronicle->events, chronicle->told + i);
    put_in_order(fresh, count);
    for (size_t i = 0; i < count; i++)
        tell_one(play, fresh[i].event);
    chronicle->told += count;
    free(fresh);
}
