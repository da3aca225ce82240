/* SPDX-License-Identifier: MIT
 *
 * Family n: whose certificate it is. */
#include "certs/flaw.h"

#include "certs/mint.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Subject and names of a host that the victim did not ask for. */
bool flaw_name_another(struct draft *draft)
{
    const char *asked = draft->plan->server_name;
    bool taken = asked && !strcasecmp(asked, "mallory.lab.test");
    return draft_put_common(draft,
                            taken ? "trudy.lab.test" : "mallory.lab.test") &&
           draft_put_names(draft, taken ? "DNS:trudy.lab.test"
                                        : "DNS:mallory.lab.test");
}

/* RFC 4343: DNS names compare without regard to case. */
bool flaw_capitals(struct draft *draft)
{
    char text[260];
    snprintf(text, sizeof text, "DNS:%s", draft_host(draft));
    for (char *at = text + 4; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return draft_put_names(draft, text);
}

static X509_NAME *new_subject(const char *field, const char *value)
{
    X509_NAME *subject = X509_NAME_new();
    if (subject && (!field || X509_NAME_add_entry_by_txt(
                                  subject, field, MBSTRING_ASC,
                                  (const unsigned char *)value, -1, -1, 0)))
        return subject;
    X509_NAME_free(subject);
    return NULL;
}

static bool put_subject(struct draft *draft, const char *field,
                        const char *value)
{
    X509_NAME *subject = new_subject(field, value);
    bool ok = subject && X509_set_subject_name(draft->leaf, subject);
    X509_NAME_free(subject);
    return ok;
}

bool flaw_no_subject(struct draft *draft)
{
    return put_subject(draft, NULL, NULL);
}

/* A client that searches the subject as a text finds a common name in it. */
bool flaw_name_in_organisation(struct draft *draft)
{
    char text[ub_organization_name + 1];
    snprintf(text, sizeof text, "mallory, CN=%s", draft_host(draft));
    return put_subject(draft, "O", text);
}

static bool put_many(struct draft *draft, unsigned count)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names;
    for (unsigned i = 1; ok && i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "h%u.lab.test", i);
        ok = mint_push_name(names, name);
    }
    ok = ok && mint_push_name(names, draft_host(draft)) &&
         draft_put(draft, NID_subject_alt_name, names, false);
    GENERAL_NAMES_free(names);
    return ok;
}

/* The one that was asked for is the last. */
bool flaw_thousand_names(struct draft *draft)
{
    return put_many(draft, 1000);
}

bool flaw_ten_thousand_names(struct draft *draft)
{
    return put_many(draft, 10000);
}

/* An address of five bytes, and a host with an empty label. */
bool flaw_short_address(struct draft *draft)
{
    static const unsigned char bytes[] = {192, 0, 2, 7, 0};
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *entry = GENERAL_NAME_new();
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    if (entry && value && ASN1_STRING_set(value, bytes, sizeof bytes)) {
        GENERAL_NAME_set0_value(entry, GEN_IPADD, value);
        value = NULL;
    }
    bool ok = names && entry && !value && sk_GENERAL_NAME_push(names, entry);
    if (ok)
        ok = mint_push_name(names, "bank..lab.test") &&
             draft_put(draft, NID_subject_alt_name, names, false);
    else
        GENERAL_NAME_free(entry);
    GENERAL_NAMES_free(names);
    ASN1_OCTET_STRING_free(value);
    return ok;
}
