/* SPDX-License-Identifier: MIT
 *
 * Makes an input out of seeds and words by chance. The chance is a fixed
 * sequence, so what it makes comes back. */
#ifndef TESTS_FUZZ_CHANCE_H
#define TESTS_FUZZ_CHANCE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
    uint8_t *bytes;
    size_t len, room;
};

/* What inputs are made of. */
struct chance_from {
    const struct input *seeds;
    size_t count;
    const char *const *words; /* NULL at the end */
};

/* xorshift64* (Vigna); neither the state nor `below` may be 0. */
static inline size_t chance(uint64_t *state, size_t below)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (size_t)((*state * 0x2545f4914f6cdd1du >> 33) % below);
}

static inline void input_cut(struct input *input, size_t at, size_t len)
{
    memmove(input->bytes + at, input->bytes + at + len, input->len - at - len);
    input->len -= len;
}

static inline void input_insert(struct input *input, size_t at,
                                const void *bytes, size_t len)
{
    if (len > input->room - input->len)
        return;
    memmove(input->bytes + at + len, input->bytes + at, input->len - at);
    memcpy(input->bytes + at, bytes, len);
    input->len += len;
}

static inline void change_byte(struct input *input, uint64_t *state,
                               const struct chance_from *from)
{
    (void)from;
    if (input->len)
        input->bytes[chance(state, input->len)] = (uint8_t)chance(state, 256);
}

static inline void change_bit(struct input *input, uint64_t *state,
                              const struct chance_from *from)
{
    (void)from;
    if (input->len)
        input->bytes[chance(state, input->len)] ^=
            (uint8_t)(1u << chance(state, 8));
}

static inline void change_add_byte(struct input *input, uint64_t *state,
                                   const struct chance_from *from)
{
    (void)from;
    uint8_t byte = (uint8_t)chance(state, 256);
    input_insert(input, chance(state, input->len + 1), &byte, 1);
}

static inline void change_add_word(struct input *input, uint64_t *state,
                                   const struct chance_from *from)
{
    size_t count = 0;
    while (from->words[count])
        count++;
    const char *word = from->words[chance(state, count)];
    input_insert(input, chance(state, input->len + 1), word, strlen(word));
}

static inline void change_cut(struct input *input, uint64_t *state,
                              const struct chance_from *from)
{
    (void)from;
    size_t at = chance(state, input->len + 1);
    size_t most = input->len - at < 16 ? input->len - at : 16;
    input_cut(input, at, chance(state, most + 1));
}

static inline void change_repeat(struct input *input, uint64_t *state,
                                 const struct chance_from *from)
{
    (void)from;
    uint8_t piece[64];
    size_t at = chance(state, input->len + 1);
    size_t left = input->len - at;
    size_t len = chance(state, (left < sizeof piece ? left : sizeof piece) + 1);
    memcpy(piece, input->bytes + at, len);
    input_insert(input, chance(state, input->len + 1), piece, len);
}

static inline void change_mix(struct input *input, uint64_t *state,
                              const struct chance_from *from)
{
    const struct input *other = &from->seeds[chance(state, from->count)];
    size_t at = chance(state, other->len + 1);
    size_t len = chance(state, other->len - at + 1);
    input_insert(input, chance(state, input->len + 1), other->bytes + at, len);
}

static inline void change_cut_the_end(struct input *input, uint64_t *state,
                                      const struct chance_from *from)
{
    (void)from;
    input->len = chance(state, input->len + 1);
}

/* Fill `out` (whose bytes and room are given) with the next input: a seed
 * with up to six changes. */
static inline void chance_input(uint64_t *state, const struct chance_from *from,
                                struct input *out)
{
    static void (*const changes[])(struct input *, uint64_t *,
                                   const struct chance_from *) = {
        change_byte,     change_bit,      change_add_byte,
        change_add_word, change_add_word, change_cut,
        change_repeat,   change_mix,      change_cut_the_end,
    };
    const struct input *seed = &from->seeds[chance(state, from->count)];
    out->len = seed->len < out->room ? seed->len : out->room;
    memcpy(out->bytes, seed->bytes, out->len);
    for (size_t steps = 1 + chance(state, 6); steps; steps--)
        changes[chance(state, sizeof changes / sizeof *changes)](out, state,
                                                                 from);
}

#endif
