/* SPDX-License-Identifier: MIT
 *
 * The verdict is the server side's. What the victim said about itself is only
 * used to choose the paragraph that explains it. */
#include "labs/report/verdict.h"

#include "certs/forge.h"

#include <string.h>

static const struct row {
    long long code, alert;
    const char *how, *paragraph;
} rows[] = {
#define REFUSAL(code, alert, how, paragraph) {code, alert, how, paragraph},
#include "labs/report/refusals.def"
#undef REFUSAL
};

const char *verdict_explain(long long verify_code, long long alert_code,
                            struct text how)
{
    enum { COUNT = sizeof rows / sizeof *rows };
    for (size_t i = 0; i < COUNT; i++) {
        const struct row *row = &rows[i];
        if ((row->code == -1 || row->code == verify_code) &&
            (row->alert == 0 || row->alert == alert_code) &&
            (!row->how[0] || text_is(how, row->how)))
            return row->paragraph;
    }
    return rows[COUNT - 1].paragraph;
}

const char *verdict_close_words(struct text how)
{
    static const char *const words[][2] = {
        {"alert", "with an alert"},
        {"close_notify", "handshake finished, then close_notify"},
        {"silent", "handshake finished, then closed without a word"},
        {"abort", "broke off inside the handshake, without an alert"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (text_is(how, words[i][0]))
            return words[i][1];
    return "in a way that is not recorded";
}

const struct forgery *recipe_of(struct text id)
{
    char room[16];
    if (!id.len || id.len >= sizeof room)
        return NULL;
    text_line(id, room, sizeof room - 1);
    return forgery_find(room);
}

/* A client's own account belongs to the act, whatever address it dialled. */
static bool belongs(const struct fact *said, const struct fact *fact)
{
    if (fact_is(fact, "client.result") && said->act.len)
        return text_same(said->act, fact->act);
    return fact_same_connection(said, fact) &&
           (!fact->leg.len || text_same(said->leg, fact->leg));
}

static void take(struct report *report, const struct fact *fact,
                 struct verdict *out)
{
    if (fact_is(fact, "tls.hello")) {
        out->server_name = fact_bytes(report, fact, "sni");
        out->hello_frame = fact->frame;
    } else if (fact_is(fact, "tls.cert")) {
        out->cert_frame = fact->frame;
        out->forged |= text_is(fact_bytes(report, fact, "role"), "forged");
    } else if (fact_is(fact, "tls.done")) {
        out->version = fact_bytes(report, fact, "version");
    } else if (fact_is(fact, "tls.alert") && !text_is(fact->dir, "down")) {
        out->alert_frame = fact->frame;
    } else if (fact_is(fact, "client.result")) {
        out->verify_code = fact_number(fact, "verify_code", -1);
        out->verify_name = fact_bytes(report, fact, "verify_name");
    }
}

/* The act of the verdict, or else the last one that had begun by then. */
static struct text act_of(const struct step *step, const struct fact *verdict)
{
    struct text name = verdict->act;
    for (unsigned i = 0; !verdict->act.len && i < step->acts_count; i++)
        if (step->acts[i].t0 && step->acts[i].t0 <= verdict->t)
            name = step->acts[i].name;
    return name;
}

/* Why a victim said yes to what the attacker made. */
static const char *explain_yes(const struct verdict *verdict)
{
    if (verdict->recipe && verdict->recipe->verify_code)
        return "This victim took a certificate that fails a check, because it "
               "does not make that check. It believes to be talking to the "
               "server, and what it sends can be read where the certificate "
               "was made.";
    return "Every check was made and every check passed: the issuer is in the "
           "victim's trust file. Whoever can put a CA there can be any server "
           "for this victim, and no alert will ever say so.";
}

static void explain(struct verdict *out)
{
    /* Real clients report no code. A forgery is made to fail one check. */
    long long code = out->verify_code;
    if (code <= 0 && out->recipe && out->recipe->verify_code)
        code = out->recipe->verify_code;
    out->why = out->accepted ? explain_yes(out)
                             : verdict_explain(code, out->alert_code, out->how);
}

static void gather(struct report *report, struct span span,
                   const struct fact *said, struct verdict *out)
{
    *out = (struct verdict){
        .accepted = text_is(fact_bytes(report, said, "verdict"), "accepted"),
        .forgery = fact_bytes(report, said, "forgery"),
        .alert = fact_bytes(report, said, "alert"),
        .how = fact_bytes(report, said, "how"),
        .alert_code = fact_number(said, "alert_code", -1),
        .verify_code = -1,
        .app_bytes = fact_number(said, "app_bytes", 0),
    };
    for (size_t i = 0; i < span.count; i++) {
        const struct fact *fact = &report->facts[span.first + i];
        if (belongs(said, fact))
            take(report, fact, out);
    }
    /* close_notify is alert 0, but says goodbye, not no. */
    if (!out->alert_code)
        out->alert_code = -1;
    out->recipe = recipe_of(out->forgery);
    explain(out);
}

struct verdict *verdicts_of(struct report *report, unsigned step,
                            unsigned *out_count)
{
    enum { MOST = 50, LOOKED_MOST = 500 };
    unsigned looked = 0;
    struct span span = step_facts(report, step);
    struct verdict *list =
        arena_alloc(&report->arena, MOST * sizeof(struct verdict));
    *out_count = 0;
    for (size_t i = 0; list && i < span.count; i++) {
        const struct fact *fact = &report->facts[span.first + i];
        if (*out_count == MOST || looked == LOOKED_MOST)
            break;
        if (!fact_is(fact, "tls.verdict"))
            continue;
        looked++;
        if (fact_is_upstream(report, fact))
            continue;
        struct verdict *verdict = &list[*out_count];
        gather(report, span, fact, verdict);
        verdict->act = act_of(&report->steps[step], fact);
        /* That an honest certificate was accepted needs no explanation. */
        *out_count += !verdict->accepted || verdict->forged;
    }
    return list;
}
