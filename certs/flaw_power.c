/* SPDX-License-Identifier: MIT
 *
 * Family p: what a CA may do. Most of it is data, in forgeries.def. */
#include "certs/flaw.h"

#include "certs/mint.h"

#include <stdio.h>

/* A leaf that is a CA as well, and whose key leaves this program, must not be
 * able to vouch for the world. */
bool flaw_constrain_leaf(struct draft *draft)
{
    return draft_put_text(draft, NID_name_constraints, AUTHORITY_LAB_NAMES);
}

/* Permits one directory name; takes `name`. */
static bool permit_take(X509 *cert, X509_NAME *name)
{
    NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
    GENERAL_SUBTREE *subtree = GENERAL_SUBTREE_new();
    bool ok = false;
    if (constraints && subtree && name &&
        (constraints->permittedSubtrees = sk_GENERAL_SUBTREE_new_null()) &&
        sk_GENERAL_SUBTREE_push(constraints->permittedSubtrees, subtree)) {
        GENERAL_NAME_set0_value(subtree->base, GEN_DIRNAME, name);
        ok = mint_add(cert, NID_name_constraints, constraints, true);
    } else {
        GENERAL_SUBTREE_free(subtree);
        X509_NAME_free(name);
    }
    NAME_CONSTRAINTS_free(constraints);
    return ok;
}

bool flaw_permit_another_company(X509 *cert)
{
    X509_NAME *name = X509_NAME_new();
    if (name && !X509_NAME_add_entry_by_txt(
                    name, "O", MBSTRING_ASC,
                    (const unsigned char *)"Another company", -1, -1, 0)) {
        X509_NAME_free(name);
        name = NULL;
    }
    return permit_take(cert, name);
}

/* As many constraints as there are names in a leaf, squared: that many
 * comparisons. */
bool flaw_permit_a_thousand(X509 *cert)
{
    BIO *text = BIO_new(BIO_s_mem());
    bool ok = text && BIO_puts(text, "critical,permitted;DNS:lab.test") > 0;
    for (int i = 1; ok && i < 1100; i++)
        ok = BIO_printf(text, ",permitted;DNS:c%d.lab.test", i) > 0;
    char *value;
    ok = ok && BIO_write(text, "", 1) == 1 &&
         BIO_get_mem_data(text, &value) > 0 &&
         mint_add_text(cert, NID_name_constraints, value);
    BIO_free(text);
    return ok;
}
