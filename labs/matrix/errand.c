/* SPDX-License-Identifier: MIT
 *
 * The clients' processes: side by side, each for one conversation or for many,
 * all of them with an end in time. */
#include "labs/matrix/tour_parts.h"

#include "labs/engine/clock.h"
#include "labs/engine/play.h"
#include "labs/engine/signals.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    VISIT_SECONDS = 6, /* that a client is told to wait at most */
    VISIT_MS = 9000,   /* then it is ended */
    BATCH_MS = 60000,  /* Go compiles first; and for each conversation: */
    BATCH_EACH_MS = 500,
    LANES_EACH_CORE = 3,
    FENCE_MS = 5000,
};

/* ---- starting ------------------------------------------------------------ */

int errand_text(const void *bytes, size_t len)
{
    int fd = memfd_create("lines", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len ||
        lseek(fd, 0, SEEK_SET)) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

void errand_script(const struct tour *tour, const struct client *client,
                   char out[512])
{
    snprintf(out, 512, "%s/clients/%s", net_dir(tour->net, TOUR_VICTIM),
             client->script ? client->script : "");
}

struct actor *errand_start(struct tour *tour, char *const *words,
                           const char *env, int stdin_fd, struct err *err)
{
    const struct client_blank blanks[] = {
        {"home", net_dir(tour->net, TOUR_VICTIM)}, {NULL, NULL}};
    char *more[CLIENT_WORDS_MOST + 1] = {NULL};
    const char *all[CLIENT_WORDS_MOST + 2];
    unsigned count = env ? client_words(env, blanks, more) : 0;
    all[0] = command_environment()[0];
    for (unsigned i = 0; i <= count; i++)
        all[i + 1] = more[i];
    struct actor *actor =
        cast_start(&tour->cast, ACTOR_ACT, TOUR_VICTIM,
                   (const char *const *)words, all, stdin_fd, err);
    for (unsigned i = 0; i < count; i++)
        free(more[i]);
    return actor;
}

/* ---- one conversation or many -------------------------------------------- */

static const char *host_of(const struct row *row)
{
    return row->asks ? row->asks : "bank.lab.test";
}

static void name_trust(const struct tour *tour, unsigned row, char out[512])
{
    const char *dir = net_dir(tour->net, TOUR_VICTIM);
    if (tour->trusts[row])
        snprintf(out, 512, "%s/trust-%s.pem", dir, tour->matrix->rows[row].id);
    else
        snprintf(out, 512, "%s/trust.pem", dir);
}

static unsigned port_of(const struct tour *tour, unsigned client,
                        const struct job *job)
{
    return matrix_cell(tour->matrix, client, job->row, job->version)->port;
}

/* "a\r\nb" as bytes. */
static size_t unescape(const char *text, char *out, size_t room)
{
    size_t len = 0;
    for (; *text && len < room; text++) {
        bool escape = *text == '\\' && (text[1] == 'r' || text[1] == 'n');
        out[len++] = !escape ? *text : *++text == 'r' ? '\r' : '\n';
    }
    return len;
}

static struct actor *start_visit(struct tour *tour, unsigned index,
                                 const struct job *job, struct err *err)
{
    const struct client *client = tour->matrix->clients.list[index];
    const char *host = host_of(&tour->matrix->rows[job->row]);
    bool address = isdigit((unsigned char)host[0]) && client->visit_address;
    char trust[512], url[256], port[12], seconds[12], input[512];
    char *words[CLIENT_WORDS_MOST + 1];
    name_trust(tour, job->row, trust);
    snprintf(port, sizeof port, "%u", port_of(tour, index, job));
    snprintf(url, sizeof url, "https://%s:%s/", host, port);
    snprintf(seconds, sizeof seconds, "%d", VISIT_SECONDS);
    const struct client_blank blanks[] = {{"trust", trust},     {"url", url},
                                          {"host", host},       {"port", port},
                                          {"seconds", seconds}, {NULL, NULL}};
    unsigned count = client_words(
        address ? client->visit_address : client->visit, blanks, words);
    int in = -1;
    if (client->input)
        in = errand_text(input, unescape(client->input, input, sizeof input));
    struct actor *actor = errand_start(tour, words, client->env, in, err);
    if (in >= 0)
        close(in);
    for (unsigned i = 0; i < count; i++)
        free(words[i]);
    return actor;
}

static int batch_lines(const struct tour *tour, unsigned index)
{
    const struct agenda *agenda = &tour->agendas[index];
    struct buf out = {0};
    for (unsigned i = agenda->next; i < agenda->count; i++) {
        const struct job *job = &agenda->jobs[i];
        char trust[512];
        name_trust(tour, job->row, trust);
        (void)buf_printf(&out, "https://%s:%u/ %s\n",
                         host_of(&tour->matrix->rows[job->row]),
                         port_of(tour, index, job), trust);
    }
    int fd = errand_text(buf_head(&out), buf_len(&out));
    buf_free(&out);
    return fd;
}

static struct actor *start_batch(struct tour *tour, unsigned index,
                                 struct err *err)
{
    const struct client *client = tour->matrix->clients.list[index];
    char script[512];
    char *words[CLIENT_WORDS_MOST + 1];
    errand_script(tour, client, script);
    const struct client_blank blanks[] = {{"script", script}, {NULL, NULL}};
    unsigned count = client_words(client->batch, blanks, words);
    int in = batch_lines(tour, index);
    struct actor *actor = errand_start(tour, words, client->env, in, err);
    if (in >= 0)
        close(in);
    for (unsigned i = 0; i < count; i++)
        free(words[i]);
    return actor;
}

/* ---- what a client says -------------------------------------------------- */

/* One printable line; what is not ASCII becomes a question mark. */
static void take_words(char *said, size_t room, const char *line, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len && used < room - 1; i++)
        said[used++] = line[i] >= ' ' && line[i] < 0x7f ? line[i] : '?';
    said[used] = 0;
}

