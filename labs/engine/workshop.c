/* SPDX-License-Identifier: MIT
 *
 * Sources on their way: from the shelf to the trainee, and to a place. */
#include "labs/engine/workshop.h"

#include "labs/engine/shelf.h"
#include "labs/engine/text.h"
#include "labs/engine/words.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SOURCE_MOST = 256 << 10, LINES_MOST = 4000 };

/* What a client needs besides the headers of victims/. */
static const char *const needs[] = {
    "proxy/base/dial.h", "proxy/base/dial.c", "certs/err.h",
    "certs/err.c",       "certs/verify.h",    "certs/verify.c",
    "certs/verify.def",  "certs/alert.def",
};
enum { NEEDS = sizeof needs / sizeof *needs };

static const json_t *clients_of(const struct lab *lab)
{
    return words_get(lab->table, "workshop");
}

/* The client with this number, from 1; NULL behind the last. */
static const char *client_at(const struct lab *lab, unsigned number)
{
    char key[16];
    snprintf(key, sizeof key, "%u", number);
    return json_string_value(words_get(clients_of(lab), key));
}

bool workshop_has(const struct lab *lab)
{
    return clients_of(lab) != NULL;
}

void workshop_folder(const struct lab *lab, char out[64])
{
    snprintf(out, 64, "%s-workshop", lab->id);
}

/* "https-client-no-dates" -> "https_client_no_dates.c" */
static void source_name(const char *client, char out[80])
{
    snprintf(out, 80, "%.70s.c", client);
    for (char *at = out; *at; at++)
        if (*at == '-')
            *at = '_';
}

/* ---- the shelf ------------------------------------------------------------ */

static char *read_source(const char *path, size_t *out_len, struct err *err)
{
    char *whole = text_join(shelf_sources(), path);
    char *text = text_read(whole, SOURCE_MOST, out_len, err);
    free(whole);
    return text;
}

/* Take the comments out that point at the flaw: to find it is the task. */
static void hide_flaws(char *text)
{
    char *from;
    while ((from = strstr(text, "/* THE FLAW"))) {
        char *end = strstr(from, "*/");
        if (!end)
            return;
        while (from > text && from[-1] == ' ')
            from--;
        end += 2 + (end[2] == '\n');
        memmove(from, end, strlen(end) + 1);
    }
}

static char *flawed_source(const char *client, struct err *err)
{
    char name[80], path[96];
    size_t len;
    source_name(client, name);
    snprintf(path, sizeof path, "victims/%s", name);
    char *text = read_source(path, &len, err);
    if (text)
        hide_flaws(text);
    return text;
}

/* Called with the path, below the folder with the headers, of each file that
 * all clients need. */
typedef int each_file(void *context, const char *path, const char *text,
                      size_t len, struct err *err);

static int give_file(const char *path, each_file *each, void *context,
                     struct err *err)
{
    size_t len;
    char *text = read_source(path, &len, err);
    int rc = text ? each(context, path, text, len, err) : -1;
    free(text);
    return rc;
}

static bool is_header(const char *name)
{
    size_t len = strlen(name);
    return len > 2 && !strcmp(name + len - 2, ".h");
}

static int each_needed(each_file *each, void *context, struct err *err)
{
    char *folder = text_join(shelf_sources(), "victims"), path[300];
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int rc = dir ? 0 : -1;
    if (!dir)
        err_errno(err, "read the sources of the victims in %s", folder);
    while (!rc && (entry = readdir(dir))) {
        snprintf(path, sizeof path, "victims/%s", entry->d_name);
        if (is_header(entry->d_name))
            rc = give_file(path, each, context, err);
    }
    for (unsigned i = 0; !rc && i < NEEDS; i++)
        rc = give_file(needs[i], each, context, err);
    if (dir)
        closedir(dir);
    free(folder);
    return rc;
}

/* ---- the trainee's folder ------------------------------------------------- */

static int make_folder(const char *path, struct err *err)
{
    if (!mkdir(path, 0755) || errno == EEXIST)
        return 0;
    err_errno(err, "make the folder %s", path);
    return -1;
}

static int save(const char *path, const char *text, size_t len, struct err *err)
{
    FILE *file = fopen(path, "we");
    bool good = file && fwrite(text, 1, len, file) == len;
    if (file && fclose(file))
        good = false;
    if (good)
        return 0;
    err_errno(err, "write %s", path);
    return -1;
}

static int save_needed(void *context, const char *path, const char *text,
                       size_t len, struct err *err)
{
    char whole[400];
    for (const char *at = path; (at = strchr(at, '/')); at++) {
        snprintf(whole, sizeof whole, "%s/include/%.*s", (const char *)context,
                 (int)(at - path), path);
        if (make_folder(whole, err))
            return -1;
    }
    snprintf(whole, sizeof whole, "%s/include/%s", (const char *)context, path);
    return save(whole, text, len, err);
}

