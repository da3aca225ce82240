/* SPDX-License-Identifier: MIT
 *
 * The sink is an unnamed file, so that nobody waits for a reader. */
#include "tests/attacks/events.h"

#include "proxy/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static FILE *events;
static long seen;

int events_open(void **state)
{
    char number[16];
    (void)state;
    events = tmpfile();
    seen = 0;
    if (!events)
        return -1;
    snprintf(number, sizeof number, "%d", fileno(events));
    setenv("MITMLAB_EVENTS_FD", number, 1);
    event_open(false, "attacker");
    return 0;
}

int events_close(void **state)
{
    (void)state;
    event_close();
    unsetenv("MITMLAB_EVENTS_FD");
    return fclose(events);
}

json_t *events_next(void)
{
    static char line[1 << 16];
    size_t len = 0;
    while (len < sizeof line &&
           pread(fileno(events), line + len, 1, seen) == 1) {
        seen++;
        if (line[len++] == '\n')
            break;
    }
    return len ? json_loadb(line, len, JSON_ALLOW_NUL, NULL) : NULL;
}

static json_t *member(json_t *event, const char *key)
{
    json_t *value = json_object_get(json_object_get(event, "data"), key);
    return value ? value : json_object_get(event, key);
}

const char *events_text(json_t *event, const char *key)
{
    return json_string_value(member(event, key));
}

long long events_number(json_t *event, const char *key)
{
    return json_integer_value(member(event, key));
}
