/* SPDX-License-Identifier: MIT
 *
 * Canaries: values that a run is recognised by. They are drawn from the seed,
 * so two trainees see different ones and the same trainee the same. */
#ifndef LABS_ENGINE_CANARY_H
#define LABS_ENGINE_CANARY_H

#include <stdbool.h>
#include <stdint.h>

enum { CANARY_TEXT = 48 };

enum canary_shape {
    CANARY_PERSON,
    CANARY_PAYEE,
    CANARY_MULE,
    CANARY_SECRET,
    CANARY_ACCOUNT,
    CANARY_AMOUNT,
    CANARY_LOOT,
    CANARY_BALANCE,
    CANARY_HEX,
};

struct canary {
    const char *name;
    enum canary_shape shape;
    const char *sentence;
};
const struct canary *canary_at(unsigned index); /* NULL behind the last */
const struct canary *canary_find(const char *name);

/* Amounts are numbers, the others text. */
bool canary_is_number(const struct canary *canary);
void canary_draw(uint64_t seed, const struct canary *canary,
                 char out[CANARY_TEXT]);

/* The seed of a student: 53 bits, so that it survives every JSON reader. */
uint64_t canary_student_seed(const char *student);

#endif
