/* SPDX-License-Identifier: MIT
 *
 * One condition on a flow, compiled: what rules, --hold, --show and whoever
 * else has to choose among flows understand.
 *
 *   method == POST && host ~ "bank" && status >= 400
 *   not (type == text/html or header(Cookie)) && size > 10k
 *
 *   ==  !=         equal; numbers, texts, 4xx
 *   <  <=  >  >=   numbers
 *   contains       a text within
 *   ~  !~          a pattern within (pattern.h)
 *   && and, || or, ! not, ( )
 *
 * A field alone asks whether it is there and not empty or 0. The fields are
 * those of filter_fields.def. Values are words, or texts in " or '; in those,
 * \" \' \\ \n \r \t \xHH. A pattern keeps all its other backslashes.
 *
 * What is not known yet makes a condition neither true nor false: a response's
 * status while there is only a request, a body that nobody kept. Negation does
 * not make it known, so `status != 200` holds of no request. A field that is
 * known to be absent is empty: `header(Cookie) != x` holds without a Cookie. */
#ifndef PROXY_FILTER_H
#define PROXY_FILTER_H

#include "proxy/flow.h"
#include "proxy/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct dns_talk;
struct filter;

enum { FILTER_TYPE_TEXT = 16 };

enum filter_field {
#define FILTER_FIELD(symbol, name, kind, known, sentence) FILTER_##symbol,
#include "proxy/filter_fields.def"
#undef FILTER_FIELD
    FILTER_FIELDS
};

enum filter_truth { FILTER_NO, FILTER_YES, FILTER_UNKNOWN };

enum filter_moment {
    FILTER_AT_REQUEST,
    FILTER_AT_RESPONSE,
    FILTER_AT_MESSAGE, /* of a WebSocket */
    FILTER_AT_END,
};

struct filter_text {
    const char *bytes; /* NULL: not known */
    size_t len;
};

/* What is known about a flow. Zeroed: nothing. All is borrowed. */
struct filter_subject {
    enum filter_moment moment;
    const char *kind; /* "http", "tls" ...; NULL: not known */
    bool tls;
    const union address *victim, *server; /* NULL: not known */
    uint64_t flow, stream;
    struct filter_text sni, method, host, target, verdict;
    struct filter_text body; /* AT_MESSAGE */
    struct filter_text type; /* of a question of DNS: A, AAAA ... */
    enum event_leg to;       /* AT_MESSAGE */
    int status;              /* 0: not known */
    const struct message *request, *response; /* NULL: not known */
    bool size_known;
    uint64_t size; /* AT_END: of both bodies; AT_MESSAGE: its own */
    bool ms_known;
    uint64_t ms;
};

/* Compile. `*end` is set to where the condition ends: at a colon that stands
 * alone; with `end` NULL it must be the end of the text. -1 with EXIT_USAGE;
 * the sentence names the column and, of a misspelt field, the nearest. */
int filter_parse(const char *text, struct filter **out, const char **end,
                 struct err *err);
void filter_free(struct filter *filter);

/* Does it hold? Safe from any thread. */
enum filter_truth filter_test(const struct filter *filter,
                              const struct filter_subject *subject);
static inline bool filter_holds(const struct filter *filter,
                                const struct filter_subject *subject)
{
    return filter_test(filter, subject) == FILTER_YES;
}

/* Does the condition speak of this field anywhere? */
bool filter_uses(const struct filter *filter, enum filter_field field);
/* Of a body, and must one be kept to decide? */
bool filter_uses_body(const struct filter *filter);

/* What a hook knows when it is shown a message. */
struct filter_subject filter_subject_of(const struct flow *flow,
                                        const struct message *message);

/* The same of a question of DNS, and of its answer if there is one. `type` is
 * the room for what was asked for, and lives as long as the subject. */
struct filter_subject filter_subject_of_dns(const struct flow *flow,
                                            const struct dns_talk *talk,
                                            char type[FILTER_TYPE_TEXT]);

#endif
