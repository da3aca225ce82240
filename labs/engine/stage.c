/* SPDX-License-Identifier: MIT
 *
 * Before the first step: places, certificates, files, the capture, servers.
 * After the last one: all of that in reverse. */
#include "labs/engine/play.h"

#include "labs/engine/clock.h"
#include "labs/engine/shelf.h"
#include "labs/engine/words.h"

#include <stdlib.h>
#include <string.h>

enum {
    READY_MS = 20 * 1000, /* a rig makes a hundred keys first */
    SYNC_MS = 5000,
    BARE_PORTS = 8000, /* added to ports below 1024 */
};

/* ---- places -------------------------------------------------------------- */

int stage_topology(struct play *play, struct err *err)
{
    const struct lab *lab = play->lab;
    const char *wanted = play->options->topology;
    enum net_topology *out = &play->plan.topology;
    *out = NET_BARE;
    if (play->options->bare) {
        if (lab->bare)
            return 0;
        err_set(err,
                "%s does not run with --bare: it needs a network of its "
                "own",
                lab->id);
        return -1;
    }
    if (!wanted)
        wanted = lab->topologies[0];
    for (unsigned i = 0; i < lab->topologies_count; i++)
        for (int it = NET_SWITCH; it < NET_BARE; it++)
            if (!strcmp(lab->topologies[i], wanted) &&
                !strcmp(net_topology_name((enum net_topology)it), wanted)) {
                *out = (enum net_topology)it;
                return 0;
            }
    err_set(err,
            "%s does not run on topology \"%s\"; 'mitmlab info %s' lists "
            "its own",
            lab->id, wanted, lab->id);
    return -1;
}

static void plan_places(struct play *play)
{
    const json_t *places = lab_places(play->lab);
    const json_t *routes = lab_routes(play->lab);
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)places, i, item)
        play->plan.places[play->plan.places_count++]
            .name = json_string_value(item);
    json_array_foreach((json_t *)routes, i, item)
        play->plan.routes[play->plan.routes_count++] = (struct net_route){
        words_text("route", item, "1"), words_text("route", item, "to"),
        words_text("route", item, "via")};
}

static int build_places(struct play *play, struct err *err)
{
    char *work = binder_path(&play->binder, "places");
    play->plan.seed = play->options->seed;
    plan_places(play);
    play->plan.work_dir = work;
    int rc = 0;
    if (play->plan.topology == NET_BARE)
        rc = binder_folder(&play->binder, "places", err);
    if (!rc)
        rc = net_build(&play->plan, &play->net, err);
    play->plan.work_dir = NULL;
    free(work);
    if (rc && err->code == EXIT_MACHINE && play->lab->bare &&
        !play->options->bare) {
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used,
                 "; 'mitmlab run %s --bare' runs here", play->lab->id);
    }
    return rc;
}

/* The lab knows its addresses only now. */
static int reload(struct play *play, struct err *err)
{
    struct lab *lab;
    struct sandbox_world world = {play->options->seed, &play->plan,
                                  net_dir(play->net, "victim")};
    const char *names[NET_PLACES_MOST];
    if (lab_load(play->lab->folder, &world, &lab, err))
        return -1;
    /* The plan borrows names from the lab. */
    for (unsigned i = 0; i < play->plan.places_count; i++)
        names[i] = json_string_value(json_array_get(lab_places(lab), i));
    lab_free(play->lab);
    play->lab = lab;
    for (unsigned i = 0; i < play->plan.places_count; i++)
        play->plan.places[i].name = names[i];
    return 0;
}

int stage_port(const struct play *play, int port)
{
    return play->plan.topology == NET_BARE && port < 1024 ? port + BARE_PORTS
                                                          : port;
}

/* ---- names --------------------------------------------------------------- */

/* With --bare a place is reached through the recorder, which listens at an
 * address of its own for each: 127.67.N.x for the place 127.66.N.x, so that no
 * seed can draw it for a place. Whoever holds the block N holds both. */
static void door_of(const struct play *play, const struct net_place *place,
                    char out[16])
{
    unsigned block, host;
    if (play->plan.topology == NET_BARE &&
        sscanf(place->ip4, "127.66.%u.%u", &block, &host) == 2)
        snprintf(out, 16, "127.67.%u.%u", block & 0xff, host & 0xff);
    else
        memcpy(out, place->ip4, 16);
}

static const char *via_of(const struct play *play, const char *from,
                          const char *to)
{
    const json_t *routes = lab_routes(play->lab);
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)routes, i, item)
    {
        if (!strcmp(words_text("route", item, "1"), from) &&
            !strcmp(words_text("route", item, "to"), to))
            return words_text("route", item, "via");
    }
    return NULL;
}

/* Where routes cannot be bent, names are: while the attacker is on the path
 * from a place, the server's name means the attacker there. */
static const struct net_place *
meaning_of(const struct play *play, const char *from, const char *to, bool bent)
{
    bool wire =
        play->plan.topology == NET_SWITCH || play->plan.topology == NET_HUB;
    const char *via = bent && !wire ? via_of(play, from, to) : NULL;
    return play_place(play, via ? via : to);
}

