/* SPDX-License-Identifier: MIT
 *
 * report.html: one file without script, that reads well on a screen and on
 * paper. html.c writes the page, html_step.c what belongs to one step. */
#ifndef LABS_REPORT_HTML_H
#define LABS_REPORT_HTML_H

#include "labs/report/model.h"

void html_write(struct report *report, struct out *out);

/* One step, from its heading on; `number` counts from 0. */
void html_step(struct report *report, unsigned number, struct out *out);

/* Small parts that both files use. */
void html_element(struct out *out, const char *tag, const char *attributes,
                  struct text text);
void html_truth(struct out *out, bool good, const char *yes, const char *no);
void html_table_open(struct out *out, const char *caption,
                     const char *const *heads, size_t count);
void html_table_close(struct out *out);
void html_asked(struct out *out, const char *caption, const struct asked *list,
                unsigned count);

#endif
