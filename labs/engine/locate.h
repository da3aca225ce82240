/* SPDX-License-Identifier: MIT
 *
 * Where in a Lua file does a key stand? A Lua table does not remember its
 * lines, so a mistake is found again in the text. */
#ifndef LABS_ENGINE_LOCATE_H
#define LABS_ENGINE_LOCATE_H

/* The line of `lab { ... }` entry `path` (count keys, from outside inwards;
 * positions are "1", "2"). When the text does not spell the table out there,
 * the line of the innermost one that it does; 0 when there is none. */
unsigned locate_line(const char *source, const char *const *path,
                     unsigned count);

#endif