static int put_hosts(struct play *play, const char *at, bool bent,
                     struct err *err)
{
    struct buf text = {0};
    const char *name;
    json_t *place;
    buf_append_text(&text, "127.0.0.1 localhost\n");
    for (unsigned i = 0; i < play->plan.places_count; i++)
        buf_printf(&text, "%s %s\n", play->plan.places[i].ip4,
                   play->plan.places[i].name);
    json_object_foreach((json_t *)lab_names(play->lab), name, place)
    {
        char door[16];
        door_of(play, meaning_of(play, at, json_string_value(place), bent),
                door);
        buf_printf(&text, "%s %s\n", door, name);
    }
    int rc = net_put(play->net, at, "/etc/hosts", buf_head(&text),
                     buf_len(&text), err);
    buf_free(&text);
    return rc;
}

int stage_hosts(struct play *play, bool bent, struct err *err)
{
    for (unsigned i = 0; i < play->plan.places_count; i++)
        if (put_hosts(play, play->plan.places[i].name, bent, err))
            return -1;
    return 0;
}

/* ---- the capture --------------------------------------------------------- */

static enum capture_secrets secrets_of(const struct lab *lab)
{
    return !strcmp(lab->secrets, "none")    ? CAPTURE_SECRETS_NONE
           : !strcmp(lab->secrets, "after") ? CAPTURE_SECRETS_AFTER
                                            : CAPTURE_SECRETS_ALL;
}

static void feed_line(const struct play *play, struct command_line *out)
{
    bool loopback = play->plan.topology == NET_LOOPBACK;
    command_word(out, "feed");
    command_word(out, "--fd");
    command_word(out, "0");
    command_word(out, "--iface");
    command_word(out, loopback ? "lo" : "br0");
    for (unsigned i = 0; i < play->plan.places_count; i++) {
        const struct net_place *place = &play->plan.places[i];
        command_word(out, "--map");
        command_wordf(out, "%s=%s", loopback ? place->ip4 : place->mac,
                      place->name);
    }
}

/* One listener for every port of every place that may listen. */
static void recorder_line(const struct play *play, struct command_line *out)
{
    int ports[16];
    unsigned ports_count = stage_ports(play, ports, 16);
    command_word(out, "recorder");
    command_word(out, "--fd");
    command_word(out, "0");
    for (unsigned i = 0; i < play->plan.places_count; i++)
        for (unsigned j = 0; j < ports_count; j++) {
            const struct net_place *place = &play->plan.places[i];
            const struct net_place *client = &play->plan.places[i ? 0 : 1];
            int port = stage_port(play, ports[j]);
            char door[16];
            door_of(play, place, door);
            command_word(out, "--map");
            command_wordf(out, "%s:%d=%s:%d,client=%s:%s,server=%s", door, port,
                          place->ip4, port, client->name, client->ip4,
                          place->name);
        }
}

static int start_capture(struct play *play, struct err *err)
{
    struct command_line line = {.count = 0};
    char comment[96];
    snprintf(comment, sizeof comment, "mitmlab %s, seed %llu", play->lab->id,
             (unsigned long long)play->options->seed);
    play->capture_path = binder_path(&play->binder, "capture.pcapng");
    play->keys_path = binder_path(&play->binder, "keys.log");
    struct capture_plan plan = {play->capture_path, play->keys_path, comment,
                                secrets_of(play->lab)};
    if (capture_start(&plan, &play->capture, err))
        return -1;
    command_word(&line, shelf_program());
    if (play->plan.topology == NET_BARE)
        recorder_line(play, &line);
    else
        feed_line(play, &line);
    play->recorder = cast_start(&play->cast, ACTOR_RECORD, "switch",
                                (const char *const *)line.words, NULL,
                                capture_feed_fd(play->capture), err);
    command_close(&line);
    capture_feed_given(play->capture);
    if (!play->recorder || capture_sync(play->capture, SYNC_MS, err))
        return -1;
    return capture_index_load(play->capture_path, &play->index, err);
}

/* ---- servers ------------------------------------------------------------- */

static bool waits_for_ready(const struct actor *actor)
{
    return actor->role != ACTOR_RECORD && actor->role != ACTOR_ACT;
}

static bool all_ready(void *argument)
{
    const struct play *play = argument;
    for (const struct actor *it = play->cast.actors; it; it = it->next)
        if (waits_for_ready(it) && !it->ready && !it->ended)
            return false;
    return true;
}

static int not_ready(const struct actor *actor, struct err *err)
{
    const uint8_t *bytes = (const uint8_t *)"";
    size_t len = buf_len(&actor->output);
    if (len)
        bytes = buf_head(&actor->output);
    while (len && bytes[len - 1] == '\n')
        len--;
    char *said = term_escape(bytes, len, false);
    err_code(err, EXIT_BUG, "%s at %s did not start%s%.300s", actor->name,
             actor->place, *said ? ": " : "", said);
    free(said);
    return -1;
}

static bool never_ready(const struct actor *actor)
{
    return waits_for_ready(actor) && !actor->stopping && !actor->ready;
}

