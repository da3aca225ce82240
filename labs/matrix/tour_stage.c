/* SPDX-License-Identifier: MIT
 *
 * The places of a tour, what lies there, the rig and the capture. */
#include "labs/matrix/tour_parts.h"

#include "certs/file.h"
#include "labs/engine/clock.h"
#include "labs/engine/shelf.h"
#include "labs/matrix/cells.h"
#include "labs/net/plan.h"
#include "labs/net/probe.h"
#include "labs/net/versions.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READY_MS = 30000, VERSION_MS = 10000, SYNC_MS = 5000, SEEDS = 65536 };

/* ---- places -------------------------------------------------------------- */

/* Some rows name an address: the server must be just there. Addresses are
 * drawn from a seed, so one is looked for that draws it. */
static void choose_seed(struct tour *tour)
{
    const char *wanted = NULL;
    for (unsigned i = 0; i < tour->matrix->rows_count; i++) {
        const char *asks = tour->matrix->rows[i].asks;
        if (asks && isdigit((unsigned char)asks[0]))
            wanted = asks;
    }
    if (!wanted || tour->plan.topology == NET_BARE)
        return;
    for (uint64_t seed = 1; seed < SEEDS; seed++) {
        struct net_plan drawn = tour->plan;
        drawn.seed = seed;
        plan_draw(&drawn, 1);
        if (!strcmp(drawn.places[1].ip4, wanted)) {
            tour->plan.seed = seed;
            return;
        }
    }
}

const char *tour_server_address(const struct tour *tour)
{
    return tour->plan.places[1].ip4;
}

/* Every name that somebody asks for is the server's. */
static int put_hosts(struct tour *tour, struct err *err)
{
    struct buf out = {0};
    const struct matrix *matrix = tour->matrix;
    (void)buf_printf(&out, "127.0.0.1 localhost\n%s bank.lab.test",
                     tour_server_address(tour));
    for (unsigned i = 0; i < matrix->rows_count; i++) {
        const char *asks = matrix->rows[i].asks;
        if (asks && !isdigit((unsigned char)asks[0]))
            (void)buf_printf(&out, " %s", asks);
    }
    (void)buf_append_text(&out, "\n");
    int rc = net_put(tour->net, TOUR_VICTIM, "/etc/hosts", buf_head(&out),
                     buf_len(&out), err);
    buf_free(&out);
    return rc;
}

static int put_script(struct tour *tour, const struct client *client,
                      struct err *err)
{
    char path[512], to[128];
    snprintf(path, sizeof path, "%s/%s", client->folder, client->script);
    FILE *file = fopen(path, "r");
    struct buf text = {0};
    size_t got = 1;
    while (file && got) {
        uint8_t *room = buf_reserve(&text, 4096);
        got = room ? fread(room, 1, 4096, file) : 0;
        buf_filled(&text, got);
    }
    snprintf(to, sizeof to, "clients/%s", client->script);
    int rc = -1;
    if (file)
        rc = net_put(tour->net, TOUR_VICTIM, to, buf_head(&text),
                     buf_len(&text), err);
    else
        err_errno(err, "read %s", path);
    if (file)
        fclose(file);
    buf_free(&text);
    return rc;
}

static int put_scripts(struct tour *tour, struct err *err)
{
    const struct clients *clients = &tour->matrix->clients;
    for (unsigned i = 0; i < clients->count; i++)
        if (clients->list[i]->script && put_script(tour, clients->list[i], err))
            return -1;
    return 0;
}

int tour_build(struct tour *tour, struct err *err)
{
    struct err no = ERR_INIT;
    tour->plan = (struct net_plan){
        .topology = NET_SWITCH,
        .seed = 1,
        .work_dir = tour->options->work_dir,
        .places = {{.name = TOUR_VICTIM}, {.name = TOUR_SERVER}},
        .places_count = 2};
    if (tour->options->bare)
        err_set(&no, "real clients run in namespaces only, and --bare has "
                     "none");
    if (tour->options->bare || net_probe(&no)) {
        tour->plan.topology = NET_BARE;
        for (unsigned i = 0; i < tour->matrix->clients.count; i++) {
            struct client *client = tour->matrix->clients.list[i];
            if (!client->own)
                snprintf(client->missing, sizeof client->missing, "%.190s",
                         no.text);
        }
    }
    choose_seed(tour);
    if (net_build(&tour->plan, &tour->net, err))
        return -1;
    cast_init(&tour->cast, tour->net);
    tour->cast.on_event = tour_on_event;
    tour->cast.context = tour;
    tour->cast.interrupt_fd = tour->options->interrupt_fd;
    return put_hosts(tour, err) || put_scripts(tour, err) ? -1 : 0;
}