/* The last line that says something. */
static void take_last_line(struct cell *cell, const char *text, size_t len)
{
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    const char *start = memrchr(text, '\n', len);
    start = start ? start + 1 : text;
    take_words(cell->said, sizeof cell->said, start,
               len - (size_t)(start - text));
}

static struct cell *cell_of(const struct tour *tour,
                            const struct errand *errand, unsigned number)
{
    const struct job *job =
        &tour->agendas[errand->client].jobs[errand->first + number];
    return matrix_cell(tour->matrix, errand->client, job->row, job->version);
}

static void take_output(struct tour *tour, const struct errand *errand)
{
    const struct buf *output = &errand->actor->output;
    const char *at = (const char *)buf_head(output);
    const char *end = at + buf_len(output);
    if (buf_len(output) && !tour->matrix->clients.list[errand->client]->batch) {
        take_last_line(cell_of(tour, errand, 0), at, buf_len(output));
        return;
    }
    for (unsigned i = 0; at < end && i < errand->count; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        struct cell *cell = cell_of(tour, errand, i);
        take_words(cell->said, sizeof cell->said, at, (size_t)(stop - at));
        at = stop + 1;
    }
}

/* ---- beginning and ending ------------------------------------------------ */

static unsigned last_visited(const struct tour *tour,
                             const struct errand *errand)
{
    unsigned visited = 0;
    for (unsigned i = 0; i < errand->count; i++)
        if (cell_of(tour, errand, i)->flows)
            visited = i + 1;
    return visited;
}

static void close_cells(struct tour *tour, const struct errand *errand,
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct cell *cell = cell_of(tour, errand, i);
        if (cell->state == CELL_NONE)
            cell->state = CELL_OPEN;
    }
    tour->done += count;
}

/* A batch that died on the way is begun again behind the row it died of. */
static void end_errand(struct tour *tour, struct errand *errand)
{
    struct agenda *agenda = &tour->agendas[errand->client];
    bool batch = tour->matrix->clients.list[errand->client]->batch != NULL;
    bool whole = actor_exit(errand->actor) == 0 && !errand->killed;
    unsigned over =
        batch && !whole ? last_visited(tour, errand) : errand->count;
    take_output(tour, errand);
    close_cells(tour, errand, over);
    if (batch) {
        agenda->next += over;
        agenda->done = over == errand->count || !over;
        if (!over)
            close_cells(tour, errand, errand->count);
    }
    cast_forget(&tour->cast, errand->actor);
    errand->actor = NULL;
}

static bool begin(struct tour *tour, struct errand *errand, unsigned index,
                  struct err *err)
{
    struct agenda *agenda = &tour->agendas[index];
    const struct client *client = tour->matrix->clients.list[index];
    unsigned left = agenda->count - agenda->next;
    *errand =
        (struct errand){.client = index, .first = agenda->next, .count = 1};
    if (client->batch) {
        errand->count = left;
        errand->actor = start_batch(tour, index, err);
        errand->deadline_ms = clock_ms() + BATCH_MS + BATCH_EACH_MS * left;
        agenda->done = true; /* until it has ended */
    } else {
        errand->actor =
            start_visit(tour, index, &agenda->jobs[agenda->next++], err);
        errand->deadline_ms = clock_ms() + VISIT_MS;
    }
    return errand->actor != NULL;
}

static struct errand *free_errand(struct tour *tour, unsigned lanes)
{
    for (unsigned i = 0; i < lanes; i++)
        if (!tour->errands[i].actor)
            return &tour->errands[i];
    return NULL;
}

static bool has_work(const struct tour *tour, unsigned index, bool batch)
{
    const struct agenda *agenda = &tour->agendas[index];
    return (tour->matrix->clients.list[index]->batch != NULL) == batch &&
           !agenda->done && agenda->next < agenda->count;
}

/* Batches first, because they take longest; then the others in turn. The next
 * client to start, or -1. */
