/* SPDX-License-Identifier: MIT
 *
 * The events that an attack writes, read back from a file. */
#ifndef TESTS_ATTACKS_EVENTS_H
#define TESTS_ATTACKS_EVENTS_H

/* cmocka wants these four first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

int events_open(void **state);
int events_close(void **state);

/* The next event that was not asked for yet, or NULL; json_decref() it. */
json_t *events_next(void);

/* Text or number of a member, in the event or in its data. */
const char *events_text(json_t *event, const char *key);
long long events_number(json_t *event, const char *key);

#endif
