/* SPDX-License-Identifier: MIT */
#include "labs/report/explain_text.h"

#include <stdlib.h>
#include <string.h>

const char *explain_way_name(enum explain_way way)
{
    static const char *const names[EXPLAIN_WAYS_COUNT] = {
        [EXPLAIN_YES] = "accepted",
        [EXPLAIN_ALERT] = "alert",
        [EXPLAIN_CLOSE_NOTIFY] = "close_notify",
        [EXPLAIN_SILENT] = "silent",
        [EXPLAIN_ABORT] = "abort",
        [EXPLAIN_TOO_LATE] = "too_late",
        [EXPLAIN_OPEN] = "open",
    };
    return names[way];
}

void explain_label(FILE *out, const struct term *term, unsigned indent,
                   const char *label, const char *text)
{
    char *words = NULL;
    if (text[0] &&
        asprintf(&words, TERM_BOLD "%s:" TERM_PLAIN " %s", label, text) > 0) {
        term_flow(out, term, words, indent, "");
        free(words);
    }
}

static void print_from(FILE *out, const struct term *term, unsigned indent,
                       const struct explanation *said, bool all)
{
    struct explain_line lines[EXPLAIN_LINES];
    unsigned count = explain_lines(said, lines);
    for (unsigned i = 0; i < count; i++) {
        const char *text = lines[i].text;
        bool of_this_one =
            text == said->words || text == said->manner || text == said->data;
        if (all || !of_this_one)
            explain_label(out, term, indent, lines[i].label, text);
    }
}

void explain_print(FILE *out, const struct term *term, unsigned indent,
                   const struct explanation *said)
{
    print_from(out, term, indent, said, true);
}

void explain_print_check(FILE *out, const struct term *term, unsigned indent,
                         const struct explanation *said)
{
    print_from(out, term, indent, said, false);
}

json_t *explain_json(const struct explanation *said)
{
    return json_pack(
        "{s:s, s:s, s:s, s:i, s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s}",
        "way", explain_way_name(said->way), "words", said->words, "manner",
        said->manner, "verify_code", said->code, "verify_name", said->name,
        "told_by_victim", said->code_told, "check", said->check, "field",
        said->field, "rule", said->rfc, "why", said->why, "relies",
        said->relies, "without", said->without, "data", said->data);
}