static int choose(const struct tour *tour, unsigned *turn)
{
    unsigned count = tour->matrix->clients.count;
    for (unsigned i = 0; i < count; i++)
        if (has_work(tour, i, true))
            return (int)i;
    for (unsigned i = 0; i < count; i++) {
        *turn = (*turn + 1) % count;
        if (has_work(tour, *turn, false))
            return (int)*turn;
    }
    return -1;
}

/* ---- all of them --------------------------------------------------------- */

static bool some_ended(void *argument)
{
    struct tour *tour = argument;
    int64_t now = clock_ms();
    for (unsigned i = 0; i < ERRANDS_MOST; i++) {
        struct errand *errand = &tour->errands[i];
        if (!errand->actor)
            continue;
        if (actor_silent(errand->actor))
            return true;
        if (now > errand->deadline_ms && !errand->killed) {
            net_kill(tour->net, errand->actor->process, SIGKILL);
            errand->killed = true;
        }
    }
    return tour->rig->ended;
}

static unsigned end_errands(struct tour *tour)
{
    unsigned running = 0;
    for (unsigned i = 0; i < ERRANDS_MOST; i++) {
        struct errand *errand = &tour->errands[i];
        if (errand->actor && actor_silent(errand->actor))
            end_errand(tour, errand);
        running += errand->actor != NULL;
    }
    return running;
}

static unsigned lanes(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = (unsigned)(cores > 0 ? cores : 1) * LANES_EACH_CORE;
    return wanted < ERRANDS_MOST ? wanted : ERRANDS_MOST;
}

static int start_some(struct tour *tour, unsigned *turn, struct err *err)
{
    struct errand *errand;
    int index;
    while ((errand = free_errand(tour, lanes())) &&
           (index = choose(tour, turn)) >= 0)
        if (!begin(tour, errand, (unsigned)index, err))
            return -1;
    return 0;
}

static int check(const struct tour *tour, struct err *err)
{
    if (signals_seen()) {
        err_code(err, signals_seen() + 128, "interrupted");
        return -1;
    }
    if (!tour->rig->ended)
        return 0;
    err_code(err, EXIT_BUG, "the rig has ended by itself");
    return -1;
}

/* What the rig has not told yet comes before the verdict on a visit that
 * begins now. */
static bool is_fenced(void *argument)
{
    const struct tour *tour = argument;
    return tour->fenced && !tour->rig->open_flows;
}

static int await_verdicts(struct tour *tour, struct err *err)
{
    char url[64], trust[512];
    snprintf(url, sizeof url, "https://bank.lab.test:%u/", tour->fence);
    snprintf(trust, sizeof trust, "%s/trust.pem",
             net_dir(tour->net, TOUR_VICTIM));
    char *words[] = {"https-client", "--trust", trust, "--get", url, NULL};
    struct actor *actor = errand_start(tour, words, NULL, -1, err);
    if (!actor)
        return -1;
    cast_wait(&tour->cast, is_fenced, tour, clock_ms() + FENCE_MS);
    return 0;
}

static void plan_agenda(struct tour *tour, unsigned index)
{
    struct matrix *matrix = tour->matrix;
    struct agenda *agenda = &tour->agendas[index];
    for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
        for (unsigned i = 0; matrix->versions[v] && i < matrix->rows_count;
             i++) {
            struct cell *cell = matrix_cell(matrix, index, i, v);
            const char *host = host_of(&matrix->rows[i]);
            bool there = !isdigit((unsigned char)host[0]) ||
                         !strcmp(host, tour_server_address(tour));
            if (!cell->port)
                cell->state = CELL_CANNOT;
            else if (!there)
                snprintf(cell->said, sizeof cell->said,
                         "without namespaces nobody is at %s", host);
            if (!there && cell->port)
                cell->state = CELL_OPEN;
            else if (cell->port)
                agenda->jobs[agenda->count++] = (struct job){i, v};
        }
    tour->total += agenda->count;
}

/* What is over, and what those that still run have been to. */
static void tell_progress(const struct tour *tour)
{
    unsigned done = tour->done;
    if (!tour->options->on_progress)
        return;
    for (unsigned i = 0; i < ERRANDS_MOST; i++) {
        const struct errand *errand = &tour->errands[i];
        for (unsigned at = 0; errand->actor && at < errand->count; at++)
            done += cell_of(tour, errand, at)->flows > 0;
    }
    tour->options->on_progress(tour->options->context, done, tour->total);
}

int errands_run(struct tour *tour, struct err *err)
{
    unsigned turn = 0, running;
    for (unsigned i = 0; i < tour->matrix->clients.count; i++)
        if (tour->matrix->clients.list[i]->found)
            plan_agenda(tour, i);
    do {
        if (start_some(tour, &turn, err))
            return -1;
        cast_wait(&tour->cast, some_ended, tour, clock_ms() + 200);
        running = end_errands(tour);
        tell_progress(tour);
        if (check(tour, err))
            return -1;
    } while (running || choose(tour, &turn) >= 0);
    return await_verdicts(tour, err);
}