/* ---- who is here --------------------------------------------------------- */

struct probing {
    struct actor *actors[CLIENTS_MOST];
};

static bool all_silent(void *argument)
{
    const struct probing *probing = argument;
    for (unsigned i = 0; i < CLIENTS_MOST; i++)
        if (probing->actors[i] && !actor_silent(probing->actors[i]))
            return false;
    return true;
}

static void ask_version(struct tour *tour, struct client *client,
                        struct actor **out)
{
    char script[512];
    char *words[CLIENT_WORDS_MOST + 1];
    struct err err = ERR_INIT;
    errand_script(tour, client, script);
    const struct client_blank blanks[] = {{"script", script}, {NULL, NULL}};
    unsigned count = client_words(client->version_by, blanks, words);
    *out = errand_start(tour, words, client->env, -1, &err);
    if (!*out)
        snprintf(client->missing, sizeof client->missing, "%s is not installed",
                 words[0]);
    for (unsigned i = 0; i < count; i++)
        free(words[i]);
}

static void take_version(struct client *client, struct actor *actor)
{
    struct buf *said = &actor->output;
    (void)buf_append(said, "", 1);
    const char *text = (const char *)buf_head(said);
    client->found = actor->ended && actor_exit(actor) == 0;
    if (client->found)
        version_number(text, client->version, sizeof client->version);
    else
        snprintf(client->missing, sizeof client->missing, "%s: %.*s",
                 actor->ended ? "it does not run" : "it took too long",
                 (int)strcspn(text, "\n("), text);
}

int tour_find_clients(struct tour *tour, struct err *err)
{
    struct clients *clients = &tour->matrix->clients;
    struct probing probing = {{NULL}};
    for (unsigned i = 0; i < clients->count; i++) {
        struct client *client = clients->list[i];
        client->found = client->own;
        if (!client->own && tour->plan.topology != NET_BARE)
            ask_version(tour, client, &probing.actors[i]);
    }
    cast_wait(&tour->cast, all_silent, &probing, clock_ms() + VERSION_MS);
    unsigned found = 0;
    for (unsigned i = 0; i < clients->count; i++) {
        if (probing.actors[i])
            take_version(clients->list[i], probing.actors[i]);
        tour->set_of[i] = found;
        found += clients->list[i]->found;
    }
    tour->sets = found + 1; /* one for the fence */
    if (found)
        return 0;
    err_set(err, "none of these clients is here: %s (%s)", clients->list[0]->id,
            clients->list[0]->missing);
    return -1;
}

/* ---- the capture --------------------------------------------------------- */

static int start_feed(struct tour *tour, struct err *err)
{
    char maps[2][64];
    for (unsigned i = 0; i < 2; i++)
        snprintf(maps[i], sizeof maps[i], "%s=%s", tour->plan.places[i].mac,
                 tour->plan.places[i].name);
    const char *const words[] = {shelf_program(), "feed",  "--fd",  "0",
                                 "--iface",       "br0",   "--map", maps[0],
                                 "--map",         maps[1], NULL};
    tour->recorder = cast_start(&tour->cast, ACTOR_RECORD, "switch", words,
                                NULL, capture_feed_fd(tour->capture), err);
    capture_feed_given(tour->capture);
    return tour->recorder ? capture_sync(tour->capture, SYNC_MS, err) : -1;
}

int tour_start_capture(struct tour *tour, struct err *err)
{
    char path[PATH_MAX], keys[PATH_MAX];
    size_t cells =
        (size_t)CLIENTS_MOST * MATRIX_VERSIONS * tour->matrix->rows_count;
    if (!tour->options->capture)
        return 0;
    if (tour->plan.topology == NET_BARE) {
        err_set(err, "without namespaces there is no wire to capture; leave "
                     "--capture out");
        return -1;
    }
    tour->keys = calloc(cells, sizeof *tour->keys);
    struct capture_plan plan = {path, keys, "mitmlab matrix",
                                CAPTURE_SECRETS_ALL};
    if (!tour->keys ||
        file_join(path, tour->options->dir, "capture.pcapng", err) ||
        file_join(keys, tour->options->dir, "keys.log", err) ||
        capture_start(&plan, &tour->capture, err))
        return -1;
    return start_feed(tour, err);
}

