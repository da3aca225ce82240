/* SPDX-License-Identifier: MIT
 *
 * Family r: what has become of a certificate since it was issued. */
#include "certs/flaw.h"

#include "certs/gallery.h"
#include "certs/mint.h"
#include "certs/sct.h"
#include "certs/status.h"

/* ---- what the certificate says ------------------------------------------- */

bool flaw_must_staple(struct draft *draft)
{
    return mint_add_text(draft->leaf, NID_tlsfeature, "status_request");
}

/* No lab has a host of that name. */
bool flaw_responder_out_of_reach(struct draft *draft)
{
    return mint_add_text(draft->leaf, NID_info_access,
                         "OCSP;URI:http://ocsp.lab.test/");
}

/* ---- what its issuer says ------------------------------------------------ */

static struct status good_status(const struct draft *draft)
{
    return (struct status){.cert = draft->leaf,
                           .issuer = draft->issuer,
                           .issuer_key = draft->issuer_key};
}

static bool put_list(struct draft *draft, const struct status *status)
{
    return (draft->out->crl = status_list(status));
}

bool flaw_listed_as_revoked(struct draft *draft)
{
    struct status status = good_status(draft);
    status.revoked = true;
    return put_list(draft, &status);
}

/* A list that the certificate is not on. */
bool flaw_list_of_others(struct draft *draft)
{
    struct status status = good_status(draft);
    return put_list(draft, &status);
}

static bool staple(struct draft *draft, const struct status *status)
{
    struct forged *out = draft->out;
    return (out->staple_len = status_respond(status, &out->staple));
}

bool flaw_staple_good(struct draft *draft)
{
    struct status status = good_status(draft);
    return staple(draft, &status);
}

bool flaw_staple_revoked(struct draft *draft)
{
    struct status status = good_status(draft);
    status.revoked = true;
    return staple(draft, &status);
}

bool flaw_staple_stale(struct draft *draft)
{
    struct status status = good_status(draft);
    status.from = -8L * MINT_DAY;
    status.until = -MINT_DAY;
    return staple(draft, &status);
}

bool flaw_staple_of_another(struct draft *draft)
{
    struct status status = good_status(draft);
    status.of_another = true;
    return staple(draft, &status);
}

bool flaw_staple_try_later(struct draft *draft)
{
    struct forged *out = draft->out;
    return (out->staple_len = status_try_later(&out->staple));
}

/* ---- what a log says ----------------------------------------------------- */

static bool embed(struct draft *draft, EVP_PKEY *log, bool spoil)
{
    return sct_embed(draft->leaf, draft->issuer, draft->issuer_key, log, spoil);
}

bool flaw_good_sct(struct draft *draft)
{
    return embed(draft, gallery_log(draft->signers->gallery), false);
}

bool flaw_unknown_log(struct draft *draft)
{
    struct err ignored = ERR_INIT;
    EVP_PKEY *log = keys_make(KEY_P256, &ignored);
    bool ok = log && embed(draft, log, false);
    EVP_PKEY_free(log);
    return ok;
}

bool flaw_wrong_sct(struct draft *draft)
{
    return embed(draft, gallery_log(draft->signers->gallery), true);
}
