/* SPDX-License-Identifier: MIT
 *
 * A certificate as fields: for a person, as a JSON object, one by one. All
 * three come from one table, show.def. Every byte that came from elsewhere is
 * shown escaped; the text is plain ASCII. */
#ifndef CERTS_SHOW_H
#define CERTS_SHOW_H

#include <openssl/x509.h>
#include <stdio.h>

/* How a field appears in JSON. An absent one is null, [] for a list. */
enum show_kind { SHOW_TEXT, SHOW_NUMBER, SHOW_BOOL, SHOW_LIST };

struct show_field {
    const char *name;  /* "not_after": the key in JSON */
    const char *label; /* "valid until": for a person */
    enum show_kind kind;
};
extern const struct show_field show_fields[]; /* ends with a NULL name */

/* The value as text, "" if absent; the items of a list end in '\n' each.
 * free() it. */
char *show_value(X509 *cert, const struct show_field *field);

/* The cert object: {"version":3,"serial":"0A1B",...}, without a newline. */
void show_json(X509 *cert, FILE *out);
char *show_json_text(X509 *cert); /* the same; free() it */

/* One line a field, wrapped at `width` columns. */
void show_text(X509 *cert, unsigned width, FILE *out);

/* ---- for those who print something beside it ----------------------------- */

/* "text" with quotes and escapes. Bytes that are not ASCII come out as
 * \u00XX, so anything at all becomes valid JSON. */
void show_json_string(const char *text, FILE *out);

/* A field's value as it stands in JSON. */
void show_json_value(const struct show_field *field, const char *value,
                     FILE *out);

/* `text` in lines of at most `width` columns, all but the first after
 * `indent` blanks. The cursor is at column `indent` when it is called. */
void show_wrapped(const char *text, unsigned indent, unsigned width, FILE *out);

#endif