static int save_client(const char *folder, const char *client, struct err *err)
{
    char name[80], path[160];
    char *text = flawed_source(client, err);
    source_name(client, name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int rc = text ? save(path, text, strlen(text), err) : -1;
    free(text);
    return rc;
}

int workshop_make(const struct lab *lab, bool *out_made, struct err *err)
{
    char folder[64], include[80];
    struct stat info;
    const char *client;
    workshop_folder(lab, folder);
    snprintf(include, sizeof include, "%s/include", folder);
    *out_made = stat(folder, &info) != 0;
    if (!*out_made)
        return 0;
    if (make_folder(folder, err) || make_folder(include, err) ||
        each_needed(save_needed, folder, err))
        return -1;
    for (unsigned i = 1; (client = client_at(lab, i)); i++)
        if (save_client(folder, client, err))
            return -1;
    return 0;
}

/* ---- as they are now ------------------------------------------------------ */

/* What a solution does to a source. */
static char *edit(const struct play *play, const char *client, char *text,
                  struct err *err)
{
    const json_t *played = words_get(play->lab->table, play->options->play);
    const json_t *it = words_get(words_get(played, "edits"), client);
    char *edited = NULL;
    if (!it)
        return text;
    const char *find = words_text("edit", it, "find");
    const char *put = words_text("edit", it, "put");
    const char *at = strstr(text, find);
    if (!at)
        err_code(err, EXIT_LAB_INVALID, "%s has no \"%.80s\" to be edited",
                 client, find);
    else if (asprintf(&edited, "%.*s%s%s", (int)(at - text), text, put,
                      at + strlen(find)) < 0)
        abort();
    free(text);
    return edited;
}

static bool is_person(const struct play *play)
{
    return !play->options->play || play->options->check;
}

static char *current_source(const struct play *play, const char *client,
                            struct err *err)
{
    char folder[64], name[80], path[160];
    size_t len;
    if (!is_person(play)) {
        char *text = flawed_source(client, err);
        return text ? edit(play, client, text, err) : NULL;
    }
    workshop_folder(play->lab, folder);
    source_name(client, name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return text_read(path, SOURCE_MOST, &len, err);
}

/* ---- how much was changed ------------------------------------------------- */

static unsigned split_lines(char *text, const char *lines[LINES_MOST])
{
    unsigned count = 0;
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line && count < LINES_MOST;
         line = strtok_r(NULL, "\n", &rest))
        lines[count++] = line;
    return count;
}

/* The length of the longest sequence of lines that both have. */
static unsigned common_lines(const char *const *a, unsigned a_count,
                             const char *const *b, unsigned b_count)
{
    unsigned *row = calloc(b_count + 1, sizeof *row), longest;
    for (unsigned i = 0; i < a_count; i++) {
        unsigned corner = 0;
        for (unsigned j = 0; j < b_count; j++) {
            unsigned above = row[j + 1];
            row[j + 1] = !strcmp(a[i], b[j]) ? corner + 1
                         : above > row[j]    ? above
                                             : row[j];
            corner = above;
        }
    }
    longest = row[b_count];
    free(row);
    return longest;
}

/* Lines taken out and lines put in, empty ones aside. Both texts are taken
 * apart. */
static unsigned changed_lines(char *before, char *after)
{
    static const char *a[LINES_MOST], *b[LINES_MOST];
    unsigned a_count = split_lines(before, a), b_count = split_lines(after, b);
    return a_count + b_count - 2 * common_lines(a, a_count, b, b_count);
}

/* ---- to the places -------------------------------------------------------- */

static int put_needed(void *context, const char *path, const char *text,
                      size_t len, struct err *err)
{
    struct play *play = context;
    const char *at = words_text("workshop", clients_of(play->lab), "at");
    char whole[400];
    snprintf(whole, sizeof whole, "workshop/include/%s", path);
    return net_put(play->net, at, whole, text, len, err);
}

static int put_client(struct play *play, const char *client, struct err *err)
{
    const char *at = words_text("workshop", clients_of(play->lab), "at");
    char name[80], path[160];
    char *text = current_source(play, client, err);
    char *flawed = text ? flawed_source(client, err) : NULL;
    source_name(client, name);
    snprintf(path, sizeof path, "workshop/%s", name);
    int rc = -1;
    if (flawed && !net_put(play->net, at, path, text, strlen(text), err) &&
        !binder_write(&play->binder, path, text, strlen(text), err)) {
        json_t *changed = json_integer(changed_lines(flawed, text));
        json_object_set_new(json_object_get(play->result, "workshop"), client,
                            json_pack("{s:o}", "changed", changed));
        rc = 0;
    }
    free(flawed);
    free(text);
    return rc;
}

int workshop_put(struct play *play, struct err *err)
{
    const char *client;
    if (!json_object_get(play->result, "workshop")) {
        json_object_set_new(play->result, "workshop", json_object());
        if (binder_folder(&play->binder, "workshop", err) ||
            each_needed(put_needed, play, err))
            return -1;
    }
    for (unsigned i = 1; (client = client_at(play->lab, i)); i++)
        if (put_client(play, client, err))
            return -1;
    return 0;
}
