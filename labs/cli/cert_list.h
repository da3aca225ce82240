/* SPDX-License-Identifier: MIT
 *
 * The catalogue for people and for programs: every forgery with how it is made
 * and which check stops it, and the companions behind them. `family` is the
 * first letter of an id; NULL: all. */
#ifndef LABS_CLI_CERT_LIST_H
#define LABS_CLI_CERT_LIST_H

#include <stdbool.h>

/* Is there a row of this family? */
bool cert_list_knows(const char *family);

void cert_list_text(const char *family, unsigned width);

/* {"forgeries":[...],"companions":[...]} */
void cert_list_json(const char *family);

#endif
