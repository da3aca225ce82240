/* SPDX-License-Identifier: MIT
 *
 * Facts about acts. The verdict on a certificate comes from the TLS server
 * that the victim talked to, never from the victim's own words. */
#include "labs/engine/acts.h"

#include "labs/engine/canary.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- finding events ------------------------------------------------------ */

struct search {
    unsigned step;
    const char *act, *kind, *role; /* role NULL: any */
    const char *opener;            /* address; NULL: any */
};

static bool fits(const json_t *event, const struct search *search)
{
    struct index_tuple tuple;
    if (!event_belongs(event, search->step, search->act) ||
        strcmp(event_kind(event), search->kind) != 0 ||
        (search->role && strcmp(event_member(event, "role"), search->role)))
        return false;
    return !search->opener ||
           (event_tuple(event, &tuple) && !strcmp(tuple.src, search->opener));
}

static const json_t *first(const struct play *play, const struct search *search)
{
    size_t i;
    json_t *event;
    json_array_foreach(play->chronicle.events, i,
                       event) if (fits(event, search)) return event;
    return NULL;
}

/* What the other end of the act's own connection saw: the proxy if it stood
 * there, else the server. */
static const json_t *seen_by_peer(const struct play *play, unsigned step,
                                  const struct lab_command *act,
                                  const char *kind)
{
    const struct net_place *place = play_place(play, act->at);
    struct search search = {step, act->as, kind, "proxy", place->ip4};
    const json_t *event = first(play, &search);
    search.role = "server";
    return event ? event : first(play, &search);
}

/* ---- members of the facts ------------------------------------------------ */

static void copy_data(json_t *facts, const json_t *event, const char *key)
{
    json_t *value = json_object_get(json_object_get(event, "data"), key);
    if (value)
        json_object_set(facts, key, value);
}

static void add_verdict(const struct play *play, unsigned step,
                        const struct lab_command *act, json_t *facts)
{
    static const char *const keys[] = {"verdict",    "how",       "alert",
                                       "alert_code", "app_bytes", "forgery"};
    const json_t *event = seen_by_peer(play, step, act, "tls.verdict");
    for (size_t i = 0; event && i < sizeof keys / sizeof *keys; i++)
        copy_data(facts, event, keys[i]);
}

/* The last answer on the act's own connections. */
static void add_status(const struct play *play, unsigned step,
                       const struct lab_command *act, json_t *facts)
{
    const struct net_place *place = play_place(play, act->at);
    struct search search = {step, act->as, "http.response", NULL, place->ip4};
    size_t i;
    json_t *event;
    json_array_foreach(play->chronicle.events, i, event)
    {
        if (fits(event, &search))
            copy_data(facts, event, "status");
    }
}

static json_t *entry_of(const json_t *event)
{
    json_t *entry = json_copy(json_object_get(event, "data"));
    json_t *frame = json_object_get(event, "frame");
    if (frame)
        json_object_set(entry, "frame", frame);
    return entry;
}

static json_t *ledger_of(const struct play *play, unsigned step,
                         const char *act)
{
    struct search search = {step, act, "ledger.entry", NULL, NULL};
    json_t *ledger = json_array();
    size_t i;
    json_t *event;
    json_array_foreach(play->chronicle.events, i,
                       event) if (fits(event, &search))
        json_array_append_new(ledger, entry_of(event));
    return ledger;
}

/* The first certificate with one of these roles, as an object. */
static void add_cert(const struct play *play, unsigned step, const char *act,
                     const char *name, const char *const *cert_roles,
                     json_t *facts)
{
    struct search search = {step, act, "tls.cert", NULL, NULL};
    for (; *cert_roles; cert_roles++) {
        size_t i;
        json_t *event;
        json_array_foreach(play->chronicle.events, i, event)
        {
            json_t *data = json_object_get(event, "data");
            if (!fits(event, &search) ||
                strcmp(event_data(event, "role"), *cert_roles) != 0)
                continue;
            json_t *leaf = json_object_get(data, "leaf");
            json_object_set(facts, name, leaf ? leaf : data);
            return;
        }
    }
}

static void add_certs(const struct play *play, unsigned step, const char *act,
                      json_t *facts)
{
    static const char *const forged[] = {"forged", NULL};
    static const char *const original[] = {"original", "own", NULL};
    add_cert(play, step, act, "forged", forged, facts);
    add_cert(play, step, act, "original", original, facts);
}

json_t *acts_facts(const struct play *play, unsigned step,
                   const struct played_act *played)
{
    const struct lab_command *act = played->act;
    if (played->skipped)
        return json_pack("{s:b}", "skipped", 1);
    json_t *facts = json_pack("{s:i,s:s,s:o}", "exit", played->exit, "output",
                              played->output ? played->output : "", "ledger",
                              ledger_of(play, step, act->as));
    add_verdict(play, step, act, facts);
    add_status(play, step, act, facts);
    add_certs(play, step, act->as, facts);
    return facts;
}

