/* SPDX-License-Identifier: MIT
 *
 * Reads clients/NAME.client: lines "key = value", "#" begins a comment. */
#include "labs/matrix/client.h"

#include "certs/nearest.h"
#include "labs/engine/shelf.h"
#include "labs/engine/words.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWN_PREFIX "https-client"

/* ---- one file ------------------------------------------------------------ */

static const struct {
    const char *key;
    size_t at;
} texts[] = {
    {"note", offsetof(struct client, note)},
    {"version", offsetof(struct client, version_by)},
    {"visit", offsetof(struct client, visit)},
    {"visit_address", offsetof(struct client, visit_address)},
    {"batch", offsetof(struct client, batch)},
    {"script", offsetof(struct client, script)},
    {"input", offsetof(struct client, input)},
    {"env", offsetof(struct client, env)},
};
enum { TEXTS = sizeof texts / sizeof *texts };

static char **text_at(struct client *client, unsigned index)
{
    return (char **)((char *)client + texts[index].at);
}

static void client_free(struct client *client)
{
    if (!client)
        return;
    for (unsigned i = 0; i < TEXTS; i++)
        free(*text_at(client, i));
    free(client->folder);
    free(client);
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = 0;
    return text;
}

static bool set(struct client *client, const char *key, const char *value)
{
    for (unsigned i = 0; i < TEXTS; i++)
        if (!strcmp(texts[i].key, key)) {
            free(*text_at(client, i));
            *text_at(client, i) = strdup(value);
            return true;
        }
    if (strcmp(key, "default") != 0)
        return false;
    client->optional = !strcmp(value, "no");
    return true;
}

static int bad_key(const char *path, unsigned line, const char *key,
                   struct err *err)
{
    const char *names[TEXTS + 2] = {"default"};
    for (unsigned i = 0; i < TEXTS; i++)
        names[i + 1] = texts[i].key;
    const char *near = nearest(key, names);
    err_code(err, EXIT_USAGE, "%s:%u: no key \"%.40s\"%s%s%s", path, line, key,
             near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return -1;
}

static int read_lines(FILE *file, const char *path, struct client *client,
                      struct err *err)
{
    char line[1024];
    for (unsigned number = 1; fgets(line, sizeof line, file); number++) {
        char *text = trim(line), *is = strchr(text, '=');
        if (!*text || *text == '#')
            continue;
        if (!is) {
            err_code(err, EXIT_USAGE, "%s:%u: a line is \"key = value\"", path,
                     number);
            return -1;
        }
        *is = 0;
        char *key = trim(text);
        if (!set(client, key, trim(is + 1)))
            return bad_key(path, number, key, err);
    }
    if (client->version_by && (client->visit || client->batch))
        return 0;
    err_code(err, EXIT_USAGE,
             "%s: a client needs \"version\", and \"visit\" or \"batch\"",
             path);
    return -1;
}

/* "clients/curl.client" -> curl */
static void name_after(const char *path, struct client *client)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t len = strcspn(base, ".");
    snprintf(client->id, sizeof client->id, "%.*s", (int)len, base);
    client->folder =
        slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
}

static struct client *read_file(const char *path, struct err *err)
{
    FILE *file = fopen(path, "r");
    struct client *client = file ? calloc(1, sizeof *client) : NULL;
    if (!client) {
        err_errno(err, "read %s", path);
        if (file)
            fclose(file);
        return NULL;
    }
    name_after(path, client);
    if (read_lines(file, path, client, err)) {
        client_free(client);
        client = NULL;
    }
    fclose(file);
    return client;
}

/* ---- all there are ------------------------------------------------------- */

static int add(struct clients *all, struct client *client, struct err *err)
{
    if (!client)
        return -1;
    if (all->count == CLIENTS_MOST) {
        client_free(client);
        err_code(err, EXIT_USAGE, "more than %d clients", CLIENTS_MOST);
        return -1;
    }
    all->list[all->count++] = client;
    return 0;
}

/* "https-client-no-verify": no-verify; the careful one is careful. */
static struct client *own_client(const char *program)
{
    struct client *client = calloc(1, sizeof *client);
    const char *rest = program + strlen(OWN_PREFIX);
    if (!client)
        return NULL;
    client->own = true;
    snprintf(client->id, sizeof client->id, "%s", *rest ? rest + 1 : "careful");
    if (asprintf(&client->visit,
                 "%s --timeout {seconds} --trust {trust} --get {url}",
                 program) < 0)
        client->visit = NULL;
    client->note = strdup(program_find(program)->sentence);
    return client;
}

static int add_own(struct clients *all, struct err *err)
{
    const struct program *it;
    for (unsigned i = 0; (it = program_at(i)); i++)
        if (it->kind == PROGRAM_CLIENT &&
            !strncmp(it->name, OWN_PREFIX, strlen(OWN_PREFIX)) &&
            add(all, own_client(it->name), err))
            return -1;
    return 0;
}

static bool find_folder(char out[PATH_MAX])
{
    static const char *const candidates[] = {
        "lessons/matrix/clients", "../share/mitmlab/clients",
        "../lessons/matrix/clients", "../../lessons/matrix/clients"};
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", shelf_program());
    char *slash = strrchr(dir, '/');
    if (slash)
        *slash = 0;
    for (unsigned i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        char path[2 * PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", dir, candidates[i]);
        if (!access(path, R_OK | X_OK) && realpath(path, out))
            return true;
    }
    return false;
}

static int is_client_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && !strcmp(dot, ".client");
}

