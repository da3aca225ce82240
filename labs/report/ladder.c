/* SPDX-License-Identifier: MIT
 *
 * Facts -> rungs. What each kind of fact says is one row of a table and one
 * short function; who stands at the ends of its arrow is decided here for all
 * of them. */
#include "labs/report/ladder.h"

#include "labs/report/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mark_word(enum mark mark)
{
    static const char *const words[] = {"", "changed", "forged", "refused",
                                        "read"};
    return words[mark];
}

struct building {
    struct report *report;
    struct ladder *ladder;
    const struct fact **sources; /* of the rungs, to know doubles */
    const struct fact *tls[64];  /* handshakes that came to an end */
    unsigned tls_count;
};

/* ---- what a fact says -------------------------------------------------- */

enum shape {
    SHAPE_NOTE, /* at the place that saw it */
    SHAPE_UP,   /* an arrow from the opener */
    SHAPE_DOWN, /* an arrow to the opener */
    SHAPE_DIR,  /* an arrow as `dir` says */
    SHAPE_BOTH, /* between the two ends */
};

typedef bool say(struct building *building, const struct fact *fact,
                 struct rung *rung);

/* Fill the text of a rung from a format whose %s are all lines of a
 * stranger's text; see the table of callers. */
static void put(struct rung *rung, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct rung *rung, const char *format, ...)
{
    char room[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    text_line((struct text){room, len < (int)sizeof room ? (size_t)len
                                                         : sizeof room - 1},
              rung->text, sizeof rung->text - 1);
}

/* data[key] as one printable line. */
struct line {
    char text[81];
};

static struct line line_of(struct building *building, const struct fact *fact,
                           const char *key)
{
    struct line line;
    const json_t *value = json_object_get(fact->data, key);
    if (json_is_integer(value))
        snprintf(line.text, sizeof line.text, "%lld",
                 (long long)json_integer_value(value));
    else
        text_line(fact_bytes(building->report, fact, key), line.text,
                  sizeof line.text - 1);
    return line;
}

#define SAY(key) line_of(building, fact, key).text

static bool say_open(struct building *building, const struct fact *fact,
                     struct rung *rung)
{
    (void)building;
    char to[64];
    text_line(fact->acceptor, to, sizeof to - 1);
    put(rung, "TCP to %s:%d", to, fact->acceptor_port);
    return true;
}

static bool say_end(struct building *building, const struct fact *fact,
                    struct rung *rung)
{
    struct line why = line_of(building, fact, "why");
    bool violent = !strcmp(why.text, "cut") || !strcmp(why.text, "failed");
    put(rung, "connection ends: %s", why.text);
    return violent; /* the others say no more than the messages do */
}

static bool say_unreachable(struct building *building, const struct fact *fact,
                            struct rung *rung)
{
    rung->mark = MARK_REFUSED;
    put(rung, "cannot reach the server: %s", SAY("reason"));
    return true;
}

static bool say_hello(struct building *building, const struct fact *fact,
                      struct rung *rung)
{
    struct line name = line_of(building, fact, "sni");
    const json_t *version =
        json_array_get(json_object_get(fact->data, "versions"), 0);
    char highest[24];
    text_line(bytes_of(building->report, version), highest, sizeof highest - 1);
    put(rung, "ClientHello for %s%s%s", name.text[0] ? name.text : "(no name)",
        highest[0] ? ", up to " : "", highest);
    return true;
}

static bool say_cert(struct building *building, const struct fact *fact,
                     struct rung *rung)
{
    struct line role = line_of(building, fact, "role");
    struct line forgery = line_of(building, fact, "forgery");
    char issuer[81];
    certificate_issuer(building->report, fact, issuer, sizeof issuer);
    bool forged = !strcmp(role.text, "forged");
    if (forged)
        rung->mark = MARK_FORGED;
    put(rung, "certificate%s%s%s%s", forgery.text[0] ? " " : "", forgery.text,
        issuer[0] ? ", issuer " : "", issuer);
    return true;
}

static bool say_done(struct building *building, const struct fact *fact,
                     struct rung *rung)
{
    struct line suite = line_of(building, fact, "suite");
    if (building->tls_count < sizeof building->tls / sizeof *building->tls)
        building->tls[building->tls_count++] = fact;
    put(rung, "%s set up%s%s", SAY("version"), suite.text[0] ? ", " : "",
        suite.text);
    return true;
}

static bool say_alert(struct building *building, const struct fact *fact,
                      struct rung *rung)
{
    struct line name = line_of(building, fact, "name");
    if (!strcmp(name.text, "close_notify")) {
        put(rung, "TLS good-bye (close_notify)");
        return true;
    }
    rung->mark = MARK_REFUSED;
    put(rung, "TLS alert %s (%lld)", name.text, fact_number(fact, "code", -1));
    return true;
}

static bool say_verdict(struct building *building, const struct fact *fact,
                        struct rung *rung)
{
    /* Of a proxy's own way to the server it says nothing about a victim. */
    if (fact_is_upstream(building->report, fact))
        return false;
    struct line verdict = line_of(building, fact, "verdict");
    bool refused = !strcmp(verdict.text, "refused");
    if (refused)
        rung->mark = MARK_REFUSED;
    put(rung, "%s%s, %lld bytes of data", refused ? "by " : verdict.text,
        refused ? SAY("how") : "", fact_number(fact, "app_bytes", 0));
    return true;
}

static bool say_upstream(struct building *building, const struct fact *fact,
                         struct rung *rung)
{
    bool verified = json_is_true(json_object_get(fact->data, "verified"));
    put(rung, "checked the server's certificate: %s",
        verified ? "genuine" : SAY("name"));
    return true;
}

static void mark_changed(const struct fact *fact, struct rung *rung)
{
    if (json_is_true(json_object_get(fact->data, "changed")))
        rung->mark = MARK_CHANGED;
}

/* What a body says in one line: the title of a page, else its beginning. */
static struct line gist_of(struct building *building, const struct fact *fact)
{
    struct text body = fact_bytes(building->report, fact, "body");
    const char *open =
        body.len ? memmem(body.bytes, body.len, "<title>", 7) : NULL;
    if (open) {
        size_t left = body.len - (size_t)(open - body.bytes) - 7;
        const char *end = memmem(open + 7, left, "</title>", 8);
        if (end)
            body = (struct text){open + 7, (size_t)(end - open - 7)};
    }
    struct line line;
    text_line(body, line.text, sizeof line.text - 1);
    return line;
}

/* "in TLS: " for a message that nobody between its two ends can read. */
static const char *wrapper(const struct building *building,
                           const struct fact *fact)
{
    for (unsigned i = 0; i < building->tls_count; i++)
        if (fact_same_connection(building->tls[i], fact))
            return "in TLS: ";
    return "";
}

static bool say_request(struct building *building, const struct fact *fact,
                        struct rung *rung)
{
    struct line body = gist_of(building, fact);
    mark_changed(fact, rung);
    put(rung, "%s%s %s%s%s", wrapper(building, fact), SAY("method"),
        SAY("target"), body.text[0] ? ": " : "", body.text);
    return true;
}

static bool say_response(struct building *building, const struct fact *fact,
                         struct rung *rung)
{
    struct line body = gist_of(building, fact);
    mark_changed(fact, rung);
    put(rung, "%s%s %s%s%s", wrapper(building, fact), SAY("status"),
        SAY("reason"), body.text[0] ? ": " : "", body.text);
    return true;
}

static bool say_refused(struct building *building, const struct fact *fact,
                        struct rung *rung)
{
    rung->mark = MARK_REFUSED;
    put(rung, "will not read this: %s", SAY("sentence"));
    return true;
}

/* The addresses that were told are those of the flow. */
static bool say_told(struct building *building, const struct fact *fact,
                     struct rung *rung)
{
    bool named = json_is_true(json_object_get(fact->data, "told"));
    struct line asked = {.text = ""};
    text_line(fact_bytes(building->report, fact, "authority"), asked.text,
              sizeof asked.text - 1);
    put(rung, "%s says %s%s%s", SAY("by"),
        named ? "who the victim is" : "that it is the victim itself",
        asked.text[0] ? ", who asked for " : "", asked.text);
    return true;
}

static bool say_attack(struct building *building, const struct fact *fact,
                       struct rung *rung)
{
    json_t *arguments = json_object_get(fact->data, "arguments");
    char all[RUNG_TEXT] = "";
    size_t used = 0;
    const char *key;
    json_t *value;
    json_object_foreach(arguments, key, value)
    {
        char one[64];
        text_line(bytes_of(building->report, value), one, sizeof one - 1);
        if (one[0] && strcmp(one, "no") != 0 && used < sizeof all - 1)
            used += (size_t)snprintf(all + used, sizeof all - used, " %.16s=%s",
                                     key, one);
    }
    put(rung, "switches on %s%s", SAY("attack"), all);
    return true;
}

static bool is_word(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

/* Leave of two texts only what differs, and the words that it stands in. */
static void trim_same(struct text *one, struct text *two)
{
    size_t least = one->len < two->len ? one->len : two->len, front = 0;
    while (front < least && one->bytes[front] == two->bytes[front])
        front++;
    size_t back = 0;
    while (back < least - front &&
           one->bytes[one->len - 1 - back] == two->bytes[two->len - 1 - back])
        back++;
    while (front && is_word(one->bytes[front - 1]))
        front--;
    while (back && is_word(one->bytes[one->len - back]))
        back--;
    *one = (struct text){one->bytes + front, one->len - front - back};
    *two = (struct text){two->bytes + front, two->len - front - back};
}

static bool say_changed(struct building *building, const struct fact *fact,
                        struct rung *rung)
{
    struct text before = fact_bytes(building->report, fact, "before");
    struct text after = fact_bytes(building->report, fact, "after");
    struct line was, is;
    trim_same(&before, &after);
    text_line(before, was.text, sizeof was.text - 1);
    text_line(after, is.text, sizeof is.text - 1);
    put(rung, "writes \"%s\" in place of \"%s\"", is.text, was.text);
    return true;
}

static bool say_secret(struct building *building, const struct fact *fact,
                       struct rung *rung)
{
    rung->mark = MARK_READ;
    put(rung, "%s %s", SAY("what"), SAY("value"));
    return true;
}

static bool say_client(struct building *building, const struct fact *fact,
                       struct rung *rung)
{
    long long status = fact_number(fact, "status", 0);
    if (json_is_true(json_object_get(fact->data, "ok")))
        put(rung, "is content: status %lld", status);
    else if (status)
        put(rung, "gets status %lld", status);
    else
        put(rung, "gives up: %s", SAY("reason"));
    return true;
}

static bool say_login(struct building *building, const struct fact *fact,
                      struct rung *rung)
{
    bool ok = json_is_true(json_object_get(fact->data, "ok"));
    put(rung, "login of %s: %s", SAY("user"), ok ? "welcome" : "wrong");
    return true;
}

static bool say_ledger(struct building *building, const struct fact *fact,
                       struct rung *rung)
{
    put(rung, "ledger: %s pays %s to %s", SAY("from"), SAY("amount"),
        SAY("to"));
    return true;
}

static const struct row {
    const char *kind;
    enum shape shape;
    say *say;
} rows[] = {
    {"flow.open", SHAPE_UP, say_open},
    {"flow.end", SHAPE_NOTE, say_end},
    {"server.unreachable", SHAPE_NOTE, say_unreachable},
    {"tls.hello", SHAPE_UP, say_hello},
    {"tls.cert", SHAPE_DOWN, say_cert},
    {"tls.done", SHAPE_BOTH, say_done},
    {"tls.alert", SHAPE_DIR, say_alert},
    {"tls.verdict", SHAPE_NOTE, say_verdict},
    {"tls.upstream", SHAPE_NOTE, say_upstream},
    {"proxy.told", SHAPE_UP, say_told},
    {"http.request", SHAPE_UP, say_request},
    {"http.response", SHAPE_DOWN, say_response},
    {"http.refused", SHAPE_NOTE, say_refused},
    {"attack.start", SHAPE_NOTE, say_attack},
    {"attack.changed", SHAPE_NOTE, say_changed},
    {"secret.read", SHAPE_NOTE, say_secret},
    {"client.result", SHAPE_NOTE, say_client},
    {"bank.login", SHAPE_NOTE, say_login},
    {"ledger.entry", SHAPE_NOTE, say_ledger},
};

static const struct row *row_of(const struct fact *fact)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (fact_is(fact, rows[i].kind))
            return &rows[i];
    return NULL;
}

bool ladder_say(struct report *report, const struct fact *fact,
                struct rung *out)
{
    struct building building = {.report = report};
    const struct row *row = row_of(fact);
    *out = (struct rung){.frame = fact->frame};
    return row && row->say(&building, fact, out);
}

/* ---- who stands at its ends -------------------------------------------- */

/* The column of a place, added if there is room; -1 without. */
static int column(struct ladder *ladder, struct text name)
{
    if (!name.len)
        return -1;
    for (unsigned i = 0; i < ladder->columns_count; i++)
        if (text_same(ladder->columns[i], name))
            return (int)i;
    if (ladder->columns_count == PLACES_MOST)
        return -1;
    ladder->columns[ladder->columns_count] = name;
    return (int)ladder->columns_count++;
}

static int column_of_address(struct building *building, struct text address)
{
    return column(building->ladder, place_at(building->report, address));
}

/* The two ends of the connection. A transparent proxy answers in the name of
 * the server, so an address alone would put the arrow past it: who saw the
 * fact stands on the side that its leg says. An address that is no place's is
 * a relay's, which records what passes to the victim or the server. */
static bool find_ends(struct building *building, const struct fact *fact,
                      int *opener, int *acceptor)
{
    int here = column(building->ladder, fact->place);
    bool server_leg = text_is(fact->leg, "server");
    *opener = column_of_address(building, fact->opener);
    *acceptor = column_of_address(building, fact->acceptor);
    if (here >= 0 && here != *opener && here != *acceptor) {
        if (text_is(fact->leg, "victim"))
            *acceptor = here;
        else if (server_leg)
            *opener = here;
    }
    if (*acceptor < 0 && server_leg && fact->frame)
        *acceptor = column(building->ladder, TEXT("server"));
    if (*opener < 0 && !server_leg && fact->frame)
        *opener = column(building->ladder, TEXT("victim"));
    return *opener >= 0 && *acceptor >= 0 && *opener != *acceptor;
}

static void set_arrow(struct rung *rung, bool up, int opener, int acceptor)
{
    rung->from = (unsigned)(up ? opener : acceptor);
    rung->to = (unsigned)(up ? acceptor : opener);
}

static bool set_ends(struct building *building, const struct fact *fact,
                     enum shape shape, struct rung *rung)
{
    int opener, acceptor;
    bool ends = find_ends(building, fact, &opener, &acceptor);
    int here = column(building->ladder, fact->place);
    bool up =
        shape == SHAPE_DIR ? !text_is(fact->dir, "down") : shape != SHAPE_DOWN;
    if (shape != SHAPE_NOTE && ends) {
        set_arrow(rung, up, opener, acceptor);
        rung->both = shape == SHAPE_BOTH;
        return true;
    }
    /* The other end of a relayed connection tells it better. */
    if (here < 0 || (shape != SHAPE_NOTE && fact->acceptor.len &&
                     (opener < 0 || acceptor < 0)))
        return false;
    rung->from = rung->to = (unsigned)here;
    return true;
}

/* ---- all of it --------------------------------------------------------- */

/* Both ends of a connection report the same message; it is drawn once, with
 * what either of them knows about it. */
static bool is_double(const struct building *building, const struct fact *fact,
                      const struct rung *rung)
{
    if (rung->from == rung->to)
        return false;
    size_t count = building->ladder->count;
    for (size_t back = 0; back < count && back < 64; back++) {
        struct rung *before = &building->ladder->rungs[count - 1 - back];
        const struct fact *twin = building->sources[count - 1 - back];
        if (twin && fact_same_message(twin, fact) &&
            before->from == rung->from && before->to == rung->to) {
            before->mark = before->mark ? before->mark : rung->mark;
            before->frame = before->frame ? before->frame : rung->frame;
            return true;
        }
    }
    return false;
}

/* An attack says that it is on after its program is ready, and the act may
 * have been started by then: the attack comes first all the same. */
static void put_before_acts(struct building *building)
{
    struct rung *rungs = building->ladder->rungs;
    size_t at = building->ladder->count - 1;
    for (; at && !building->sources[at - 1]; at--) {
        struct rung kept = rungs[at - 1];
        rungs[at - 1] = rungs[at];
        rungs[at] = kept;
        building->sources[at - 1] = building->sources[at];
        building->sources[at] = NULL;
    }
}

static void add(struct building *building, const struct fact *fact)
{
    struct ladder *ladder = building->ladder;
    const struct row *row = row_of(fact);
    struct rung rung = {.frame = fact->frame};
    if (!row)
        return;
    if (ladder->count == RUNGS_MOST) {
        ladder->left_out++;
        return;
    }
    if (!row->say(building, fact, &rung) ||
        !set_ends(building, fact, row->shape, &rung) ||
        is_double(building, fact, &rung))
        return;
    building->sources[ladder->count] = fact;
    ladder->rungs[ladder->count++] = rung;
    if (fact_is(fact, "attack.start"))
        put_before_acts(building);
}

/* A client says how it ended after all that it exchanged: the last frame of
 * its act, or of its connection. */
static long long last_frame(const struct building *building,
                            const struct fact *result)
{
    long long last = 0;
    for (size_t i = 0; i < building->ladder->count; i++) {
        const struct fact *fact = building->sources[i];
        if (fact && building->ladder->rungs[i].frame > last &&
            (result->act.len ? text_same(result->act, fact->act)
                             : fact_same_connection(result, fact)))
            last = building->ladder->rungs[i].frame;
    }
    return last;
}

/* Programs note a message when they have read it; the wire knows better. A
 * rung goes where its frame belongs: what changes a message before it, what
 * comes of it after it. A rung without a frame stays behind the one that it
 * followed. */
static void order_by_frame(struct building *building)
{
    struct ladder *ladder = building->ladder;
    long long latest = 0;
    for (size_t i = 0; i < ladder->count; i++) {
        struct rung *rung = &ladder->rungs[i];
        const struct fact *fact = building->sources[i];
        bool cause = fact && fact_is(fact, "attack.changed");
        if (rung->frame > latest)
            latest = rung->frame;
        long long frame = rung->frame ? rung->frame : latest;
        if (fact && fact_is(fact, "client.result"))
            frame = last_frame(building, fact);
        bool message = rung->frame && rung->from != rung->to;
        rung->order = 3 * frame + (cause ? 0 : message ? 1 : 2);
    }
    for (size_t i = 1; i < ladder->count; i++) {
        struct rung kept = ladder->rungs[i];
        size_t at = i;
        for (; at && ladder->rungs[at - 1].order > kept.order; at--)
            ladder->rungs[at] = ladder->rungs[at - 1];
        ladder->rungs[at] = kept;
    }
}

/* What was typed at a place is a note there, like "$ careful". */
static void add_act(struct building *building, const struct act *act)
{
    struct ladder *ladder = building->ladder;
    int here = column(ladder, act->at);
    if (here < 0 || !act->t0 || ladder->count == RUNGS_MOST)
        return;
    struct rung rung = {.from = (unsigned)here, .to = (unsigned)here};
    char name[81];
    text_line(act->name, name, sizeof name - 1);
    put(&rung, "starts \"%s\"", name);
    building->sources[ladder->count] = NULL;
    ladder->rungs[ladder->count++] = rung;
}

static void add_all(struct building *building, const struct step *step,
                    struct fact_span span)
{
    struct report *report = building->report;
    unsigned act = 0;
    for (size_t i = 0; i < span.count; i++) {
        const struct fact *fact = &report->facts[span.first + i];
        for (; act < step->acts_count && step->acts[act].t0 <= fact->t; act++)
            add_act(building, &step->acts[act]);
        add(building, fact);
    }
    for (; act < step->acts_count; act++)
        add_act(building, &step->acts[act]);
}

void ladder_build(struct report *report, unsigned step, struct ladder *out)
{
    *out = (struct ladder){0};
    const struct fact *sources[RUNGS_MOST];
    struct building building = {
        .report = report, .ladder = out, .sources = sources};
    out->rungs = arena_alloc(&report->arena, RUNGS_MOST * sizeof *out->rungs);
    if (!out->rungs)
        return;
    for (unsigned i = 0; i < report->places_count; i++)
        column(out, report->places[i].name);
    add_all(&building, &report->steps[step], step_facts(report, step));
    order_by_frame(&building);
}

/* Where a line may end: at a blank, else behind a mark inside a long word. */
static size_t break_at(const char *text, size_t most)
{
    for (size_t at = most + 1; at-- > most / 3;)
        if (text[at] == ' ')
            return at;
    for (size_t at = most; at > most / 2; at--)
        if (strchr("&/?;,=", text[at - 1]))
            return at;
    return most;
}

size_t ladder_wrap(const char **text, size_t most)
{
    size_t end = strlen(*text);
    if (end > most)
        end = break_at(*text, most);
    *text += end;
    *text += strspn(*text, " ");
    return end;
}
