/* SPDX-License-Identifier: MIT
 *
 * Certificate authorities: made, saved, loaded, and the names that they may
 * certify. */
#include "certs/ca.h"

#include "certs/authority.h"
#include "certs/file.h"
#include "certs/keys.h"
#include "certs/mint.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

void ca_free(struct ca *ca)
{
    if (!ca)
        return;
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key); /* OpenSSL wipes the private half */
    sk_X509_pop_free(ca->above, X509_free);
    X509_free(ca->root);
    free(ca);
}

static struct ca *new_ca(struct err *err)
{
    struct ca *ca = calloc(1, sizeof *ca);
    if (ca)
        ca->above = sk_X509_new_null();
    if (ca && ca->above)
        return ca;
    free(ca);
    err_set(err, "no memory for a CA");
    return NULL;
}

static int push(STACK_OF(X509) * certs, X509 *cert)
{
    return X509_add_cert(certs, cert, X509_ADD_FLAG_UP_REF) ? 0 : -1;
}

/* Constrained; `below` CAs may stand under it. Without `issuer`, a root. */
static X509 *make_authority(const X509_NAME *name, EVP_PKEY *key, int below,
                            X509 *issuer, EVP_PKEY *issuer_key)
{
    struct authority how = {
        .powers =
            below ? "critical,CA:TRUE,pathlen:1" : "critical,CA:TRUE,pathlen:0",
        .constraints = AUTHORITY_LAB_NAMES,
    };
    return authority_make(&how, name, key, issuer, issuer_key);
}

/* A root that keeps its key: the attacker's kind. Takes `name`. */
static int make_root_take(X509_NAME *name, struct ca **out, struct err *err)
{
    int rc = -1;
    struct ca *ca = name ? new_ca(err) : NULL;
    if (!name)
        err_openssl(err, "name a CA");
    if (!ca || !(ca->key = keys_make(KEY_P256, err)))
        goto out;
    ca->cert = make_authority(name, ca->key, 0, NULL, NULL);
    if (!ca->cert || push(ca->above, ca->cert) || !X509_up_ref(ca->cert)) {
        err_openssl(err, "make a root certificate");
        goto out;
    }
    ca->root = ca->cert;
    ca->send_root = true;
    *out = ca;
    ca = NULL;
    rc = 0;
out:
    X509_NAME_free(name);
    ca_free(ca);
    return rc;
}

int ca_make_rogue(const char *title, struct ca **out, struct err *err)
{
    return make_root_take(authority_name(title, "rogue"), out, err);
}

int ca_make_lookalike(const struct ca *real, struct ca **out, struct err *err)
{
    X509 *root = real->root ? real->root : real->cert;
    return make_root_take(X509_NAME_dup(X509_get_subject_name(root)), out, err);
}

/* The intermediate, and above it a root whose key nobody will have. */
static int make_two(struct ca *ca, const X509_NAME *root_name,
                    const X509_NAME *name, struct err *err)
{
    int rc = -1;
    EVP_PKEY *root_key = keys_make(KEY_P256, err);
    if (!root_key || !(ca->key = keys_make(KEY_P256, err)))
        goto out;
    ca->root = make_authority(root_name, root_key, 1, NULL, NULL);
    if (ca->root)
        ca->cert = make_authority(name, ca->key, 0, ca->root, root_key);
    if (!ca->cert || push(ca->above, ca->cert)) {
        err_openssl(err, "make the lab's CA");
        goto out;
    }
    rc = 0;
out:
    EVP_PKEY_free(root_key); /* its only reference: the private half is wiped */
    return rc;
}

int ca_make_lab(const char *title, struct ca **out, struct err *err)
{
    X509_NAME *root_name = authority_name(title, "root");
    X509_NAME *name = authority_name(title, "issuing");
    struct ca *ca = new_ca(err);
    int rc = -1;
    if (!root_name || !name)
        err_openssl(err, "name the lab's CA");
    else if (ca)
        rc = make_two(ca, root_name, name, err);
    X509_NAME_free(root_name);
    X509_NAME_free(name);
    if (rc)
        ca_free(ca);
    else
        *out = ca;
    return rc;
}

/* ---- a folder with ca.crt, ca.key, root.crt ------------------------------ */

static bool is_self_signed(X509 *cert)
{
    return X509_get_extension_flags(cert) & EXFLAG_SS;
}

/* Sorts the certificates of ca.crt into signer, above and root. */
static int place_certs(struct ca *ca, STACK_OF(X509) * certs)
{
    ca->send_root = is_self_signed(sk_X509_value(certs, 0));
    for (int i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);
        if (i == 0 && X509_up_ref(cert))
            ca->cert = cert;
        if (is_self_signed(cert) && !ca->root && X509_up_ref(cert))
            ca->root = cert;
        if ((i == 0 || !is_self_signed(cert)) && push(ca->above, cert))
            return -1;
    }
    return 0;
}

typedef EVP_PKEY *load_key(const char *path, const EVP_PKEY *like,
                           struct err *err);

static int load_signer(struct ca *ca, const char *dir, load_key *load_key,
                       struct err *err)
{
    char path[PATH_MAX];
    STACK_OF(X509) *certs = NULL;
    if (file_join(path, dir, "ca.crt", err) ||
        file_load_certs(path, &certs, err))
        return -1;
    int rc = place_certs(ca, certs);
    sk_X509_pop_free(certs, X509_free);
    if (rc) {
        err_openssl(err, "keep the certificates of %s", path);
        return -1;
    }
    if (!X509_check_ca(ca->cert)) {
        err_set(err, "the first certificate of %s is not a CA", path);
        return -1;
    }
    if (file_join(path, dir, "ca.key", err))
        return -1;
    ca->key = load_key(path, X509_get0_pubkey(ca->cert), err);
    if (!ca->key)
        return -1;
    if (X509_check_private_key(ca->cert, ca->key) != 1) {
        err_openssl(err, "%s does not belong to the certificate beside it",
                    path);
        return -1;
    }
    return 0;
}

