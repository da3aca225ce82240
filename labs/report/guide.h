/* SPDX-License-Identifier: MIT
 *
 * The guide's Markdown as HTML that fits into the report: headings below
 * `level`, no raw HTML, no images, links only where they lead to the web or
 * into the page. */
#ifndef LABS_REPORT_GUIDE_H
#define LABS_REPORT_GUIDE_H

#include "labs/report/out.h"

void guide_html(struct text markdown, unsigned level, struct out *out);

#endif
