/* SPDX-License-Identifier: MIT
 *
 * The names that a recipe wants in a leaf, and the wall: which of them may be
 * signed. */
#include "certs/draft.h"

#include "certs/mint.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* ---- words with places in them ------------------------------------------- */

const char *draft_host(const struct draft *draft)
{
    unsigned char address[sizeof(struct in6_addr)];
    const char *asked = draft->plan->server_name;
    if (!asked || !strchr(asked, '.') ||
        inet_pton(AF_INET, asked, address) == 1 ||
        inet_pton(AF_INET6, asked, address) == 1)
        return "bank.lab.test";
    return asked;
}

/* What stands for the letter behind a '%'. */
static BIO *put_place(BIO *to, const char *host, char letter)
{
    const char *dot = strchr(host, '.');
    switch (letter) {
    case 'h':
        BIO_puts(to, host);
        break;
    case 'f':
        BIO_write(to, host, (int)(dot - host));
        break;
    case '1':
        BIO_write(to, host, 1);
        break;
    case 'p':
        BIO_puts(to, dot + 1);
        break;
    case 't':
        BIO_puts(to, strrchr(host, '.') + 1);
        break;
    case '0':
        BIO_write(to, "", 1);
        break;
    }
    return to;
}

bool draft_fill(const struct draft *draft, const char *text, char **out,
                size_t *len)
{
    const char *host = draft_host(draft);
    BIO *to = BIO_new(BIO_s_mem());
    if (!to)
        return false;
    for (; *text; text++)
        if (*text == '%')
            put_place(to, host, *++text);
        else
            BIO_write(to, text, 1);
    char *data;
    *len = (size_t)BIO_get_mem_data(to, &data);
    *out = OPENSSL_zalloc(*len + 1);
    if (*out)
        memcpy(*out, data, *len);
    BIO_free(to);
    return *out;
}

/* ---- names in the leaf --------------------------------------------------- */

/* "DNS:..." may hold a NUL, so the length is what counts. */
static GENERAL_NAME *make_entry(const char *text, size_t len)
{
    static const struct {
        const char *prefix;
        int type;
    } kinds[] = {{"DNS:", GEN_DNS}, {"email:", GEN_EMAIL}, {"URI:", GEN_URI}};
    if (!strncmp(text, "IP:", 3))
        return mint_name(text + 3);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t skip = strlen(kinds[i].prefix);
        if (len < skip || strncmp(text, kinds[i].prefix, skip))
            continue;
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *value = ASN1_IA5STRING_new();
        if (name && value &&
            ASN1_STRING_set(value, text + skip, (int)(len - skip))) {
            GENERAL_NAME_set0_value(name, kinds[i].type, value);
            return name;
        }
        GENERAL_NAME_free(name);
        ASN1_IA5STRING_free(value);
    }
    return NULL;
}

/* A list with commas; the pieces are cut in place. */
static GENERAL_NAMES *make_entries(char *text, size_t len)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    char *end = text + len;
    for (char *at = text, *stop; names && at < end; at = stop + 1) {
        stop = memchr(at, ',', (size_t)(end - at));
        if (!stop)
            stop = end;
        *stop = '\0';
        GENERAL_NAME *name = make_entry(at, (size_t)(stop - at));
        if (name && sk_GENERAL_NAME_push(names, name))
            continue;
        GENERAL_NAME_free(name);
        GENERAL_NAMES_free(names);
        return NULL;
    }
    return names;
}

bool draft_put_names(struct draft *draft, const char *names)
{
    char *text;
    size_t len;
    if (!names || !names[0])
        return draft_put(draft, NID_subject_alt_name, NULL, false);
    if (!draft_fill(draft, names, &text, &len))
        return false;
    GENERAL_NAMES *entries = make_entries(text, len);
    bool ok = entries && draft_put(draft, NID_subject_alt_name, entries, false);
    GENERAL_NAMES_free(entries);
    OPENSSL_free(text);
    return ok;
}

bool draft_put_common(struct draft *draft, const char *text)
{
    char *filled = NULL;
    size_t len = 0;
    X509_NAME *subject = X509_get_subject_name(draft->leaf);
    int at;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)) >= 0)
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, at));
    if (!text || !text[0])
        return true;
    bool ok =
        draft_fill(draft, text, &filled, &len) &&
        X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                                   (unsigned char *)filled, (int)len, -1, 0);
    OPENSSL_free(filled);
    return ok;
}

/* ---- the wall ------------------------------------------------------------ */

static bool ends_in_test(const char *text, size_t len)
{
    static const char end[] = ".test";
    if (len && text[len - 1] == '.')
        len--;
    return len >= sizeof end - 1 &&
           !strncasecmp(text + len - (sizeof end - 1), end, sizeof end - 1);
}

/* A name as the gallery may sign it: under .test, which RFC 6761 6.2 keeps
 * for ever out of the DNS, or a bare "*", which is no host at all. A victim
 * that stops at a NUL must not find another name either. */
static bool is_for_tests(const char *text, size_t len)
{
    size_t head = strnlen(text, len);
    if (head < len)
        return is_for_tests(text, head) &&
               is_for_tests(text + head + 1, len - head - 1);
    return ends_in_test(text, len) || ca_may_name(text) ||
           (len == 1 && text[0] == '*');
}

static bool may_sign_text(const struct draft *draft, const ASN1_STRING *value,
                          bool is_url)
{
    const char *text = (const char *)ASN1_STRING_get0_data(value);
    size_t len = (size_t)ASN1_STRING_length(value);
    const char *start = is_url ? strstr(text, "//") : strrchr(text, '@');
    start = !start ? text : start + (is_url ? 2 : 1);
    len -= (size_t)(start - text);
    if (is_url)
        len = strcspn(start, "/:");
    if (draft->recipe->about.in_gallery)
        return is_for_tests(start, len);
    char name[256] = "";
    if (len >= sizeof name || strnlen(start, len) != len)
        return false;
    memcpy(name, start, len);
    return ca_may_name(name);
}

static bool may_sign_entry(const struct draft *draft, GENERAL_NAME *entry)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(entry, &type);
    switch (type) {
    case GEN_IPADD: {
        size_t len = (size_t)ASN1_STRING_length(value);
        bool address = len == 4 || len == 16;
        return address ? ca_may_address(ASN1_STRING_get0_data(value), len)
                       : draft->recipe->about.in_gallery;
    }
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI:
        return may_sign_text(draft, value, type == GEN_URI);
    default:
        return false;
    }
}

static bool may_sign_common(const struct draft *draft)
{
    X509_NAME *subject = X509_get_subject_name(draft->leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || !draft->recipe->common)
        return true; /* put_subject() left none that looks like a host */
    const ASN1_STRING *text =
        X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    return !memchr(ASN1_STRING_get0_data(text), '.',
                   (size_t)ASN1_STRING_length(text)) ||
           may_sign_text(draft, text, false);
}

bool draft_is_inside(const struct draft *draft)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(draft->leaf, NID_subject_alt_name, NULL, NULL);
    bool inside = may_sign_common(draft);
    for (int i = 0; inside && i < sk_GENERAL_NAME_num(names); i++)
        inside = may_sign_entry(draft, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
    return inside;
}