/* The whole, and its cells. */
static int stop_capture(struct tour *tour, struct err *err)
{
    char path[PATH_MAX], keys[PATH_MAX];
    struct capture_counts counts;
    unsigned files;
    int rc = capture_stop(tour->capture, &counts, err);
    const struct pcapng_name names[] = {
        {tour->plan.places[0].ip4, tour->plan.places[0].name},
        {tour->plan.places[1].ip4, "bank.lab.test"}};
    struct capture_finish finish = {.path = path,
                                    .keys_path = keys,
                                    .secrets = CAPTURE_SECRETS_ALL,
                                    .names = names,
                                    .names_count = 2};
    tour->capture = NULL;
    tour->recorder->stopping = true;
    cast_stop(&tour->cast, tour->recorder);
    if (rc || file_join(path, tour->options->dir, "capture.pcapng", err) ||
        file_join(keys, tour->options->dir, "keys.log", err) ||
        cells_write(tour->matrix, tour->options->dir, tour->keys, &files, err))
        return -1;
    return capture_finish(&finish, err);
}

/* ---- the rig ------------------------------------------------------------- */

static bool rig_is_up(void *argument)
{
    const struct tour *tour = argument;
    return tour->rig->ready || tour->rig->ended;
}

static void join_rows(const struct matrix *matrix, char *out, size_t room)
{
    size_t used = 0;
    for (unsigned i = 0; i < matrix->rows_count && used < room; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%s", i ? "," : "",
                                 matrix->rows[i].id);
}

int tour_start_rig(struct tour *tour, struct err *err)
{
    const struct matrix *matrix = tour->matrix;
    char rows[ROWS_MOST * 5], versions[16], sets[12];
    join_rows(matrix, rows, sizeof rows);
    snprintf(versions, sizeof versions, "%s%s%s",
             matrix->versions[MATRIX_12] ? "1.2" : "",
             matrix->versions[MATRIX_12] && matrix->versions[MATRIX_13] ? ","
                                                                        : "",
             matrix->versions[MATRIX_13] ? "1.3" : "");
    snprintf(sets, sizeof sets, "%u", tour->sets);
    const char *const words[] = {shelf_program(),
                                 "rig",
                                 "--brief",
                                 "--listen",
                                 tour_server_address(tour),
                                 "--forgeries",
                                 rows,
                                 "--tls",
                                 versions,
                                 "--sets",
                                 sets,
                                 NULL};
    tour->rig = cast_start(&tour->cast, ACTOR_SERVER, TOUR_SERVER, words, NULL,
                           -1, err);
    if (!tour->rig)
        return -1;
    cast_wait(&tour->cast, rig_is_up, tour, clock_ms() + READY_MS);
    if (tour->trouble.code) {
        *err = tour->trouble;
        return -1;
    }
    if (tour->rig->ready)
        return 0;
    (void)buf_append(&tour->rig->output, "", 1);
    err_code(err, EXIT_BUG, "the rig did not start: %.300s",
             (const char *)buf_head(&tour->rig->output));
    return -1;
}

/* ---- what the rig tells -------------------------------------------------- */

static int find_row(const struct matrix *matrix, const char *id)
{
    for (unsigned i = 0; i < matrix->rows_count; i++)
        if (!strcmp(matrix->rows[i].id, id))
            return (int)i;
    return -1;
}

/* The client whose ports are this set; -1: the fence. */
static int client_of(const struct tour *tour, unsigned set)
{
    const struct clients *clients = &tour->matrix->clients;
    for (unsigned i = 0; i < clients->count; i++)
        if (clients->list[i]->found && tour->set_of[i] == set)
            return (int)i;
    return -1;
}

static void note_stand(struct tour *tour, const json_t *stand)
{
    const char *row, *tls;
    int set, port;
    if (json_unpack((json_t *)stand, "{s:s,s:s,s:i,s:i}", "row", &row, "tls",
                    &tls, "set", &set, "port", &port) ||
        port < 1 || port > 65535)
        return;
    int number = find_row(tour->matrix, row);
    int client = client_of(tour, (unsigned)set);
    enum matrix_version version = !strcmp(tls, "1.2") ? MATRIX_12 : MATRIX_13;
    if (client < 0 && !strcmp(row, "c00"))
        tour->fence = (unsigned)port;
    if (client < 0 || number < 0)
        return;
    struct cell *cell =
        matrix_cell(tour->matrix, (unsigned)client, (unsigned)number, version);
    cell->port = (unsigned)port;
    tour->cell_at[port] = 1 + (uint32_t)(cell - tour->matrix->cells);
}

