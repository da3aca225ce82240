/* SPDX-License-Identifier: MIT
 *
 * Finds the rows of explain.def. There is no judgement here and no state:
 * what goes in are facts, what comes out are constants. */
#include "labs/report/explain.h"

#include "certs/verify.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stddef.h>
#include <string.h>

/* Values in a key that are no codes, alerts, ways or versions. */
enum { ANY = -10, SOME = -11, NONE = -1 };
enum { TLS12 = TLS1_2_VERSION, TLS13 = TLS1_3_VERSION };

enum {
    YES = EXPLAIN_YES,
    ALERT = EXPLAIN_ALERT,
    CLOSE_NOTIFY = EXPLAIN_CLOSE_NOTIFY,
    SILENT = EXPLAIN_SILENT,
    ABORT = EXPLAIN_ABORT,
    TOO_LATE = EXPLAIN_TOO_LATE,
    OPEN = EXPLAIN_OPEN,
};

struct key {
    int code, alert, way, version;
};

static const struct manner {
    struct key key;
    const char *sentence;
} manners[] = {
#define MANNER(code, alert, way, version, sentence)                            \
    {{code, alert, way, version}, sentence},
#define CHECK(...)
#include "labs/report/explain.def"
#undef CHECK
#undef MANNER
};

static const struct check {
    struct key key;
    const char *field, *rfc, *check, *why, *relies, *without;
} checks[] = {
#define MANNER(...)
#define CHECK(code, alert, way, version, field, rfc, check, why, relies,       \
              without)                                                         \
    {{code, alert, way, version}, field, rfc, check, why, relies, without},
#include "labs/report/explain.def"
#undef CHECK
#undef MANNER
};

enum {
    MANNERS = sizeof manners / sizeof *manners,
    CHECKS = sizeof checks / sizeof *checks,
};

/* ---- the key ------------------------------------------------------------- */

static bool is(const char *text, const char *word)
{
    return text && !strcmp(text, word);
}

/* close_notify is a way to leave, and so is user_canceled, which Java sends
 * before it (RFC 8446 6.1): neither refuses anything. */
static int alert_of(const struct explain_facts *facts)
{
    bool leaves = facts->alert == SSL_AD_CLOSE_NOTIFY ||
                  facts->alert == SSL_AD_USER_CANCELLED;
    return facts->alert > 0 && !leaves && !facts->by_server ? facts->alert
                                                            : NONE;
}

/* Without the word of tls.verdict: what the other facts leave. */
static enum explain_way guess(const struct explain_facts *facts)
{
    if (alert_of(facts) != NONE)
        return EXPLAIN_ALERT;
    if (facts->by_server)
        return EXPLAIN_OPEN;
    if (!facts->finished)
        return EXPLAIN_ABORT;
    return facts->alert >= 0 ? EXPLAIN_CLOSE_NOTIFY : EXPLAIN_SILENT;
}

static enum explain_way way_of(const struct explain_facts *facts)
{
    if (facts->app_bytes > 0)
        return alert_of(facts) != NONE || facts->said_no ? EXPLAIN_TOO_LATE
                                                         : EXPLAIN_YES;
    if (is(facts->how, "alert") && alert_of(facts) != NONE)
        return EXPLAIN_ALERT;
    /* A good-bye in the middle of the handshake is no finished one. */
    if (is(facts->how, "close_notify"))
        return facts->finished == 0 ? EXPLAIN_ABORT : EXPLAIN_CLOSE_NOTIFY;
    if (is(facts->how, "silent"))
        return EXPLAIN_SILENT;
    if (is(facts->how, "abort"))
        return EXPLAIN_ABORT;
    return guess(facts);
}

/* Rows whose check is "none" are there because nothing is wrong with them. */
static bool is_harmless(const struct forgery *forgery)
{
    return !strncmp(forgery->check, "none", 4);
}

/* What a victim says that makes one check more than the usual ones. Two of
 * the demands of the catalogue are no checks, but another world. */
static int code_demanded(const struct forgery *forgery)
{
    bool another_world =
        is(forgery->demand, "clock") || is(forgery->demand, "installed");
    return forgery->demand && !another_world ? forgery->demand_code : X509_V_OK;
}

