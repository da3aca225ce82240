/* SPDX-License-Identifier: MIT */
#include "labs/matrix/paper.h"

#include "certs/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SCHEMA = 1 };

static const char *state_name(enum cell_state state)
{
    static const char *const names[] = {
        [CELL_NONE] = "none",         [CELL_CANNOT] = "cannot",
        [CELL_ACCEPTED] = "accepted", [CELL_REFUSED] = "refused",
        [CELL_OPEN] = "open",         [CELL_UNFAIR] = "unfair",
    };
    return names[state];
}

/* ---- writing ------------------------------------------------------------- */

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text && *text)
        json_object_set_new(object, key, json_string(text));
}

static json_t *write_cell(const struct matrix *matrix, unsigned client,
                          unsigned row, enum matrix_version version)
{
    const struct cell *cell = matrix_cell(matrix, client, row, version);
    json_t *out = json_pack(
        "{s:s,s:s,s:s,s:s}", "client", matrix->clients.list[client]->id, "row",
        matrix->rows[row].id, "tls", matrix_version_name(version), "verdict",
        state_name(cell->state));
    if (cell->state == CELL_CANNOT) {
        set_text(out, "why", matrix->rows[row].why);
        return out;
    }
    set_text(out, "how", cell->how);
    if (cell->alert >= 0) {
        set_text(out, "alert", alert_name(cell->alert));
        json_object_set_new(out, "alert_code", json_integer(cell->alert));
    }
    json_object_set_new(out, "finished", json_boolean(cell->finished));
    json_object_set_new(out, "app_bytes", json_integer(cell->app_bytes));
    json_object_set_new(out, "connections", json_integer(cell->flows));
    json_object_set_new(out, "port", json_integer(cell->port));
    set_text(out, "suite", cell->suite);
    set_text(out, "said", cell->said);
    return out;
}

static json_t *write_cells(const struct matrix *matrix)
{
    json_t *out = json_array();
    for (unsigned c = 0; c < matrix->clients.count; c++)
        for (unsigned r = 0; r < matrix->rows_count; r++)
            for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
                if (matrix->clients.list[c]->found && matrix->versions[v])
                    json_array_append_new(out, write_cell(matrix, c, r, v));
    return out;
}

static json_t *write_clients(const struct matrix *matrix)
{
    json_t *out = json_array();
    for (unsigned i = 0; i < matrix->clients.count; i++) {
        const struct client *client = matrix->clients.list[i];
        json_t *unfair = json_object();
        json_t *it = json_pack("{s:s,s:s,s:b,s:b}", "id", client->id, "letters",
                               client->letters, "own", client->own, "found",
                               client->found);
        set_text(it, "version", client->version);
        set_text(it, "note", client->note);
        set_text(it, "missing", client->missing);
        for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
            set_text(unfair, matrix_version_name(v), matrix->unfair[i][v]);
        json_object_set_new(it, "unfair", unfair);
        json_array_append_new(out, it);
    }
    return out;
}

static json_t *write_rows(const struct matrix *matrix)
{
    json_t *out = json_array();
    for (unsigned i = 0; i < matrix->rows_count; i++) {
        const struct row *row = &matrix->rows[i];
        json_t *it =
            json_pack("{s:s,s:s,s:b}", "id", row->id, "title", row->title,
                      "careful_refuses", row_is_refused_by_careful(row));
        set_text(it, "seen", row->seen);
        json_array_append_new(out, it);
    }
    return out;
}

json_t *paper_write(const struct matrix *matrix)
{
    json_t *versions = json_array();
    for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
        if (matrix->versions[v])
            json_array_append_new(versions,
                                  json_string(matrix_version_name(v)));
    return json_pack("{s:i,s:s,s:s,s:f,s:o,s:o,s:o,s:o}", "schema", SCHEMA,
                     "when", matrix->when, "rig_openssl", matrix->openssl,
                     "seconds", matrix->seconds, "tls", versions, "clients",
                     write_clients(matrix), "rows", write_rows(matrix), "cells",
                     write_cells(matrix));
}

