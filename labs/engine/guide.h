/* SPDX-License-Identifier: MIT
 *
 * The guide of a lab, README.md: one section a step. */
#ifndef LABS_ENGINE_GUIDE_H
#define LABS_ENGINE_GUIDE_H

#include "certs/err.h"

#include <stdbool.h>

/* The whole text of FOLDER/README.md; free() it. NULL with a sentence. */
char *guide_read(const char *folder, struct err *err);

bool guide_has(const char *guide, const char *title);

/* The section under this heading, without the heading, up to the next one of
 * the same or a higher rank. free() it; NULL when there is none. */
char *guide_section(const char *guide, const char *title);

/* What stands between the title of the guide and its first section; free()
 * it. */
char *guide_introduction(const char *guide);

/* What stands behind the section under this heading: what is left to say when
 * all steps are over. free() it. */
char *guide_closing(const char *guide, const char *title);

/* The two halves of a section: what is said before a step is played, and what
 * afterwards, which begins at the first sub-heading or the first paragraph
 * that starts with bold words. free() both. */
void guide_split(const char *section, char **out_before, char **out_after);

#endif
