/* SPDX-License-Identifier: MIT
 *
 * Edit distance over a short list of names. */
#include "certs/nearest.h"

#include <stddef.h>
#include <string.h>

static unsigned distance(const char *a, const char *b)
{
    enum { MOST = 32 };
    unsigned row[MOST + 1];
    size_t width = strnlen(b, MOST);
    for (size_t j = 0; j <= width; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i] && i < MOST; i++) {
        unsigned corner = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < width; j++) {
            unsigned change = corner + (a[i] != b[j]);
            corner = row[j + 1];
            unsigned least = row[j] < row[j + 1] ? row[j] : row[j + 1];
            row[j + 1] = change < least + 1 ? change : least + 1;
        }
    }
    return row[width];
}

const char *nearest(const char *word, const char *const *names)
{
    const char *best = NULL;
    unsigned len = (unsigned)strlen(word), least = 3 + len / 4;
    for (; *names; names++) {
        unsigned far = distance(word, *names);
        /* Of a short word that is wrong by more, little is left. */
        if (far < least && (far <= 2 || 2 * far <= len)) {
            least = far;
            best = *names;
        }
    }
    return best;
}