/* ---- reading ------------------------------------------------------------- */

json_t *paper_load(const char *path, struct err *err)
{
    char file[4096];
    struct stat info;
    json_error_t wrong;
    bool folder = !stat(path, &info) && S_ISDIR(info.st_mode);
    snprintf(file, sizeof file, "%.4000s%s", path,
             folder ? "/matrix.json" : "");
    json_t *paper = json_load_file(file, 0, &wrong);
    if (paper &&
        json_integer_value(json_object_get(paper, "schema")) == SCHEMA &&
        json_is_array(json_object_get(paper, "cells")))
        return paper;
    err_code(err, EXIT_USAGE,
             "%.300s is not what 'mitmlab matrix --out' "
             "writes%s%.100s",
             file, paper ? "" : ": ", paper ? "" : wrong.text);
    json_decref(paper);
    return NULL;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

/* What stands in a sentence for an old cell: "accepted", "unknown_ca". */
static const char *old_words(const json_t *cell)
{
    const char *verdict = text(cell, "verdict"), *alert = text(cell, "alert");
    return strcmp(verdict, "refused") != 0 ? verdict
           : *alert                        ? alert
                                           : text(cell, "how");
}

static const char *new_words(const struct cell *cell)
{
    return cell->state != CELL_REFUSED ? state_name(cell->state)
           : cell->alert >= 0          ? alert_name(cell->alert)
                                       : cell->how;
}

static bool is_verdict(const char *words)
{
    return strcmp(words, "none") && strcmp(words, "cannot") &&
           strcmp(words, "open") && strcmp(words, "unfair");
}

static const json_t *old_client(const json_t *paper, const char *id)
{
    size_t i;
    json_t *it;
    json_array_foreach(json_object_get(paper, "clients"), i,
                       it) if (!strcmp(text(it, "id"), id)) return it;
    return NULL;
}

static const struct cell *find_now(const struct matrix *now, const json_t *old,
                                   unsigned *client)
{
    for (*client = 0; *client < now->clients.count; ++*client) {
        if (strcmp(now->clients.list[*client]->id, text(old, "client")) != 0)
            continue;
        for (unsigned r = 0; r < now->rows_count; r++)
            for (unsigned v = 0; v < MATRIX_VERSIONS; v++)
                if (!strcmp(now->rows[r].id, text(old, "row")) &&
                    !strcmp(matrix_version_name(v), text(old, "tls")))
                    return matrix_cell(now, *client, r, v);
    }
    return NULL;
}

static json_t *difference(const json_t *before, const json_t *old,
                          const struct client *client, const char *is)
{
    char sentence[256];
    const char *was = old_words(old);
    const char *version = text(old_client(before, client->id), "version");
    const char *const who[] = {version, client->version};
    const char *const did[] = {was, is};
    char parts[2][112];
    for (unsigned i = 0; i < 2; i++) {
        bool yes = !strcmp(did[i], "accepted");
        snprintf(parts[i], sizeof parts[i], "%s%s%s %s%s%s", client->id,
                 *who[i] ? " " : "", who[i], yes ? "accepts" : "refuses",
                 yes ? "" : " with ", yes ? "" : did[i]);
    }
    snprintf(sentence, sizeof sentence, "%s in TLS %s: before, %s; now, %s",
             text(old, "row"), text(old, "tls"), parts[0], parts[1]);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "client", client->id,
                     "before", version, "now", client->version, "row",
                     text(old, "row"), "tls", text(old, "tls"), "was", was,
                     "is", is, "sentence", sentence);
}

json_t *paper_diff(const json_t *before, const struct matrix *now)
{
    json_t *out = json_array(), *old;
    size_t i;
    unsigned client;
    json_array_foreach(json_object_get(before, "cells"), i, old)
    {
        const struct cell *cell = find_now(now, old, &client);
        if (!cell)
            continue;
        const char *is = new_words(cell), *was = old_words(old);
        if (is_verdict(is) && is_verdict(was) && strcmp(is, was) != 0)
            json_array_append_new(
                out, difference(before, old, now->clients.list[client], is));
    }
    return out;
}
