/* SPDX-License-Identifier: MIT
 *
 * What har.c (which messages belong together), har_message.c (one message as
 * HAR has it) and har_multipart.c (a form with files) share with each other only. New references throughout. */
#ifndef LABS_REPORT_HAR_PARTS_H
#define LABS_REPORT_HAR_PARTS_H

#include "labs/report/model.h"

/* `scheme`: of the URL, if the request does not name one itself. */
json_t *har_request(struct report *report, const struct fact *fact,
                    const char *scheme);
/* With NULL: there is none, which HAR says with the status 0. */
json_t *har_response(struct report *report, const struct fact *fact);

/* Bytes as text where they are UTF-8; *out_exact: they are. */
json_t *har_text(struct text bytes, bool *out_exact);
json_t *har_base64(struct text bytes);
/* Nanoseconds since 1970 as ISO 8601 has them. */
json_t *har_time(long long t);

/* The parts of a body of this type (multipart/form-data) as `params`. */
json_t *har_multipart(struct text body, const char *type);

/* The value of a header field, or NULL; names are case-insensitive. */
const json_t *har_field(const struct fact *fact, const char *name);

#endif
