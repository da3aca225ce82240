/* SPDX-License-Identifier: MIT
 *
 * OCSP responses and revocation lists. */
#include "certs/status.h"

#include "certs/mint.h"

#include <openssl/ocsp.h>

static ASN1_TIME *seconds_from_now(long seconds)
{
    return X509_gmtime_adj(NULL, seconds);
}

static long from_of(const struct status *status)
{
    return status->from || status->until ? status->from : -MINT_HOUR;
}

static long until_of(const struct status *status)
{
    return status->from || status->until ? status->until : MINT_DAY - MINT_HOUR;
}

/* ---- OCSP ---------------------------------------------------------------- */

static OCSP_CERTID *name_cert(const struct status *status)
{
    ASN1_INTEGER *serial = NULL;
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), status->cert, status->issuer);
    if (!id || !status->of_another)
        return id;
    OCSP_id_get0_info(NULL, NULL, NULL, &serial, id);
    BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
    bool ok =
        number && BN_add_word(number, 1) && BN_to_ASN1_INTEGER(number, serial);
    BN_free(number);
    if (ok)
        return id;
    OCSP_CERTID_free(id);
    return NULL;
}

static bool add_answer(OCSP_BASICRESP *basic, const struct status *status)
{
    OCSP_CERTID *id = name_cert(status);
    ASN1_TIME *from = seconds_from_now(from_of(status));
    ASN1_TIME *until = seconds_from_now(until_of(status));
    ASN1_TIME *when = seconds_from_now(-MINT_DAY);
    bool ok =
        id && from && until && when &&
        OCSP_basic_add1_status(basic, id,
                               status->revoked ? V_OCSP_CERTSTATUS_REVOKED
                                               : V_OCSP_CERTSTATUS_GOOD,
                               OCSP_REVOKED_STATUS_KEYCOMPROMISE,
                               status->revoked ? when : NULL, from, until);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    ASN1_TIME_free(when);
    OCSP_CERTID_free(id);
    return ok;
}

static size_t encode_take(OCSP_RESPONSE *response, unsigned char **out)
{
    *out = NULL;
    int len = response ? i2d_OCSP_RESPONSE(response, out) : 0;
    OCSP_RESPONSE_free(response);
    return len > 0 ? (size_t)len : 0;
}

size_t status_respond(const struct status *status, unsigned char **out)
{
    OCSP_RESPONSE *response = NULL;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    if (basic && add_answer(basic, status) &&
        OCSP_basic_sign(basic, status->issuer, status->issuer_key, EVP_sha256(),
                        NULL, OCSP_NOCERTS))
        response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    OCSP_BASICRESP_free(basic);
    return encode_take(response, out);
}

size_t status_try_later(unsigned char **out)
{
    return encode_take(
        OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, NULL), out);
}

/* ---- lists --------------------------------------------------------------- */

static bool add_revoked(X509_CRL *list, const struct status *status)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *when = seconds_from_now(-MINT_DAY);
    bool ok = entry && when &&
              X509_REVOKED_set_serialNumber(
                  entry, X509_get_serialNumber(status->cert)) &&
              X509_REVOKED_set_revocationDate(entry, when) &&
              X509_CRL_add0_revoked(list, entry);
    ASN1_TIME_free(when);
    if (!ok)
        X509_REVOKED_free(entry);
    return ok;
}

static bool date_list(X509_CRL *list, const struct status *status)
{
    ASN1_TIME *from = seconds_from_now(from_of(status));
    ASN1_TIME *until = seconds_from_now(until_of(status));
    bool ok = from && until && X509_CRL_set1_lastUpdate(list, from) &&
              X509_CRL_set1_nextUpdate(list, until);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return ok;
}

X509_CRL *status_list(const struct status *status)
{
    X509_CRL *list = X509_CRL_new();
    if (list && X509_CRL_set_version(list, X509_CRL_VERSION_2) &&
        X509_CRL_set_issuer_name(list, X509_get_subject_name(status->issuer)) &&
        date_list(list, status) &&
        (!status->revoked || add_revoked(list, status)) &&
        X509_CRL_sort(list) &&
        X509_CRL_sign(list, status->issuer_key, EVP_sha256()))
        return list;
    X509_CRL_free(list);
    return NULL;
}
