/* SPDX-License-Identifier: MIT
 *
 * The verdict is the server side's. What the victim said about itself is only
 * used to choose the paragraph that explains it. */
#include "labs/report/verdict.h"

#include "certs/forge.h"

#include <string.h>

/* Of the lab's own clients, as curl's: the certificate was refused. */
enum { EXIT_REFUSED = 60 };

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
        out->depth = fact_number(fact, "depth", -1);
        out->said_no = fact_number(fact, "exit", 0) == EXIT_REFUSED;
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

static void explain_verdict(struct verdict *it)
{
    char how[16], version[16];
    text_line(it->how, how, sizeof how - 1);
    text_line(it->version, version, sizeof version - 1);
    struct explain_facts facts = {
        .how = how,
        .alert = (int)it->alert_code,
        .verify_code = (int)it->verify_code,
        .depth = (int)it->depth,
        .version = explain_version(version),
        .finished = it->finished_known ? it->finished : -1,
        .app_bytes = it->app_bytes,
        .said_no = it->said_no,
        .genuine = !it->forged && !it->forgery.len,
        .forgery = it->recipe,
    };
    explain(&facts, &it->why);
}

static void gather(struct report *report, struct fact_span span,
                   const struct fact *said, struct verdict *out)
{
    *out = (struct verdict){
        .said = said,
        .accepted = text_is(fact_bytes(report, said, "verdict"), "accepted"),
        .forgery = fact_bytes(report, said, "forgery"),
        .alert = fact_bytes(report, said, "alert"),
        .how = fact_bytes(report, said, "how"),
        .version = fact_bytes(report, said, "version"),
        .alert_code = fact_number(said, "alert_code", -1),
        .verify_code = -1,
        .depth = -1,
        .app_bytes = fact_number(said, "app_bytes", 0),
    };
    for (size_t i = 0; i < span.count; i++) {
        const struct fact *fact = &report->facts[span.first + i];
        if (belongs(said, fact))
            take(report, fact, out);
    }
    json_t *finished = json_object_get(said->data, "finished");
    out->finished_known = json_is_boolean(finished);
    out->finished = json_is_true(finished);
    /* close_notify is alert 0, but says goodbye, not no. */
    if (!out->alert_code)
        out->alert_code = -1;
    out->recipe = recipe_of(out->forgery);
    explain_verdict(out);
}

struct verdict *verdicts_of(struct report *report, unsigned step,
                            unsigned *out_count)
{
    enum { MOST = 50, LOOKED_MOST = 500 };
    unsigned looked = 0;
    struct fact_span span = step_facts(report, step);
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

static bool same_conversation(const struct fact *one, const struct fact *two)
{
    bool flow = one->flow && one->flow == two->flow &&
                text_same(one->place, two->place);
    return one->step == two->step && (flow || fact_same_connection(one, two));
}

bool verdict_of(struct report *report, const struct fact *fact,
                struct verdict *out)
{
    for (size_t i = 0; i < report->facts_count; i++) {
        const struct fact *said = &report->facts[i];
        if (!fact_is(said, "tls.verdict") || !same_conversation(said, fact) ||
            fact_is_upstream(report, said))
            continue;
        unsigned step = said->step < 0 ? 0 : (unsigned)said->step;
        struct fact_span span = {0, report->facts_count};
        if (step < report->steps_count)
            span = step_facts(report, step);
        gather(report, span, said, out);
        if (step < report->steps_count)
            out->act = act_of(&report->steps[step], said);
        return true;
    }
    return false;
}

const char *verdict_word(const struct verdict *verdict)
{
    return verdict->why.way == EXPLAIN_TOO_LATE ? "no, but too late"
           : verdict->accepted                  ? "yes"
                                                : "no";
}
