/* SPDX-License-Identifier: MIT
 *
 * A test that this machine cannot carry out says why and is skipped. Where CI
 * is set it fails: there, nothing may be missing. Include it after cmocka.h. */
#ifndef TESTS_NEED_H
#define TESTS_NEED_H

#include <stdbool.h>
#include <stdlib.h>

static inline void need(bool there, const char *what)
{
    if (there)
        return;
    if (getenv("CI"))
        fail_msg("CI must not skip this: no %s", what);
    print_message("skipped: this machine has no %s\n", what);
    skip();
}

#endif
