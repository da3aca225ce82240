/* SPDX-License-Identifier: MIT
 *
 * What is said in general is explain.def; who really said it is seen.def. */
#include "labs/cli/explain_pages.h"

#include "certs/seen.h"
#include "certs/verify.h"
#include "proxy/base/buf.h"

#include <stdlib.h>
#include <string.h>

enum { TLS_12 = 0x0303, TLS_13 = 0x0304, CODES = 256 };

/* ---- explanations in general --------------------------------------------- */

static void about_alert(int alert, struct explanation *out)
{
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    facts.how = "alert";
    facts.alert = alert;
    explain(&facts, out);
}

static void about_code(int code, struct explanation *out)
{
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    const char *alert = verify_alert(code);
    facts.how = "alert";
    facts.alert = alert[0] ? alert_code(alert) : -1;
    facts.verify_code = code;
    explain(&facts, out);
}

/* As a careful victim would see it; what nobody refuses, as it is accepted. */
static void about_forgery(const struct forgery *forgery,
                          struct explanation *out)
{
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    bool refused = forgery->verify_code || forgery->alert[0];
    facts.forgery = forgery;
    facts.how = refused ? "alert" : "data";
    facts.alert = forgery->alert[0] ? alert_code(forgery->alert) : -1;
    facts.app_bytes = refused ? 0 : 1;
    explain(&facts, out);
}

static void about_way(enum explain_way way, int version,
                      struct explanation *out)
{
    struct explain_facts facts = EXPLAIN_UNKNOWN;
    facts.version = version;
    facts.how = explain_way_name(way);
    facts.alert = way == EXPLAIN_ALERT || way == EXPLAIN_TOO_LATE ? 42 : -1;
    facts.app_bytes = way == EXPLAIN_YES || way == EXPLAIN_TOO_LATE;
    facts.by_server = way == EXPLAIN_OPEN;
    explain(&facts, out);
}

/* ---- who said it --------------------------------------------------------- */

/* What grew, as a string of its own; free() it. NULL when memory is out. */
static char *take_text(struct buf *grown)
{
    char *text = NULL;
    if (!buf_append(grown, "", 1))
        text = strdup((const char *)buf_head(grown));
    buf_free(grown);
    return text;
}

/* The ids to which this client said `word`, "t01 t02"; free() it. */
static char *ids_said(const char *word, unsigned client, int version)
{
    struct buf ids = {0};
    const struct seen *row;
    for (unsigned i = 0; (row = seen_at(i)); i++)
        if (row->version == version && !strcmp(row->said[client], word))
            (void)buf_printf(&ids, "%s%s", buf_len(&ids) ? " " : "",
                             row->forgery);
    return take_text(&ids);
}

/* Clients that said one word to the same forgeries are one line. */
struct sayer {
    char name[24];
    char *ids;
    bool told;
};
enum { SAYERS = 2 * SEEN_CLIENTS };

static unsigned collect_sayers(const char *word, struct sayer out[SAYERS])
{
    unsigned count = 0;
    for (unsigned client = 0; client < SEEN_CLIENTS; client++) {
        char *old = ids_said(word, client, TLS_12);
        char *new = ids_said(word, client, TLS_13);
        bool same = old && new && !strcmp(old, new);
        char *both[] = {old, new};
        for (int i = 0; i < 2; i++) {
            if (!both[i] || !both[i][0] || (i && same)) {
                free(both[i]);
                continue;
            }
            struct sayer *sayer = &out[count++];
            *sayer = (struct sayer){.ids = both[i]};
            snprintf(sayer->name, sizeof sayer->name, "%s%s",
                     seen_client(client),
                     same ? ""
                     : i  ? " (TLS 1.3)"
                          : " (TLS 1.2)");
        }
    }
    return count;
}

static void print_sayers(const struct term *term, const char *word)
{
    struct sayer sayers[SAYERS];
    unsigned count = collect_sayers(word, sayers);
    for (unsigned i = 0; i < count; i++) {
        struct buf names = {0};
        for (unsigned j = i; j < count; j++) {
            if (sayers[j].told || strcmp(sayers[j].ids, sayers[i].ids) != 0)
                continue;
            (void)buf_printf(&names, "%s%s", buf_len(&names) ? ", " : "",
                             sayers[j].name);
            sayers[j].told = true;
        }
        char *label = take_text(&names);
        if (label && label[0])
            explain_label(stdout, term, 2, label, sayers[i].ids);
        free(label);
    }
    for (unsigned i = 0; i < count; i++)
        free(sayers[i].ids);
    if (!count)
        term_flow(stdout, term, "none of the six, to no forgery", 2, "");
}