static bool is_about_names(int code)
{
    return code == X509_V_ERR_HOSTNAME_MISMATCH ||
           code == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

/* The check that a victim which accepted a forgery did not make. */
static int code_missed(const struct explain_facts *facts)
{
    const struct forgery *forgery = facts->forgery;
    int code = forgery->verify_code;
    if (is_harmless(forgery))
        return X509_V_OK;
    /* Its verification ran and found nothing: it trusts whoever signed. Only a
     * name may have gone unnoticed, because nobody asked for one. */
    if (facts->verify_code == X509_V_OK && !is_about_names(code))
        code = X509_V_OK;
    return code ? code : code_demanded(forgery);
}

/* The victim's word wins. "Fine" is no word: a victim that does not look says
 * it too. What the forgery is made to fail then answers the question. */
static int code_of(const struct explain_facts *facts)
{
    if (facts->verify_code > 0)
        return facts->verify_code;
    if (facts->forgery)
        return facts->app_bytes > 0 ? code_missed(facts)
                                    : facts->forgery->verify_code;
    bool fine = facts->genuine || facts->verify_code == X509_V_OK;
    return fine && facts->app_bytes > 0 ? X509_V_OK : -1;
}

static struct key key_of(const struct explain_facts *facts)
{
    return (struct key){code_of(facts), alert_of(facts), way_of(facts),
                        facts->version};
}

/* Some forgeries break no check of a chain. What a careful victim says about
 * them in an alert then tells which check it is, whatever this one said. */
static struct key check_key_of(const struct explain_facts *facts)
{
    struct key key = key_of(facts);
    const struct forgery *forgery = facts->forgery;
    if (!forgery || key.code != X509_V_OK || is_harmless(forgery))
        return key;
    if (forgery->alert[0])
        key.alert = alert_code(forgery->alert);
    else if (forgery->demand_alert && !forgery->demand_code)
        key.alert = alert_code(forgery->demand_alert);
    return key;
}

static bool fits(const struct key *row, const struct key *key)
{
    return (row->code == ANY || row->code == key->code ||
            (row->code == SOME && key->code > 0)) &&
           (row->alert == ANY || row->alert == key->alert) &&
           (row->way == ANY || row->way == key->way) &&
           (row->version == ANY || row->version == key->version);
}

int explain_manner_row(const struct explain_facts *facts)
{
    struct key key = key_of(facts);
    for (int i = 0; i < MANNERS; i++)
        if (fits(&manners[i].key, &key))
            return i;
    return -1;
}

int explain_check_row(const struct explain_facts *facts)
{
    struct key key = check_key_of(facts);
    for (int i = 0; i < CHECKS; i++)
        if (fits(&checks[i].key, &key))
            return i;
    return -1;
}

/* ---- the words ----------------------------------------------------------- */

static const struct {
    const char *words, *looks;
} ways[] = {
#define EXPLAIN_WAY(name, words, looks) {words, looks},
    EXPLAIN_WAYS(EXPLAIN_WAY)
#undef EXPLAIN_WAY
};

const char *explain_way_words(enum explain_way way)
{
    return ways[way].words;
}

const char *explain_way_looks(enum explain_way way)
{
    return ways[way].looks;
}

int explain_version(const char *words)
{
    size_t len = words ? strlen(words) : 0;
    const char *tail = len >= 3 ? words + len - 3 : "";
    return !strcmp(tail, "1.3")   ? TLS1_3_VERSION
           : !strcmp(tail, "1.2") ? TLS1_2_VERSION
                                  : 0;
}

static const char *data_words(const struct explain_facts *facts,
                              enum explain_way way)
{
    if (way == EXPLAIN_OPEN)
        return "No application data came before the end.";
    if (facts->app_bytes <= 0)
        return "No byte of application data left the victim.";
    if (facts->genuine)
        return "Its data went to the server that it was meant for.";
    if (way == EXPLAIN_TOO_LATE)
        return "Data leaked: whoever made the certificate has the request, "
               "and what was in it, although the victim said no afterwards.";
    return "Data leaked: whoever made the certificate can read what the victim "
           "sends, and change what it gets.";
}

/* What the forgery's own row says is nearer than what its code says. */
static void let_forgery_speak(const struct forgery *forgery,
                              struct explanation *out)
{
    if (!forgery || (out->code_told && out->code != forgery->verify_code))
        return;
    out->check = forgery->check;
    out->rfc = forgery->rfc;
}

void explain(const struct explain_facts *facts, struct explanation *out)
{
    int manner = explain_manner_row(facts), check = explain_check_row(facts);
    assert(manner >= 0 && check >= 0);
    int code = code_of(facts);
    enum explain_way way = way_of(facts);
    *out = (struct explanation){
        .way = way,
        .words = explain_way_words(way),
        .manner = manners[manner].sentence,
        .code = code > 0 ? code : 0,
        .code_told = facts->verify_code > 0,
        .name = code > 0 ? verify_name(code) : "",
        .check = checks[check].check,
        .field = checks[check].field,
        .rfc = checks[check].rfc,
        .why = checks[check].why,
        .relies = checks[check].relies,
        .without = checks[check].without,
        .data = data_words(facts, way),
    };
    let_forgery_speak(facts->forgery, out);
}

unsigned explain_lines(const struct explanation *said,
                       struct explain_line out[EXPLAIN_LINES])
{
    bool yes = said->way == EXPLAIN_YES;
    bool any = !yes || said->code || strncmp(said->check, "none", 4);
    const struct explain_line lines[EXPLAIN_LINES] = {
        {"How it was said", said->words},
        {"What that means", said->manner},
        {yes ? "Check that was not made" : "Check that failed first",
         any ? said->check : ""},
        {"Field", any ? said->field : ""},
        {"Rule", any ? said->rfc : ""},
        {"Why", said->why},
        {"Who relies on it", said->relies},
        {"Without it", said->without},
        {"Data", said->data},
    };
    unsigned count = 0;
    for (unsigned i = 0; i < EXPLAIN_LINES; i++)
        if (lines[i].text[0])
            out[count++] = lines[i];
    return count;
}