static int load_root(struct ca *ca, const char *dir, struct err *err)
{
    char path[PATH_MAX];
    struct stat info;
    STACK_OF(X509) *certs = NULL;
    if (file_join(path, dir, "root.crt", err))
        return -1;
    if (ca->root || (stat(path, &info) && errno == ENOENT))
        return 0;
    if (file_load_certs(path, &certs, err))
        return -1;
    ca->root = sk_X509_shift(certs);
    sk_X509_pop_free(certs, X509_free);
    return 0;
}

static int load(const char *dir, load_key *load_key, struct ca **out,
                struct err *err)
{
    struct ca *ca = new_ca(err);
    if (!ca)
        return -1;
    if (load_signer(ca, dir, load_key, err) || load_root(ca, dir, err)) {
        ca_free(ca);
        return -1;
    }
    *out = ca;
    return 0;
}

int ca_load(const char *dir, struct ca **out, struct err *err)
{
    return load(dir, keys_load, out, err);
}

int ca_load_foreign(const char *dir, struct ca **out, struct err *err)
{
    return load(dir, keys_load_foreign, out, err);
}

int ca_save(const struct ca *ca, const char *dir, struct err *err)
{
    char path[PATH_MAX];
    if (mkdir(dir, 0700) && errno != EEXIST) {
        err_errno(err, "make the folder %s", dir);
        return -1;
    }
    if (file_join(path, dir, "ca.crt", err) ||
        file_save_certs(path, ca->cert, ca->above, err))
        return -1;
    if (file_join(path, dir, "ca.key", err) || keys_save(ca->key, path, err))
        return -1;
    if (!ca->root || ca->root == ca->cert)
        return 0;
    return file_join(path, dir, "root.crt", err) ||
                   file_save_certs(path, ca->root, NULL, err)
               ? -1
               : 0;
}

/* ---- names --------------------------------------------------------------- */

static bool is_lab_ipv4(const unsigned char a[4])
{
    return a[0] == 127 || (a[0] == 192 && a[1] == 0 && a[2] == 2);
}

static bool is_lab_ipv6(const unsigned char a[16])
{
    static const unsigned char lan[8] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x66};
    return !memcmp(a, &in6addr_loopback, 16) || !memcmp(a, lan, sizeof lan);
}

bool ca_may_address(const unsigned char *bytes, size_t len)
{
    return len == 4    ? is_lab_ipv4(bytes)
           : len == 16 ? is_lab_ipv6(bytes)
                       : false;
}

/* Letters, digits, '-', '_' and '*' in labels that are not empty. */
static bool is_host(const char *name)
{
    size_t label = 0;
    for (const char *at = name; *at; at++) {
        if (*at == '.' ? !label
                       : !isalnum((unsigned char)*at) && !strchr("-_*", *at))
            return false;
        label = *at == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label && strlen(name) <= 253;
}

bool ca_may_name(const char *name)
{
    static const char zone[] = "lab.test";
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, name, address) == 1)
        return ca_may_address(address, 4);
    if (inet_pton(AF_INET6, name, address) == 1)
        return ca_may_address(address, 16);
    if (!is_host(name))
        return false;
    size_t len = strlen(name), tail = sizeof zone - 1;
    if (len < tail || strcasecmp(name + len - tail, zone))
        return !strcasecmp(name, "localhost");
    return len == tail || name[len - tail - 1] == '.';
}

static int refuse_outsiders(const char *const *names, unsigned count,
                            struct err *err)
{
    for (unsigned i = 0; i < count; i++)
        if (!ca_may_name(names[i])) {
            err_code(err, EXIT_CONTAINMENT,
                     "no certificate is made for \"%.100s\": only for "
                     "lab.test and names below it, localhost, and the lab's "
                     "addresses",
                     names[i]);
            return -1;
        }
    return 0;
}

static bool add_standing(X509 *leaf, const struct ca_standing *standing)
{
    char where[300];
    snprintf(where, sizeof where, "OCSP;URI:%.280s",
             standing->responder ? standing->responder : "");
    return (!standing->responder ||
            mint_add_text(leaf, NID_info_access, where)) &&
           (!standing->must_staple ||
            mint_add_text(leaf, NID_tlsfeature, "status_request"));
}

int ca_issue(const struct ca *ca, const char *const *names, unsigned count,
             X509 **out_leaf, EVP_PKEY **out_key, struct err *err)
{
    static const struct ca_standing nothing;
    return ca_issue_with(ca, names, count, &nothing, out_leaf, out_key, err);
}

int ca_issue_with(const struct ca *ca, const char *const *names, unsigned count,
                  const struct ca_standing *standing, X509 **out_leaf,
                  EVP_PKEY **out_key, struct err *err)
{
    assert(count > 0);
    if (refuse_outsiders(names, count, err))
        return -1;
    EVP_PKEY *key = keys_make(KEY_P256, err);
    X509 *leaf = key ? mint_server(names, count, key) : NULL;
    if (leaf && X509_set_issuer_name(leaf, X509_get_subject_name(ca->cert)) &&
        mint_issuer_key_id(leaf, ca->cert) && add_standing(leaf, standing) &&
        mint_sign(leaf, ca->key)) {
        *out_leaf = leaf;
        *out_key = key;
        return 0;
    }
    if (key)
        err_openssl(err, "issue a certificate for %s", names[0]);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return -1;
}
