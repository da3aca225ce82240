/* SPDX-License-Identifier: MIT
 *
 * Pages of the dictionary behind `mitmlab explain`: an alert, a verify code, a
 * forgery, a way to say yes or no. None of them needs a run. */
#ifndef LABS_CLI_EXPLAIN_PAGES_H
#define LABS_CLI_EXPLAIN_PAGES_H

#include "labs/cli/term.h"
#include "labs/report/explain_text.h"

void page_alert(const struct term *term, int alert);
void page_code(const struct term *term, int code);
void page_forgery(const struct term *term, const struct forgery *forgery);
void page_way(const struct term *term, enum explain_way way);

/* The same as objects; NULL when memory is out. */
json_t *page_alert_json(int alert);
json_t *page_code_json(int code);
json_t *page_forgery_json(const struct forgery *forgery);
json_t *page_way_json(enum explain_way way);

#endif