static int put_trust(struct tour *tour, const char *name, const char *root,
                     const char *more)
{
    struct buf out = {0};
    (void)buf_printf(&out, "%s%s", root, more ? more : "");
    int rc = net_put(tour->net, TOUR_VICTIM, name, buf_head(&out),
                     buf_len(&out), &tour->trouble);
    buf_free(&out);
    return rc;
}

static void note_ready(struct tour *tour, const json_t *data)
{
    const char *root = json_string_value(json_object_get(data, "trust"));
    const char *log = json_string_value(json_object_get(data, "log"));
    const char *id;
    char name[48];
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(data, "stands"), i, item)
        note_stand(tour, item);
    snprintf(tour->matrix->log_key, sizeof tour->matrix->log_key, "%s",
             log ? log : "");
    if (!root || put_trust(tour, "trust.pem", root, NULL))
        return;
    json_object_foreach(json_object_get(data, "installed"), id, item)
    {
        int row = find_row(tour->matrix, id);
        snprintf(name, sizeof name, "trust-%s.pem", id);
        if (row >= 0 && !put_trust(tour, name, root, json_string_value(item)))
            tour->trusts[row] = 1;
    }
}

/* Several connections may come for one cell: what was accepted counts most,
 * then an alert. */
static void note_verdict(struct cell *cell, const json_t *data)
{
    static const char *const hows[] = {"data",   "alert", "close_notify",
                                       "silent", "abort", "offer"};
    const char *how = json_string_value(json_object_get(data, "how"));
    const json_t *alert = json_object_get(data, "alert_code");
    bool accepted = how && !strcmp(how, "data");
    if (cell->state == CELL_ACCEPTED ||
        (cell->state == CELL_REFUSED && !accepted &&
         (cell->alert >= 0 || !alert)))
        return;
    cell->state = accepted ? CELL_ACCEPTED : CELL_REFUSED;
    for (unsigned i = 0; how && i < sizeof hows / sizeof *hows; i++)
        if (!strcmp(hows[i], how))
            cell->how = hows[i];
    cell->alert = alert ? (int)json_integer_value(alert) : -1;
    cell->finished = json_is_true(json_object_get(data, "finished"));
    cell->app_bytes = json_integer_value(json_object_get(data, "app_bytes"));
}

static void note_key(struct tour *tour, const struct cell *cell,
                     const char *line)
{
    if (!tour->capture || !line)
        return;
    (void)capture_secret(tour->capture, line, &tour->trouble);
    (void)buf_printf(&tour->keys[cell - tour->matrix->cells], "%s\n", line);
}

static void note_flow(struct tour *tour, const char *kind, unsigned port,
                      const json_t *data)
{
    if (port == tour->fence && !strcmp(kind, "flow.end"))
        tour->fenced = true;
    if (!tour->cell_at[port])
        return;
    struct cell *cell = &tour->matrix->cells[tour->cell_at[port] - 1];
    if (!strcmp(kind, "flow.open"))
        cell->flows++;
    else if (!strcmp(kind, "tls.verdict"))
        note_verdict(cell, data);
    else if (!strcmp(kind, "tls.key"))
        note_key(tour, cell, json_string_value(json_object_get(data, "line")));
    else if (!strcmp(kind, "tls.done"))
        snprintf(cell->suite, sizeof cell->suite, "%s",
                 json_string_value(json_object_get(data, "suite")));
}

void tour_on_event(void *context, struct actor *actor, json_t *event)
{
    struct tour *tour = context;
    const char *kind = json_string_value(json_object_get(event, "kind"));
    const json_t *data = json_object_get(event, "data");
    json_int_t port =
        json_integer_value(json_array_get(json_object_get(event, "tuple"), 3));
    if (actor != tour->rig || !kind)
        return;
    if (!strcmp(kind, "ready"))
        note_ready(tour, data);
    else if (port > 0 && port < 65536)
        note_flow(tour, kind, (unsigned)port, data);
}

/* ---- the end ------------------------------------------------------------- */

int tour_strike(struct tour *tour, struct err *err)
{
    size_t cells =
        (size_t)CLIENTS_MOST * MATRIX_VERSIONS * tour->matrix->rows_count;
    int rc = 0;
    if (tour->rig)
        cast_stop(&tour->cast, tour->rig);
    if (tour->capture && tour->recorder)
        rc = stop_capture(tour, err);
    cast_free(&tour->cast);
    net_free(tour->net);
    for (size_t i = 0; tour->keys && i < cells; i++)
        buf_free(&tour->keys[i]);
    free(tour->keys);
    return rc;
}
