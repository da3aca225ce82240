/* SPDX-License-Identifier: MIT
 *
 * Rules are few and looked through one by one. Refusals are a set of
 * "victim's address, server" that is bounded: when it is full, it is
 * forgotten, and everybody may refuse again. */
#include "proxy/pass.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RULES_MOST = 64, SLOTS = 256, REFUSALS_MOST = 4096, KEY_MOST = 384 };

struct refusal {
    struct refusal *next;
    char key[];
};

struct pass {
    char *rules[RULES_MOST];
    unsigned rules_count;
    bool after_refusal;
    pthread_mutex_t lock; /* of what follows */
    struct refusal *slots[SLOTS];
    unsigned count;
};

struct pass *pass_new(void)
{
    struct pass *pass = calloc(1, sizeof *pass);
    if (pass)
        pthread_mutex_init(&pass->lock, NULL);
    return pass;
}

static void forget_all(struct pass *pass)
{
    for (unsigned i = 0; i < SLOTS; i++)
        while (pass->slots[i]) {
            struct refusal *refusal = pass->slots[i];
            pass->slots[i] = refusal->next;
            free(refusal);
        }
    pass->count = 0;
}

void pass_free(struct pass *pass)
{
    if (!pass)
        return;
    forget_all(pass);
    for (unsigned i = 0; i < pass->rules_count; i++)
        free(pass->rules[i]);
    pthread_mutex_destroy(&pass->lock);
    free(pass);
}

void pass_after_refusal(struct pass *pass)
{
    pass->after_refusal = true;
}

/* ---- rules --------------------------------------------------------------- */

/* The address without its port, as inet_ntop() writes it. */
static void host_text(const union address *address, char text[INET6_ADDRSTRLEN])
{
    *text = 0;
    if (address->any.sa_family == AF_INET)
        inet_ntop(AF_INET, &address->v4.sin_addr, text, INET6_ADDRSTRLEN);
    else if (address->any.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &address->v6.sin6_addr, text, INET6_ADDRSTRLEN);
}

/* An address as inet_ntop() would write it; false: it is none. */
static bool normal_address(const char *text, char out[INET6_ADDRSTRLEN])
{
    unsigned char bytes[sizeof(struct in6_addr)];
    for (int i = 0; i < 2; i++) {
        int family = i ? AF_INET6 : AF_INET;
        if (inet_pton(family, text, bytes) == 1)
            return inet_ntop(family, bytes, out, INET6_ADDRSTRLEN) != NULL;
    }
    return false;
}

static bool is_name(const char *text)
{
    if (!strncmp(text, "*.", 2))
        text += 2;
    bool fine = *text && *text != '.';
    for (; *text; text++)
        fine = fine && (isalnum((unsigned char)*text) || strchr("-._", *text));
    return fine;
}

int pass_add(struct pass *pass, const char *rule, struct err *err)
{
    char address[INET6_ADDRSTRLEN];
    bool number = normal_address(rule, address);
    if (!number && !is_name(rule)) {
        err_code(err, EXIT_USAGE,
                 "\"%.100s\" is no server to let pass: want NAME, *.NAME or "
                 "an address without a port",
                 rule);
        return -1;
    }
    if (pass->rules_count == RULES_MOST) {
        err_code(err, EXIT_USAGE, "at most %d servers can pass", RULES_MOST);
        return -1;
    }
    char *copy = strdup(number ? address : rule);
    if (!copy) {
        err_set(err, "note who may pass: out of memory");
        return -1;
    }
    pass->rules[pass->rules_count++] = copy;
    return 0;
}

/* "*.lab.test" is everything below lab.test, however deep. */
static bool fits(const char *rule, const char *name, const char *address)
{
    if (!strcmp(rule, address))
        return true;
    if (!name)
        return false;
    size_t len = strlen(rule + (*rule == '*')), have = strlen(name);
    return *rule == '*' ? have > len && !strcasecmp(name + have - len, rule + 1)
                        : !strcasecmp(rule, name);
}

/* ---- refusals ------------------------------------------------------------ */

static struct refusal **slot_of(struct pass *pass, const char *key)
{
    unsigned hash = 2166136261U; /* FNV-1a */
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619U;
    return &pass->slots[hash % SLOTS];
}

/* One host and what it asked for; its port is another one each time. */
static void make_key(char key[KEY_MOST], const union address *victim,
                     const union address *server, const char *name)
{
    char who[INET6_ADDRSTRLEN], whom[INET6_ADDRSTRLEN];
    host_text(victim, who);
    host_text(server, whom);
    snprintf(key, KEY_MOST, "%s %s", who, name ? name : whom);
}

static bool has_refused(struct pass *pass, const char *key)
{
    struct refusal *it = *slot_of(pass, key);
    while (it && strcmp(it->key, key) != 0)
        it = it->next;
    return it;
}

static void keep_refusal(struct pass *pass, const char *key)
{
    struct refusal *refusal = malloc(sizeof *refusal + strlen(key) + 1);
    if (!refusal)
        return; /* it will refuse once more */
    if (pass->count >= REFUSALS_MOST)
        forget_all(pass);
    struct refusal **slot = slot_of(pass, key);
    strcpy(refusal->key, key);
    refusal->next = *slot;
    *slot = refusal;
    pass->count++;
}

void pass_note_refusal(struct pass *pass, const union address *victim,
                       const union address *server, const char *name)
{
    char key[KEY_MOST];
    if (!pass || !pass->after_refusal)
        return;
    make_key(key, victim, server, name);
    pthread_mutex_lock(&pass->lock);
    if (!has_refused(pass, key))
        keep_refusal(pass, key);
    pthread_mutex_unlock(&pass->lock);
}

enum pass_why pass_look(struct pass *pass, const union address *victim,
                        const union address *server, const char *name,
                        const char **out_rule)
{
    char key[KEY_MOST], address[INET6_ADDRSTRLEN];
    if (!pass)
        return PASS_NOT;
    host_text(server, address);
    for (unsigned i = 0; i < pass->rules_count; i++) {
        if (!fits(pass->rules[i], name, address))
            continue;
        *out_rule = pass->rules[i];
        return PASS_LISTED;
    }
    if (!pass->after_refusal)
        return PASS_NOT;
    make_key(key, victim, server, name);
    pthread_mutex_lock(&pass->lock);
    bool refused = has_refused(pass, key);
    pthread_mutex_unlock(&pass->lock);
    return refused ? PASS_REFUSED : PASS_NOT;
}
