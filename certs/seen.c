/* SPDX-License-Identifier: MIT
 *
 * seen.def as a table. */
#include "certs/seen.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Versions as seen.def writes them. */
enum { TLS_12 = 0x0303, TLS_13 = 0x0304 };

static const struct seen rows[] = {
#define SAID_WHEN(date, versions)
#define SAID(forgery, version, one, two, three, four, five, six)               \
    {forgery, TLS_##version, {#one, #two, #three, #four, #five, #six}},
#include "certs/seen.def"
#undef SAID
#undef SAID_WHEN
};
enum { ROWS = sizeof rows / sizeof *rows };

static const struct {
    const char *date, *versions;
} when =
#define SAID_WHEN(date, versions) {date, versions};
#define SAID(...)
#include "certs/seen.def"
#undef SAID
#undef SAID_WHEN

    const struct seen * seen_at(unsigned index)
{
    return index < ROWS ? &rows[index] : NULL;
}

const struct seen *seen_find(const char *forgery, int version)
{
    for (unsigned i = 0; i < ROWS; i++)
        if (rows[i].version == version && !strcasecmp(rows[i].forgery, forgery))
            return &rows[i];
    return NULL;
}

const char *seen_client(unsigned client)
{
    static const char *const names[SEEN_CLIENTS] = {
        "s_client", "curl", "Python", "wget", "Node", "Java"};
    return names[client];
}

const char *seen_date(void)
{
    return when.date;
}

const char *seen_versions(void)
{
    return when.versions;
}
