/* SPDX-License-Identifier: MIT
 *
 * Every value comes from SHA-256 over the seed and the canary's name. */
#include "labs/engine/canary.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

static const struct canary canaries[] = {
#define CANARY(name, shape, sentence) {name, CANARY_##shape, sentence},
#include "labs/engine/canaries.def"
#undef CANARY
};

/* The victim and whom it pays are never the same; the attacker's is always
 * mallory, and always longer than either. */
static const char *const people[2][12] = {
    {"ada", "bela", "chidi", "dora", "emil", "farid", "greta", "hana", "ivo",
     "jun", "kofi", "lena"},
    {"maren", "nils", "olga", "pavel", "quentin", "rosa", "samir", "tove",
     "uma", "viktor", "wanda", "yara"},
};

static const char *const nouns[16] = {
    "kestrel", "lantern", "marble",  "nettle",  "orchard", "pebble",
    "quarry",  "rudder",  "saffron", "thimble", "umber",   "velvet",
    "walnut",  "yarrow",  "zephyr",  "juniper"};

const struct canary *canary_at(unsigned index)
{
    return index < sizeof canaries / sizeof *canaries ? &canaries[index] : NULL;
}

const struct canary *canary_find(const char *name)
{
    const struct canary *it;
    for (unsigned i = 0; (it = canary_at(i)); i++)
        if (!strcmp(it->name, name))
            return it;
    return NULL;
}

bool canary_is_number(const struct canary *canary)
{
    return canary->shape == CANARY_AMOUNT || canary->shape == CANARY_LOOT ||
           canary->shape == CANARY_BALANCE;
}

static void digest(const char *text, unsigned char out[SHA256_DIGEST_LENGTH])
{
    SHA256((const unsigned char *)text, strlen(text), out);
}

void canary_draw(uint64_t seed, const struct canary *canary,
                 char out[CANARY_TEXT])
{
    char text[96];
    unsigned char d[SHA256_DIGEST_LENGTH];
    snprintf(text, sizeof text, "canary:%llu:%s", (unsigned long long)seed,
             canary->name);
    digest(text, d);
    unsigned number = (unsigned)d[4] << 16 | (unsigned)d[5] << 8 | d[6];
    switch (canary->shape) {
    case CANARY_PERSON:
    case CANARY_PAYEE:
        snprintf(out, CANARY_TEXT, "%s%u",
                 people[canary->shape == CANARY_PAYEE][d[0] % 12],
                 10 + number % 90);
        return;
    case CANARY_MULE:
        snprintf(out, CANARY_TEXT, "mallory%u", 1000 + number % 9000);
        return;
    case CANARY_SECRET:
        snprintf(out, CANARY_TEXT, "%s-%s-%04u", nouns[d[0] % 16],
                 nouns[d[1] % 16], number % 10000);
        return;
    case CANARY_ACCOUNT:
        snprintf(out, CANARY_TEXT, "LB%02u%08u", d[0] % 90 + 10,
                 number % 100000000);
        return;
    case CANARY_AMOUNT:
        snprintf(out, CANARY_TEXT, "%u", 101 + number % 899);
        return;
    case CANARY_LOOT:
        snprintf(out, CANARY_TEXT, "%u", 2000 + number % 3000);
        return;
    case CANARY_BALANCE:
        snprintf(out, CANARY_TEXT, "%u", 10000 + number % 40000);
        return;
    case CANARY_HEX:
        snprintf(out, CANARY_TEXT, "%02x%02x%02x%02x%02x%02x%02x%02x", d[0],
                 d[1], d[2], d[3], d[4], d[5], d[6], d[7]);
        return;
    }
    assert(!"a canary without a shape");
}

uint64_t canary_student_seed(const char *student)
{
    unsigned char d[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)student, strlen(student), d);
    uint64_t seed = 0;
    for (unsigned i = 0; i < 8; i++)
        seed = seed << 8 | d[i];
    return seed >> 11;
}