static int add_real(struct clients *all, struct err *err)
{
    struct dirent **names;
    char folder[PATH_MAX], path[2 * PATH_MAX];
    int rc = 0;
    if (!find_folder(folder)) {
        err_set(err, "no folder with clients beside %s", shelf_program());
        return -1;
    }
    int count = scandir(folder, &names, is_client_file, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (!rc)
            rc = add(all, read_file(path, err), err);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return rc;
}

/* ---- who is meant -------------------------------------------------------- */

static bool is_meant(const struct client *client, const char *word)
{
    return !strcmp(client->id, word) || (client->own && !strcmp(word, "own")) ||
           (!client->own && !client->optional && !strcmp(word, "real"));
}

static int unknown(const struct clients *all, const char *word, struct err *err)
{
    const char *names[CLIENTS_MOST + 3];
    unsigned count = 0;
    for (unsigned i = 0; i < all->count; i++)
        names[count++] = all->list[i]->id;
    names[count++] = "own";
    names[count++] = "real";
    names[count] = NULL;
    const char *near = nearest(word, names);
    err_code(err, EXIT_USAGE,
             "no client \"%.40s\"%s%s%s; 'mitmlab matrix --list' lists them",
             word, near ? " (did you mean " : "", near ? near : "",
             near ? "?)" : "");
    return -1;
}

static int mark(struct clients *all, const char *word, struct err *err)
{
    bool any = false;
    if (strchr(word, '/')) {
        if (add(all, read_file(word, err), err))
            return -1;
        all->list[all->count - 1]->asked = true;
        return 0;
    }
    for (unsigned i = 0; i < all->count; i++)
        if (is_meant(all->list[i], word))
            all->list[i]->asked = any = true;
    return any ? 0 : unknown(all, word, err);
}

static int mark_all(struct clients *all, const char *names, struct err *err)
{
    char *copy = strdup(names), *rest = copy, *word;
    int rc = 0;
    while (!rc && (word = strsep(&rest, ",")))
        rc = mark(all, word, err);
    free(copy);
    return rc;
}

static void keep_asked(struct clients *all, bool everybody)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < all->count; i++) {
        struct client *client = all->list[i];
        if (client->asked || (everybody && !client->optional))
            all->list[kept++] = client;
        else
            client_free(client);
    }
    all->count = kept;
}

/* ---- two letters for each ------------------------------------------------ */

static bool is_taken(const struct clients *all, unsigned before,
                     const char *two)
{
    for (unsigned i = 0; i < before; i++)
        if (!strcmp(all->list[i]->letters, two))
            return true;
    return false;
}

/* "no-verify" -> nv, "curl" -> cu: the first letters of two words, else the
 * first one and one of those that follow. */
static void give_letters(const struct clients *all, unsigned index)
{
    struct client *client = all->list[index];
    const char *id = client->id, *dash = strchr(id, '-');
    char two[3] = {id[0], dash && dash[1] ? dash[1] : id[1], 0};
    for (unsigned i = 1; is_taken(all, index, two) && id[i]; i++)
        two[1] = id[i];
    for (char letter = '2'; is_taken(all, index, two) && letter <= '9';
         letter++)
        two[1] = letter;
    memcpy(client->letters, two, sizeof two);
}

int clients_open(const char *names, struct clients *out, struct err *err)
{
    *out = (struct clients){.count = 0};
    if (add_own(out, err) || add_real(out, err) ||
        (names && mark_all(out, names, err))) {
        clients_close(out);
        return -1;
    }
    keep_asked(out, !names);
    for (unsigned i = 0; i < out->count; i++)
        give_letters(out, i);
    return 0;
}

void clients_close(struct clients *clients)
{
    for (unsigned i = 0; i < clients->count; i++)
        client_free(clients->list[i]);
    clients->count = 0;
}

/* ---- command lines ------------------------------------------------------- */

static const char *value_of(const struct client_blank *blanks, const char *name,
                            size_t len)
{
    for (; blanks->name; blanks++)
        if (strlen(blanks->name) == len && !strncmp(blanks->name, name, len))
            return blanks->value;
    return NULL;
}

static char *fill(const char *word, size_t len,
                  const struct client_blank *blanks)
{
    char *out = NULL;
    size_t room = 0;
    FILE *text = open_memstream(&out, &room);
    for (const char *at = word; at < word + len; at++) {
        const char *end = *at == '{' ? memchr(at, '}', len) : NULL;
        const char *value =
            end ? value_of(blanks, at + 1, (size_t)(end - at - 1)) : NULL;
        if (value) {
            fputs(value, text);
            at = end;
        } else {
            fputc(*at, text);
        }
    }
    fclose(text);
    return out;
}

unsigned client_words(const char *line, const struct client_blank *blanks,
                      char *out[CLIENT_WORDS_MOST + 1])
{
    unsigned count = 0;
    while (count < CLIENT_WORDS_MOST && *(line += strspn(line, " "))) {
        size_t len = strcspn(line, " ");
        out[count++] = fill(line, len, blanks);
        line += len;
    }
    out[count] = NULL;
    return count;
}
