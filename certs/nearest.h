/* SPDX-License-Identifier: MIT
 *
 * "Did you mean ...?": the known word that is nearest to a misspelt one. It
 * lives on the lowest floor because every floor has names to offer. */
#ifndef CERTS_NEAREST_H
#define CERTS_NEAREST_H

/* The nearest of `names` (NULL-terminated), or NULL when none is near. */
const char *nearest(const char *word, const char *const *names);

#endif