/* ---- the whole run ------------------------------------------------------- */

static json_t *canaries(uint64_t seed)
{
    json_t *all = json_object();
    const struct canary *canary;
    for (unsigned i = 0; (canary = canary_at(i)); i++) {
        char text[CANARY_TEXT];
        canary_draw(seed, canary, text);
        json_object_set_new(all, canary->name,
                            canary_is_number(canary) ? json_integer(atoll(text))
                                                     : json_string(text));
    }
    return all;
}

static json_t *step_of(const struct play *play, unsigned number)
{
    const struct lab_step *step = &play->lab->steps[number - 1];
    const struct played_step *played = &play->steps[number - 1];
    json_t *acts = json_object();
    for (unsigned i = 0; played->acts && i < step->acts_count; i++)
        if (played->acts[i].act)
            json_object_set_new(acts, step->acts[i].as,
                                acts_facts(play, number, &played->acts[i]));
    json_t *evidence =
        played->evidence ? json_incref(played->evidence) : json_array();
    return json_pack("{s:s,s:o,s:o}", "title", step->title, "acts", acts,
                     "evidence", evidence);
}

/* Without those that say nothing to a lab, and hold much. */
static json_t *worthy_events(const struct play *play)
{
    static const char *const dull[] = {"tls.key", "flow.state", "heartbeat",
                                       "ready"};
    json_t *events = json_array();
    size_t i;
    json_t *event;
    json_array_foreach(play->chronicle.events, i, event)
    {
        bool worthy = true;
        for (size_t j = 0; j < sizeof dull / sizeof *dull; j++)
            worthy &= strcmp(event_kind(event), dull[j]) != 0;
        if (worthy)
            json_array_append(events, event);
    }
    return events;
}

json_t *acts_document(const struct play *play)
{
    json_t *steps = json_array(), *acts = json_object();
    for (unsigned i = 1; i <= play->step; i++) {
        json_t *step = step_of(play, i);
        json_object_update(acts, json_object_get(step, "acts"));
        json_array_append_new(steps, step);
    }
    json_t *document = json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:I,s:s}", "acts", acts, "steps", steps, "ledger",
        ledger_of(play, 0, NULL), "events", worthy_events(play), "canary",
        canaries(play->options->seed), "seed", (json_int_t)play->options->seed,
        "topology", net_topology_name(play->plan.topology));
    add_certs(play, 0, NULL, document);
    json_t *workshop = json_object_get(play->result, "workshop");
    if (workshop)
        json_object_set(document, "workshop", workshop);
    return document;
}

/* One step of a path: "name", or "[3]" behind one. */
static const json_t *down(const json_t *value, const char **path)
{
    char key[64];
    if (**path == '[') {
        char *end;
        unsigned long position = strtoul(*path + 1, &end, 10);
        *path = *end == ']' ? end + 1 : end;
        return position ? json_array_get(value, position - 1) : NULL;
    }
    *path += **path == '.';
    size_t len = strcspn(*path, ".[");
    snprintf(key, sizeof key, "%.*s", (int)len, *path);
    *path += len;
    return json_object_get(value, key);
}

const json_t *acts_at(const json_t *document, const char *path)
{
    const json_t *value = document;
    while (value && *path)
        value = down(value, &path);
    return value;
}

/* ---- text in clear ------------------------------------------------------- */

static bool mentioned(const struct play *play, unsigned step, const char *act,
                      const char *role, const char *kind, const char *text)
{
    struct search search = {step, act, kind, role, NULL};
    size_t i;
    json_t *event;
    json_array_foreach(play->chronicle.events, i, event)
    {
        if (fits(event, &search) && event_mentions(event, text))
            return true;
    }
    return false;
}

bool acts_attacker_reads(const struct play *play, unsigned step,
                         const struct played_act *played, const char *text)
{
    static const char *const kinds[] = {"secret.read", "http.request",
                                        "http.response"};
    static const char *const attackers[] = {"proxy", "attack"};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 2; j++)
            if (mentioned(play, step, played->act->as, attackers[j], kinds[i],
                          text))
                return true;
    return false;
}

bool acts_server_gets(const struct play *play, unsigned step,
                      const struct played_act *played, const char *text)
{
    return mentioned(play, step, played->act->as, "server", "http.request",
                     text);
}

/* ---- bytes on the wire --------------------------------------------------- */

unsigned acts_wire_count(const struct capture_index *index,
                         struct frames frames, const char *bytes, size_t len)
{
    struct index_query query = {.bytes = bytes,
                                .len = len,
                                .from_frame = frames.from,
                                .to_frame = frames.to};
    unsigned count = 0;
    if (!len || !frames.from || frames.to < frames.from)
        return 0;
    for (uint64_t frame; (frame = index_find(index, &query)); count++) {
        query.from_frame = frame + 1;
        if (query.from_frame > frames.to)
            return count + 1;
    }
    return count;
}