static void print_when(const struct term *term)
{
    char *words = NULL;
    if (asprintf(&words, "Measured on %s: %s.", seen_date(), seen_versions()) <
        0)
        return;
    term_flow(stdout, term, words, 0, "");
    free(words);
}

static void print_seen(const struct term *term, const char *word)
{
    term_flow(stdout, term,
              "\n" TERM_BOLD "Who said it, to which forgery" TERM_PLAIN, 0, "");
    print_sayers(term, word);
    print_when(term);
}

static json_t *seen_json(const char *word)
{
    json_t *list = json_array();
    const struct seen *row;
    for (unsigned i = 0; (row = seen_at(i)); i++)
        for (unsigned client = 0; client < SEEN_CLIENTS; client++)
            if (!strcmp(row->said[client], word))
                json_array_append_new(
                    list,
                    json_pack("{s:s, s:s, s:s}", "client", seen_client(client),
                              "forgery", row->forgery, "tls",
                              row->version == TLS_13 ? "1.3" : "1.2"));
    return json_pack("{s:s, s:s, s:o}", "date", seen_date(), "versions",
                     seen_versions(), "said", list);
}

/* ---- an alert ------------------------------------------------------------ */

static void title(const struct term *term, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void title(const struct term *term, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    char *words = NULL;
    if (asprintf(&words, TERM_BOLD "%s" TERM_PLAIN, line) > 0)
        term_flow(stdout, term, words, 0, "");
    free(words);
}

/* Codes for which OpenSSL's clients send it: "7 8". */
static void list_codes(const char *alert, char *text, size_t room)
{
    size_t len = 0;
    text[0] = 0;
    for (int code = 1; code < CODES && len < room; code++)
        if (strcmp(verify_name(code), "X509_V_ERR_UNKNOWN") != 0 &&
            !strcmp(verify_alert(code), alert))
            len += (size_t)snprintf(text + len, room - len, "%s%d",
                                    len ? " " : "", code);
}

void page_alert(const struct term *term, int alert)
{
    struct explanation said;
    char codes[256];
    const char *name = alert_name(alert);
    about_alert(alert, &said);
    list_codes(name, codes, sizeof codes);
    title(term, "alert %d, %s", alert, name);
    term_flow(stdout, term, alert_sentence(alert), 0, "");
    explain_print_check(stdout, term, 0, &said);
    explain_label(stdout, term, 0, "OpenSSL sends it for verify codes", codes);
    print_seen(term, name);
}

json_t *page_alert_json(int alert)
{
    struct explanation said;
    about_alert(alert, &said);
    return json_pack("{s:s, s:i, s:s, s:s, s:o, s:o}", "kind", "alert",
                     "alert_code", alert, "alert", alert_name(alert),
                     "sentence", alert_sentence(alert), "explanation",
                     explain_json(&said), "seen", seen_json(alert_name(alert)));
}

/* ---- a verify code ------------------------------------------------------- */

/* Ids of the forgeries that fail with it: "t02 t07". */
static char *forgeries_of(int code)
{
    struct buf ids = {0};
    const struct forgery *it;
    for (unsigned i = 0; code && (it = forgery_at(i)); i++)
        if (it->verify_code == code || (it->demand && it->demand_code == code))
            (void)buf_printf(&ids, "%s%s%s%s", buf_len(&ids) ? ", " : "",
                             it->id, it->verify_code == code ? "" : " with ",
                             it->verify_code == code ? "" : it->demand);
    return take_text(&ids);
}

void page_code(const struct term *term, int code)
{
    struct explanation said;
    char *ids = forgeries_of(code), alert[64] = "";
    const char *name = verify_alert(code);
    about_code(code, &said);
    title(term, "verify code %d, %s", code, verify_name(code));
    term_flow(stdout, term, verify_sentence(code), 0, "");
    if (code)
        explain_print_check(stdout, term, 0, &said);
    if (name[0])
        snprintf(alert, sizeof alert, "%s (%d)", name, alert_code(name));
    explain_label(stdout, term, 0, "Alert of OpenSSL's clients", alert);
    explain_label(stdout, term, 0, "Forgeries that fail with it",
                  ids ? ids : "");
    free(ids);
}

json_t *page_code_json(int code)
{
    struct explanation said;
    char *ids = forgeries_of(code);
    about_code(code, &said);
    json_t *page = json_pack(
        "{s:s, s:i, s:s, s:s, s:s, s:s, s:o}", "kind", "code", "verify_code",
        code, "verify_name", verify_name(code), "sentence",
        verify_sentence(code), "alert", verify_alert(code), "forgeries",
        ids ? ids : "", "explanation", explain_json(&said));
    free(ids);
    return page;
}

/* ---- a forgery ----------------------------------------------------------- */

/* "unknown_ca: s_client, curl, Python" and so on, each word once. */
static void print_said(const struct term *term, const struct seen *row)
{
    for (unsigned i = 0; i < SEEN_CLIENTS; i++) {
        char names[80] = "";
        bool first = true;
        for (unsigned j = 0; j < i; j++)
            first &= strcmp(row->said[j], row->said[i]) != 0;
        for (unsigned j = i; first && j < SEEN_CLIENTS; j++) {
            size_t len = strlen(names);
            if (!strcmp(row->said[j], row->said[i]))
                snprintf(names + len, sizeof names - len, "%s%s",
                         len ? ", " : "", seen_client(j));
        }
        explain_label(stdout, term, 4, row->said[i], names);
    }
}

static void print_measured(const struct term *term,
                           const struct forgery *forgery)
{
    const struct seen *rows[] = {seen_find(forgery->id, TLS_12),
                                 seen_find(forgery->id, TLS_13)};
    bool same = rows[0] && rows[1];
    for (unsigned i = 0; same && i < SEEN_CLIENTS; i++)
        same = !strcmp(rows[0]->said[i], rows[1]->said[i]);
    term_flow(stdout, term,
              "\n" TERM_BOLD "What six real clients said" TERM_PLAIN, 0, "");
    for (int i = same; i < 2; i++) {
        if (!rows[i])
            continue;
        term_flow(stdout, term,
                  same ? "in TLS 1.2 and 1.3"
                  : i  ? "in TLS 1.3"
                       : "in TLS 1.2",
                  2, "");
        print_said(term, rows[i]);
    }
    print_when(term);
}

void page_forgery(const struct term *term, const struct forgery *forgery)
{
    struct explanation said;
    char careful[128] = "accepts it";
    about_forgery(forgery, &said);
    title(term, "%s, %s", forgery->id, forgery->title);
    term_flow(stdout, term, forgery->how, 0, "");
    explain_print_check(stdout, term, 0, &said);
    if (said.way != EXPLAIN_YES)
        snprintf(careful, sizeof careful, "refuses it: %s%salert %s",
                 forgery->verify_code ? verify_name(forgery->verify_code) : "",
                 forgery->verify_code ? ", " : "", forgery->alert);
    explain_label(stdout, term, 0, "A careful victim", careful);
    explain_label(stdout, term, 0, "History", forgery->history);
    explain_label(stdout, term, 0, "Others",
                  forgery->seen ? forgery->seen : "");
    print_measured(term, forgery);
}

static json_t *said_json(const struct seen *row)
{
    json_t *said = json_object();
    for (unsigned i = 0; row && i < SEEN_CLIENTS; i++)
        json_object_set_new(said, seen_client(i), json_string(row->said[i]));
    return said;
}

json_t *page_forgery_json(const struct forgery *forgery)
{
    struct explanation said;
    about_forgery(forgery, &said);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:{s:s, s:s, s:o, s:o}}",
                     "kind", "forgery", "forgery", forgery->id, "title",
                     forgery->title, "how", forgery->how, "history",
                     forgery->history, "explanation", explain_json(&said),
                     "seen", "date", seen_date(), "versions", seen_versions(),
                     "1.2", said_json(seen_find(forgery->id, TLS_12)), "1.3",
                     said_json(seen_find(forgery->id, TLS_13)));
}