int stage_await_ready(struct play *play, struct err *err)
{
    play_wait(play, all_ready, play, READY_MS);
    if (play_stopped(play))
        return 0;
    for (const struct actor *it = play->cast.actors; it; it = it->next)
        if (never_ready(it) && it->ended)
            return not_ready(it, err);
    if (play_check(play, err))
        return -1;
    for (const struct actor *it = play->cast.actors; it; it = it->next)
        if (never_ready(it))
            return not_ready(it, err);
    return 0;
}

static int start_servers(struct play *play, struct err *err)
{
    for (unsigned i = 0; i < play->lab->starts_count; i++) {
        const struct lab_command *start = &play->lab->starts[i];
        struct command_line line = {.count = 0};
        command_server(play, start, &line);
        char *text = command_text(&line);
        voice_sayf(&play->voice, 0, "", TERM_BOLD "%s$" TERM_PLAIN " %s",
                   start->at, text);
        struct actor *actor = cast_start(&play->cast, ACTOR_SERVER, start->at,
                                         (const char *const *)line.words,
                                         command_environment(), -1, err);
        command_close(&line);
        free(text);
        if (!actor)
            return -1;
    }
    return stage_await_ready(play, err) || trust_rigs(play, err) ? -1 : 0;
}

/* ---- all of it ----------------------------------------------------------- */

static void note_places(struct play *play)
{
    json_t *places = json_array();
    for (unsigned i = 0; i < play->plan.places_count; i++) {
        const struct net_place *place = &play->plan.places[i];
        json_array_append_new(places, json_pack("{s:s,s:s,s:s,s:s}", "name",
                                                place->name, "address",
                                                place->ip4, "address6",
                                                place->ip6, "mac", place->mac));
    }
    json_object_set_new(play->result, "places", places);
    json_object_set_new(play->result, "topology",
                        json_string(net_topology_name(play->plan.topology)));
}

int stage_build(struct play *play, struct err *err)
{
    if (build_places(play, err))
        return -1;
    play->cast.net = play->net;
    if (reload(play, err))
        return -1;
    note_places(play);
    if (play_save(play, err) || stage_hosts(play, false, err) ||
        trust_put(play, err) || net_bend(play->net, false, err) ||
        start_capture(play, err))
        return -1;
    return start_servers(play, err);
}

static void stop_servers(struct play *play)
{
    for (struct actor *it = play->cast.actors; it; it = it->next)
        if (it->role == ACTOR_SERVER && !it->stopping)
            cast_stop(&play->cast, it);
}

/* A comment on each frame of evidence. */
static size_t evidence_comments(const struct play *play,
                                struct capture_comment *out, size_t most)
{
    size_t count = 0, i;
    json_t *item;
    for (unsigned step = 0; step < play->lab->steps_count; step++)
        json_array_foreach(play->steps[step].evidence, i, item)
        {
            uint64_t frame = event_frame(item);
            if (frame && count < most)
                out[count++] =
                    (struct capture_comment){frame, event_member(item, "what")};
        }
    return count;
}

static size_t host_names(const struct play *play, struct pcapng_name *out,
                         size_t most)
{
    size_t count = 0;
    const char *name;
    json_t *place;
    for (unsigned i = 0; i < play->plan.places_count && count < most; i++)
        out[count++] = (struct pcapng_name){play->plan.places[i].ip4,
                                            play->plan.places[i].name};
    json_object_foreach((json_t *)lab_names(play->lab), name, place)
    {
        const struct net_place *at = play_place(play, json_string_value(place));
        if (count < most)
            out[count++] = (struct pcapng_name){at->ip4, name};
    }
    return count;
}

static int finish_capture(struct play *play, struct err *err)
{
    struct pcapng_name names[NET_PLACES_MOST + NET_NAMES_MOST];
    struct capture_comment comments[256];
    char comment[96];
    snprintf(comment, sizeof comment, "mitmlab %s, seed %llu", play->lab->id,
             (unsigned long long)play->options->seed);
    struct capture_finish finish = {
        .path = play->capture_path,
        .keys_path = play->keys_path,
        .secrets = secrets_of(play->lab),
        .comment = comment,
        .names = names,
        .names_count =
            host_names(play, names, NET_PLACES_MOST + NET_NAMES_MOST),
        .comments = comments,
        .comments_count = evidence_comments(play, comments, 256),
    };
    return capture_finish(&finish, err);
}

static void end_recorder(struct play *play)
{
    struct actor *recorder = play->recorder;
    if (recorder) {
        recorder->stopping = true;
        cast_stop(&play->cast, recorder);
    }
}

int stage_strike(struct play *play, struct err *err)
{
    int rc = 0;
    if (!play->net)
        return 0;
    stop_servers(play);
    if (play->capture) {
        rc = capture_stop(play->capture, &play->counts, err);
        play->capture = NULL;
        end_recorder(play);
        binder_use_reserve(&play->binder);
        struct err other = ERR_INIT; /* a full disk is said once */
        if (finish_capture(play, rc ? &other : err))
            rc = -1;
    }
    net_free(play->net);
    play->net = NULL;
    if (play->plan.topology == NET_BARE)
        binder_remove(&play->binder, "places");
    return rc;
}
