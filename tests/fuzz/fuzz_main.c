/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target without libFuzzer: its seeds, then inputs made of them
 * by chance. The chance is a fixed sequence, so a failure comes back.
 *
 *   fuzz_NAME [--runs N] [--seed N]   seeds and N changed inputs
 *   fuzz_NAME FILE...                 these inputs only
 *   fuzz_NAME --write DIR             write the seeds as files, for libFuzzer
 */
#include "tests/fuzz/chance.h"
#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEDS_MOST = 128 };

static struct input seeds[SEEDS_MOST];
static size_t seeds_count;
static uint64_t chance_seed = 1;
static struct input current; /* what is being tried, for the last words */

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
    static uint8_t bytes[FUZZ_MOST];
    const struct chance_from from = {seeds, seeds_count, fuzz_words};
    for (size_t i = 0; i < seeds_count; i++)
        try_input(&seeds[i]);
    for (size_t i = 0; i < runs; i++) {
        struct input input = {bytes, 0, sizeof bytes};
        chance_input(&chance_seed, &from, &input);
        try_input(&input);
    }
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
    struct input input = {malloc(FUZZ_MOST), 0, FUZZ_MOST};
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
            chance_seed = strtoull(argv[++i] ? value : "", NULL, 10) | 1;
        else
            rc |= replay(argv[i]), files++;
    }
    if (!files)
        run(runs);
    for (size_t i = 0; i < seeds_count; i++)
        free(seeds[i].bytes);
    return rc;
}