/* ---- a way --------------------------------------------------------------- */

void page_way(const struct term *term, enum explain_way way)
{
    struct explanation old, new;
    about_way(way, TLS_12, &old);
    about_way(way, TLS_13, &new);
    bool same = !strcmp(old.manner, new.manner);
    title(term, "%s: %s", explain_way_name(way), explain_way_words(way));
    explain_label(stdout, term, 0, "In a capture", explain_way_looks(way));
    explain_label(stdout, term, 0, same ? "What that means" : "In TLS 1.2",
                  old.manner);
    explain_label(stdout, term, 0, "In TLS 1.3", same ? "" : new.manner);
    explain_label(stdout, term, 0, "Data", new.data);
    if (way != EXPLAIN_ALERT && way != EXPLAIN_OPEN && way != EXPLAIN_TOO_LATE)
        print_seen(term, explain_way_name(way));
}

json_t *page_way_json(enum explain_way way)
{
    struct explanation old, new;
    about_way(way, TLS_12, &old);
    about_way(way, TLS_13, &new);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "kind", "way",
                     "way", explain_way_name(way), "words",
                     explain_way_words(way), "looks", explain_way_looks(way),
                     "tls_1_2", old.manner, "tls_1_3", new.manner, "data",
                     new.data, "seen", seen_json(explain_way_name(way)));
}
