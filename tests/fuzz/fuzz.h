/* SPDX-License-Identifier: MIT
 *
 * What a fuzz target is: one file NAME_fuzz.c with the three things below.
 * It is linked twice: with fuzz_main.c, which any compiler can build and
 * ctest runs for a bounded time, and, with MITMLAB_FUZZ, with libFuzzer. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_MOST = 8192 }; /* bytes of one input */

/* Try one input; abort() when something is wrong. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Give good inputs to start from, one call of `add` each; it copies. */
void fuzz_seeds(void (*add)(const void *bytes, size_t len));

/* Pieces that the format is made of, NULL at the end. */
extern const char *const fuzz_words[];

#endif
