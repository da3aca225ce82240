/* SPDX-License-Identifier: MIT */
#include "labs/cli/cert_list.h"

#include "certs/forge.h"
#include "certs/show.h"
#include "certs/verify.h"
#include "labs/matrix/row.h"

#include <stdio.h>
#include <string.h>

/* ---- forgeries ------------------------------------------------------------- */

static bool is_wanted(const struct forgery *it, const char *family)
{
    return !family || (it->family == family[0] && !family[1]);
}

static void list_forgeries_json(const char *family)
{
    static const char *const versions[] = {[TLS_BOTH] = "\"1.2\",\"1.3\"",
                                           [TLS_12_ONLY] = "\"1.2\"",
                                           [TLS_13_ONLY] = "\"1.3\""};
    const char *comma = "";
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        if (!is_wanted(it, family))
            continue;
        const struct {
            const char *key, *value;
        } texts[] = {{"title", it->title},
                     {"seen", it->seen},
                     {"asks", it->asks},
                     {"demand", it->demand},
                     {"demand_alert", it->demand_alert},
                     {"how", it->how},
                     {"check", it->check},
                     {"alert", it->alert},
                     {"rfc", it->rfc},
                     {"history", it->history},
                     {"verify_name", verify_name(it->verify_code)}};
        printf("%s{\"id\":\"%s\",\"family\":\"%c\"", comma, it->id, it->family);
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            printf(",\"%s\":", texts[j].key);
            show_json_string(texts[j].value ? texts[j].value : "", stdout);
        }
        printf(",\"verify_code\":%d,\"demand_code\":%d,\"tls\":[%s],"
               "\"signed_by_lab\":%s,\"in_gallery\":%s,"
               "\"openssl_accepts\":%s}",
               it->verify_code, it->demand_code, versions[it->tls],
               it->signed_by_lab ? "true" : "false",
               it->in_gallery ? "true" : "false",
               it->openssl_accepts ? "true" : "false");
        comma = ",";
    }
}

static void list_line(const char *label, const char *text, unsigned width)
{
    enum { INDENT = 5 };
    if (!text || !text[0])
        return;
    char line[600];
    snprintf(line, sizeof line, "%s%s", label, text);
    printf("%*s", INDENT, "");
    show_wrapped(line, INDENT, width, stdout);
}

static void list_outcome(const char *label, int code, const char *alert,
                         unsigned width)
{
    char text[160] = "accepted";
    bool says = alert && alert[0];
    if (code)
        snprintf(text, sizeof text, "error %d (%s), alert %s", code,
                 verify_name(code), says ? alert : "none");
    else if (says)
        snprintf(text, sizeof text, "no error in the chain, yet alert %s",
                 alert);
    list_line(label, text, width);
}

static void list_row(const struct forgery *it, unsigned width)
{
    static const char *const only[] = {
        [TLS_12_ONLY] = "can be shown in TLS 1.2 only",
        [TLS_13_ONLY] = "can be shown in TLS 1.3 only"};
    char label[64];
    printf("%s  ", it->id);
    show_wrapped(it->title, 5, width, stdout);
    list_line("", it->how, width);
    list_line("Check: ", it->check, width);
    list_line("Asked for: ", it->asks, width);
    list_outcome("Careful: ", it->verify_code, it->alert, width);
    snprintf(label, sizeof label, "Careful + %s: ", it->demand);
    if (it->demand)
        list_outcome(label, it->demand_code, it->demand_alert, width);
    list_line("Others: ", it->seen, width);
    if (it->tls != TLS_BOTH)
        list_line("Version: ", only[it->tls], width);
    list_line("Rule: ", it->rfc, width);
    list_line("History: ", it->history, width);
}

/* What "Careful + crl" means, for those that were listed. */
static void list_demands(const char *family, unsigned width)
{
    const struct forgery *it;
    for (const struct forge_demand *at = forge_demands; at->name; at++) {
        bool used = false;
        for (unsigned i = 0; !used && (it = forgery_at(i)); i++)
            used = is_wanted(it, family) && it->demand &&
                   !strcmp(it->demand, at->name);
        if (!used)
            continue;
        int column = printf("\n+ %s  ", at->name) - 1;
        show_wrapped(at->sentence, (unsigned)column, width, stdout);
    }
}

/* ---- companions, which are no certificates --------------------------------- */

/* The index-th of those that are wanted; false behind the last. */
static bool companion_at(unsigned index, const char *family, struct row *out)
{
    for (unsigned i = 0; row_at(i, out); i++)
        if (out->offer && (!family || (out->id[0] == family[0] && !family[1])))
            if (!index--)
                return true;
    return false;
}

static void list_companion(const struct row *row, unsigned width)
{
    printf("%s  ", row->id);
    show_wrapped(row->title, 5, width, stdout);
    list_line("", row->how, width);
    list_line("Check: ", row->check, width);
    list_line("Others: ", row->seen, width);
    list_line("Version: ", row->why, width);
    list_line("Rule: ", row->rfc, width);
    list_line("History: ", row->history, width);
}

static void list_companions_json(const char *family)
{
    struct row row;
    for (unsigned i = 0; companion_at(i, family, &row); i++) {
        const struct {
            const char *key, *value;
        } texts[] = {{"title", row.title}, {"how", row.how},
                     {"check", row.check}, {"seen", row.seen},
                     {"rfc", row.rfc},     {"history", row.history}};
        printf("%s{\"id\":\"%s\",\"family\":\"%c\"", i ? "," : "", row.id,
               row.id[0]);
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            printf(",\"%s\":", texts[j].key);
            show_json_string(texts[j].value ? texts[j].value : "", stdout);
        }
        printf(",\"tls\":[%s%s%s]}", row_in_tls12(&row) ? "\"1.2\"" : "",
               row_in_tls12(&row) && row_in_tls13(&row) ? "," : "",
               row_in_tls13(&row) ? "\"1.3\"" : "");
    }
}

/* ---- all ------------------------------------------------------------------- */

bool cert_list_knows(const char *family)
{
    struct row row;
    const struct forgery *it;
    for (unsigned i = 0; (it = forgery_at(i)); i++)
        if (is_wanted(it, family))
            return true;
    return companion_at(0, family, &row);
}

void cert_list_json(const char *family)
{
    printf("{\"forgeries\":[");
    list_forgeries_json(family);
    printf("],\"companions\":[");
    list_companions_json(family);
    printf("]}\n");
}

void cert_list_text(const char *family, unsigned width)
{
    const struct forgery *it;
    bool first = true;
    for (unsigned i = 0; (it = forgery_at(i)); i++) {
        if (!is_wanted(it, family))
            continue;
        if (!first)
            putchar('\n');
        list_row(it, width);
        first = false;
    }
    struct row row;
    for (unsigned i = 0; companion_at(i, family, &row); i++) {
        if (!first)
            putchar('\n');
        list_companion(&row, width);
        first = false;
    }
    list_demands(family, width);
}
