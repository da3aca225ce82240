/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target without libFuzzer: its seeds, then inputs made of them
 * by chance. The chance is a fixed sequence, so a failure comes back.
 *
 *   fuzz_NAME [--runs N] [--seed N]   seeds and N changed inputs
 *   fuzz_NAME FILE...                 these inputs only
 *   fuzz_NAME --write DIR             write the seeds as files, for libFuzzer
 */
#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEDS_MOST = 128 };

struct input {
    uint8_t *bytes;
    size_t len;
};

static struct input seeds[SEEDS_MOST];
static size_t seeds_count;
static struct input current; /* what is being tried, for the last words */

/* ---- chance -------------------------------------------------------------------- */

static uint64_t chance_state = 1;

/* xorshift64* (Vigna); `below` must not be 0. */
static size_t chance(size_t below)
{
    chance_state ^= chance_state >> 12;
    chance_state ^= chance_state << 25;
    chance_state ^= chance_state >> 27;
    return (size_t)((chance_state * 0x2545f4914f6cdd1du >> 33) % below);
}

/* ---- changing an input ------------------------------------------------------------ */

static void cut(struct input *input, size_t at, size_t len)
{
    memmove(input->bytes + at, input->bytes + at + len, input->len - at - len);
    input->len -= len;
}

static void insert(struct input *input, size_t at, const void *bytes,
                   size_t len)
{
    if (len > FUZZ_MOST - input->len)
        return;
    memmove(input->bytes + at + len, input->bytes + at, input->len - at);
    memcpy(input->bytes + at, bytes, len);
    input->len += len;
}

static void change_byte(struct input *input)
{
    if (input->len)
        input->bytes[chance(input->len)] = (uint8_t)chance(256);
}

static void change_bit(struct input *input)
{
    if (input->len)
        input->bytes[chance(input->len)] ^= (uint8_t)(1u << chance(8));
}

static void insert_byte(struct input *input)
{
    uint8_t byte = (uint8_t)chance(256);
    insert(input, chance(input->len + 1), &byte, 1);
}

static void insert_word(struct input *input)
{
    size_t count = 0;
    while (fuzz_words[count])
        count++;
    const char *word = fuzz_words[chance(count)];
    insert(input, chance(input->len + 1), word, strlen(word));
}

static void cut_some(struct input *input)
{
    size_t at = chance(input->len + 1);
    size_t most = input->len - at < 16 ? input->len - at : 16;
    cut(input, at, chance(most + 1));
}

static void repeat_some(struct input *input)
{
    uint8_t piece[64];
    size_t at = chance(input->len + 1);
    size_t most =
        input->len - at < sizeof piece ? input->len - at : sizeof piece;
    size_t len = chance(most + 1);
    memcpy(piece, input->bytes + at, len);
    insert(input, chance(input->len + 1), piece, len);
}

static void take_from_another(struct input *input)
{
    const struct input *other = &seeds[chance(seeds_count)];
    size_t at = chance(other->len + 1);
    insert(input, chance(input->len + 1), other->bytes + at,
           chance(other->len - at + 1));
}

static void cut_the_end(struct input *input)
{
    input->len = chance(input->len + 1);
}

static void (*const changes[])(struct input *input) = {
    change_byte, change_bit,  insert_byte,       insert_word, insert_word,
    cut_some,    repeat_some, take_from_another, cut_the_end,
};

/* ---- running -------------------------------------------------------------------------- */

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1"; /* so that on_abort() is asked */
}

static void on_abort(int signal_number)
{
    static const char name[] = "fuzz-failure";
    FILE *file = fopen(name, "wb");
    if (file) {
        fwrite(current.bytes, 1, current.len, file);
        fclose(file);
        fprintf(stderr, "the input of %zu bytes is in ./%s\n", current.len,
                name);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void try_input(const struct input *input)
{
    current = *input;
    LLVMFuzzerTestOneInput(input->bytes, input->len);
}

static void run(size_t runs)
{
    uint8_t *bytes = malloc(FUZZ_MOST);
    for (size_t i = 0; i < seeds_count; i++)
        try_input(&seeds[i]);
    for (size_t i = 0; bytes && i < runs; i++) {
        const struct input *seed = &seeds[chance(seeds_count)];
        struct input input = {bytes, seed->len};
        memcpy(bytes, seed->bytes, seed->len);
        for (size_t steps = 1 + chance(6); steps; steps--)
            changes[chance(sizeof changes / sizeof *changes)](&input);
        try_input(&input);
    }
    free(bytes);
    printf("%zu seeds, %zu changed inputs\n", seeds_count, runs);
}

static void add_seed(const void *bytes, size_t len)
{
    if (seeds_count == SEEDS_MOST || len > FUZZ_MOST)
        abort();
    struct input *seed = &seeds[seeds_count++];
    seed->bytes = malloc(len ? len : 1);
    if (!seed->bytes)
        abort();
    memcpy(seed->bytes, bytes, len);
    seed->len = len;
}

static int write_seeds(const char *folder)
{
    for (size_t i = 0; i < seeds_count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/seed-%03zu", folder, i);
        FILE *file = fopen(path, "wb");
        if (!file) {
            perror(path);
            return 1;
        }
        fwrite(seeds[i].bytes, 1, seeds[i].len, file);
        fclose(file);
    }
    return 0;
}

static int replay(const char *path)
{
    struct input input = {malloc(FUZZ_MOST), 0};
    FILE *file = fopen(path, "rb");
    if (!file || !input.bytes) {
        perror(path);
        free(input.bytes);
        return 1;
    }
    input.len = fread(input.bytes, 1, FUZZ_MOST, file);
    fclose(file);
    try_input(&input);
    free(input.bytes);
    return 0;
}

int main(int argc, char **argv)
{
    size_t runs = 20000;
    int rc = 0, files = 0;
    signal(SIGABRT, on_abort);
    fuzz_seeds(add_seed);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--write"))
            return write_seeds(value);
        if (!strcmp(argv[i], "--runs"))
            runs = strtoul(argv[++i] ? value : "", NULL, 10);
        else if (!strcmp(argv[i], "--seed"))
            chance_state = strtoull(argv[++i] ? value : "", NULL, 10) | 1;
        else
            rc |= replay(argv[i]), files++;
    }
    if (!files)
        run(runs);
    for (size_t i = 0; i < seeds_count; i++)
        free(seeds[i].bytes);
    return rc;
}
