/* SPDX-License-Identifier: MIT
 *
 * The steps that every certificate is made of. */
#include "certs/mint.h"

#include <arpa/inet.h>
#include <openssl/rand.h>
#include <string.h>

enum { SERIAL_BYTES = 16, SERIAL_MOST = 20 /* RFC 5280 4.1.2.2 */ };

bool mint_serial(X509 *cert, const ASN1_INTEGER *like)
{
    unsigned char bytes[SERIAL_MOST];
    unsigned char top = 0;
    int len = like ? ASN1_STRING_length(like) : SERIAL_BYTES;
    if (len < 1 || len > SERIAL_MOST)
        len = SERIAL_BYTES;
    else if (like)
        top = ASN1_STRING_get0_data(like)[0] & 0x80;
    if (RAND_bytes(bytes, len) != 1)
        return false;
    /* The top bit costs a byte of its own in DER, so that is copied too. */
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | top | !top);
    BIGNUM *number = BN_bin2bn(bytes, len, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

bool mint_validity(X509 *cert, long from, long until)
{
    return X509_gmtime_adj(X509_getm_notBefore(cert), from) &&
           X509_gmtime_adj(X509_getm_notAfter(cert), until);
}

/* Its length: 4, 16, or 0 if `text` is no address. */
static int read_address(const char *text,
                        unsigned char bytes[sizeof(struct in6_addr)])
{
    if (inet_pton(AF_INET, text, bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

GENERAL_NAME *mint_name(const char *text)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    int len = read_address(text, bytes);
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value =
        len ? ASN1_OCTET_STRING_new() : (ASN1_STRING *)ASN1_IA5STRING_new();
    if (!name || !value ||
        !ASN1_STRING_set(value, len ? (void *)bytes : text, len ? len : -1)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, len ? GEN_IPADD : GEN_DNS, value);
    return name;
}

bool mint_push_name(GENERAL_NAMES *names, const char *text)
{
    GENERAL_NAME *name = mint_name(text);
    if (name && sk_GENERAL_NAME_push(names, name))
        return true;
    GENERAL_NAME_free(name);
    return false;
}

bool mint_common_name(X509_NAME *subject, const char *text)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (strlen(text) > ub_common_name || read_address(text, address))
        return true;
    return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                                      (const unsigned char *)text, -1, -1, 0);
}

bool mint_add(X509 *cert, int nid, void *value, bool critical)
{
    return value &&
           X509_add1_ext_i2d(cert, nid, value, critical, X509V3_ADD_APPEND) > 0;
}

bool mint_add_text(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

bool mint_add_foreign(X509 *cert, const char *oid, bool critical)
{
    static const unsigned char null[] = {V_ASN1_NULL, 0};
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    bool ok =
        object && value && ASN1_OCTET_STRING_set(value, null, sizeof null) &&
        (extension =
             X509_EXTENSION_create_by_OBJ(NULL, object, critical, value)) &&
        X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
    return ok;
}

/* RFC 5280 4.2.1.2, method 1: SHA-1 over the public key's bits. It names the
 * key and protects nothing. */
static ASN1_OCTET_STRING *key_id(const X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    if (id && X509_pubkey_digest(cert, EVP_sha1(), digest, &len) &&
        ASN1_OCTET_STRING_set(id, digest, (int)len))
        return id;
    ASN1_OCTET_STRING_free(id);
    return NULL;
}

bool mint_key_id(X509 *cert)
{
    ASN1_OCTET_STRING *id = key_id(cert);
    bool ok = mint_add(cert, NID_subject_key_identifier, id, false);
    ASN1_OCTET_STRING_free(id);
    return ok;
}

/* The extension is read and not X509_get0_subject_key_id() asked, because that
 * would freeze what OpenSSL thinks of a certificate that is not finished yet:
 * a root would never be seen to be self-signed. */
bool mint_issuer_key_id(X509 *cert, X509 *issuer)
{
    AUTHORITY_KEYID *pointer = AUTHORITY_KEYID_new();
    if (!pointer)
        return false;
    pointer->keyid =
        X509_get_ext_d2i(issuer, NID_subject_key_identifier, NULL, NULL);
    if (!pointer->keyid)
        pointer->keyid = key_id(issuer);
    bool ok = pointer->keyid &&
              mint_add(cert, NID_authority_key_identifier, pointer, false);
    AUTHORITY_KEYID_free(pointer);
    return ok;
}

bool mint_sign(X509 *cert, EVP_PKEY *key)
{
    return mint_sign_with(cert, key, NULL);
}

bool mint_sign_with(X509 *cert, EVP_PKEY *key, const char *digest)
{
    bool has_own_digest =
        EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448");
    const EVP_MD *md = digest ? EVP_get_digestbyname(digest) : EVP_sha256();
    return X509_sign(cert, key, has_own_digest ? NULL : md) > 0;
}

static bool add_names(X509 *cert, const char *const *names, unsigned count)
{
    GENERAL_NAMES *entries = GENERAL_NAMES_new();
    bool ok = entries;
    for (unsigned i = 0; ok && i < count; i++)
        ok = mint_push_name(entries, names[i]);
    ok = ok && mint_add(cert, NID_subject_alt_name, entries, false);
    GENERAL_NAMES_free(entries);
    return ok;
}

X509 *mint_server(const char *const *names, unsigned count, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    if (!cert)
        return NULL;
    X509_NAME *subject = X509_get_subject_name(cert);
    /* An RSA key may also decrypt the secret of a TLS 1.2 victim. */
    const char *usage = EVP_PKEY_is_a(key, "RSA")
                            ? "critical,digitalSignature,keyEncipherment"
                            : "critical,digitalSignature";
    if (X509_set_version(cert, X509_VERSION_3) && mint_serial(cert, NULL) &&
        mint_validity(cert, -MINT_HOUR, MINT_DAY - MINT_HOUR) &&
        X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                                   (const unsigned char *)"mitmlab TRAINING",
                                   -1, -1, 0) &&
        mint_common_name(subject, names[0]) && X509_set_pubkey(cert, key) &&
        mint_add_text(cert, NID_basic_constraints, "critical,CA:FALSE") &&
        mint_add_text(cert, NID_key_usage, usage) &&
        mint_add_text(cert, NID_ext_key_usage, "serverAuth") &&
        add_names(cert, names, count) && mint_key_id(cert))
        return cert;
    X509_free(cert);
    return NULL;
}
