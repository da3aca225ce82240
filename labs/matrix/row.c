/* SPDX-License-Identifier: MIT */
#include "labs/matrix/row.h"

#include <ctype.h>
#include <openssl/tls1.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ONLY(version) .row.tls = TLS_##version##_ONLY
#define SHOWS(other)  .what.shows = other

static const struct {
    struct row row;
    struct offer what;
} offers[] = {
#define OFFER(name, words, making, stop, section, past, measured, ...)         \
    {.row.id = name,                                                           \
     .row.title = words,                                                       \
     .row.how = making,                                                        \
     .row.check = stop,                                                        \
     .row.rfc = section,                                                       \
     .row.history = past,                                                      \
     .row.seen = measured,                                                     \
     __VA_ARGS__},
#include "labs/matrix/offers.def"
#undef OFFER
};

enum { OFFERS = sizeof offers / sizeof *offers };

static unsigned forgeries(void)
{
    unsigned count = 0;
    while (forgery_at(count))
        count++;
    return count;
}

static const char *const why_one_version[] = {
    [TLS_BOTH] = NULL,
    [TLS_12_ONLY] = "In TLS 1.3 no server can sign with such a key.",
    [TLS_13_ONLY] = "In TLS 1.2 no suite fits such a certificate.",
};

bool row_at(unsigned index, struct row *out)
{
    const struct forgery *cert = forgery_at(index);
    if (cert) {
        *out = (struct row){.id = cert->id,
                            .title = cert->title,
                            .how = cert->how,
                            .check = cert->check,
                            .rfc = cert->rfc,
                            .history = cert->history,
                            .seen = cert->seen,
                            .asks = cert->asks,
                            .tls = cert->tls,
                            .why = why_one_version[cert->tls],
                            .cert = cert};
        return true;
    }
    index -= forgeries();
    if (index >= OFFERS)
        return false;
    *out = offers[index].row;
    out->offer = &offers[index].what;
    return true;
}

bool row_find(const char *id, struct row *out)
{
    for (unsigned i = 0; row_at(i, out); i++)
        if (!strcasecmp(out->id, id))
            return true;
    return false;
}

bool row_in_tls12(const struct row *row)
{
    return row->tls != TLS_13_ONLY;
}

bool row_in_tls13(const struct row *row)
{
    return row->tls != TLS_12_ONLY;
}

bool row_is_control(const struct row *row)
{
    return row->id[0] == 'c';
}

/* An id is a family and a number: the nearest is of the same family. */
static bool nearest_row(const char *word, struct row *out)
{
    struct row it;
    long far = -1, number = word[0] ? strtol(word + 1, NULL, 10) : 0;
    for (unsigned i = 0; row_at(i, &it); i++) {
        long here = labs(strtol(it.id + 1, NULL, 10) - number);
        if (it.id[0] == tolower((unsigned char)word[0]) &&
            (far < 0 || here < far)) {
            far = here;
            *out = it;
        }
    }
    return far >= 0;
}

static bool is_meant(const struct row *row, const char *word)
{
    return word[1] ? !strcasecmp(row->id, word)
                   : row->id[0] == tolower((unsigned char)word[0]);
}

/* Marks the rows that `word` means; false: none. */
static bool mark(const char *word, bool wanted[ROWS_MOST])
{
    struct row row;
    bool any = false;
    for (unsigned i = 0; i < ROWS_MOST && row_at(i, &row); i++)
        if (word[0] && is_meant(&row, word))
            wanted[i] = any = true;
    return any;
}

static int unknown(const char *word, struct err *err)
{
    struct row near;
    bool any = nearest_row(word, &near);
    err_code(err, EXIT_USAGE,
             "no forgery \"%.40s\"%s%s%s; 'mitmlab cert list' lists them, and "
             "a01 to a08 are the companions",
             word, any ? " (did you mean " : "", any ? near.id : "",
             any ? "?)" : "");
    return -1;
}

static int mark_list(const char *list, bool wanted[ROWS_MOST], struct err *err)
{
    char word[48];
    for (const char *at = list;; at++) {
        size_t len = strcspn(at, ",");
        size_t kept = len < sizeof word - 1 ? len : sizeof word - 1;
        memcpy(word, at, kept);
        word[kept] = 0;
        if (!mark(word, wanted))
            return unknown(word, err);
        at += len;
        if (!*at)
            return 0;
    }
}

int rows_select(const char *list, struct row out[ROWS_MOST], struct err *err)
{
    bool wanted[ROWS_MOST] = {false};
    int count = 0;
    if (list && mark_list(list, wanted, err))
        return -1;
    for (unsigned i = 0; i < ROWS_MOST && row_at(i, &out[count]); i++)
        if (!list || wanted[i])
            count++;
    return count;
}
