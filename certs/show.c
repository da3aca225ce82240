/* SPDX-License-Identifier: MIT
 *
 * A certificate as fields. One small function writes the value of each; JSON
 * and text are made from the values. */
#include "certs/show.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- values -------------------------------------------------------------- */

static void write_hex(const unsigned char *bytes, size_t len, FILE *out)
{
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%02X", bytes[i]);
}

/* Printable ASCII as it is, the rest as \xNN. */
static void write_escaped(const unsigned char *bytes, size_t len, FILE *out)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\')
            fputc(bytes[i], out);
        else
            fprintf(out, "\\x%02X", bytes[i]);
}

static void write_asn1_hex(const ASN1_STRING *value, FILE *out)
{
    if (value)
        write_hex(ASN1_STRING_get0_data(value),
                  (size_t)ASN1_STRING_length(value), out);
}

static void write_version(X509 *cert, FILE *out)
{
    fprintf(out, "%ld", X509_get_version(cert) + 1);
}

static void write_serial(X509 *cert, FILE *out)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
        fputc('-', out);
    write_asn1_hex(serial, out);
}

static void write_dn(const X509_NAME *name, FILE *out)
{
    BIO *text = BIO_new(BIO_s_mem());
    char *data;
    if (text &&
        X509_NAME_print_ex(text, name, 0,
                           ASN1_STRFLGS_RFC2253 | XN_FLAG_SEP_CPLUS_SPC |
                               XN_FLAG_FN_SN) >= 0) {
        long len = BIO_get_mem_data(text, &data);
        if (len > 0)
            fwrite(data, 1, (size_t)len, out);
    }
    BIO_free(text);
}

static void write_subject(X509 *cert, FILE *out)
{
    write_dn(X509_get_subject_name(cert), out);
}

static void write_issuer(X509 *cert, FILE *out)
{
    write_dn(X509_get_issuer_name(cert), out);
}

static void write_time(const ASN1_TIME *time, FILE *out)
{
    struct tm parts;
    char text[32];
    if (ASN1_TIME_to_tm(time, &parts) &&
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts))
        fputs(text, out);
    else /* malformed times are worth seeing */
        write_escaped(ASN1_STRING_get0_data(time),
                      (size_t)ASN1_STRING_length(time), out);
}

static void write_not_before(X509 *cert, FILE *out)
{
    write_time(X509_get0_notBefore(cert), out);
}

static void write_not_after(X509 *cert, FILE *out)
{
    write_time(X509_get0_notAfter(cert), out);
}

/* How many bits a mask begins with, or -1 if others follow. */
static int prefix_length(const unsigned char *mask, int len)
{
    int bits = 0;
    while (bits < 8 * len && mask[bits / 8] >> (7 - bits % 8) & 1)
        bits++;
    for (int i = bits; i < 8 * len; i++)
        if (mask[i / 8] >> (7 - i % 8) & 1)
            return -1;
    return bits;
}

/* An address; in a name constraint an address and its mask. */
static void write_address(const ASN1_OCTET_STRING *value, FILE *out)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(value);
    int len = ASN1_STRING_length(value);
    int own = len == 8 || len == 32 ? len / 2 : len;
    int bits = own < len ? prefix_length(bytes + own, own) : 0;
    char text[INET6_ADDRSTRLEN];
    if ((own != 4 && own != 16) || bits < 0) {
        write_hex(bytes, (size_t)len, out);
        return;
    }
    fputs(inet_ntop(own == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text),
          out);
    if (own < len)
        fprintf(out, "/%d", bits);
}

static void write_name(const GENERAL_NAME *name, FILE *out)
{
    static const char *const kinds[] = {
        [GEN_EMAIL] = "email:", [GEN_DNS] = "DNS:", [GEN_URI] = "URI:"};
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);
    switch (type) {
    case GEN_EMAIL:
    case GEN_DNS:
    case GEN_URI:
        fputs(kinds[type], out);
        write_escaped(ASN1_STRING_get0_data(value),
                      (size_t)ASN1_STRING_length(value), out);
        break;
    case GEN_IPADD:
        fputs("IP:", out);
        write_address(value, out);
        break;
    case GEN_DIRNAME:
        fputs("DN:", out);
        write_dn(value, out);
        break;
    default:
        fprintf(out, "other:%d", type);
    }
    fputc('\n', out);
}

static void write_names(X509 *cert, FILE *out)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        write_name(sk_GENERAL_NAME_value(names, i), out);
    GENERAL_NAMES_free(names);
}

/* The names that students know, for the curves that have one. */
static const char *curve_name(const char *group)
{
    static const char *const known[][2] = {{"prime256v1", "P-256"},
                                           {"secp384r1", "P-384"},
                                           {"secp521r1", "P-521"},
                                           {"prime192v1", "P-192"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(group, known[i][0]))
            return known[i][1];
    return group;
}

static void write_key_type(X509 *cert, FILE *out)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    char group[64];
    if (!key)
        return;
    if (EVP_PKEY_is_a(key, "EC") &&
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group,
                                       sizeof group, NULL))
        fprintf(out, "EC %s", curve_name(group));
    else if (EVP_PKEY_is_a(key, "EC"))
        fputs("EC, a curve of its own", out);
    else if (EVP_PKEY_is_a(key, "ED25519"))
        fputs("Ed25519", out);
    else
        fputs(OBJ_nid2sn(EVP_PKEY_get_base_id(key)), out);
}

static void write_key_bits(X509 *cert, FILE *out)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    if (key)
        fprintf(out, "%d", EVP_PKEY_get_bits(key));
}

static void write_key(X509 *cert, FILE *out)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned len;
    int der_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (der_len > 0 &&
        EVP_Digest(der, (size_t)der_len, digest, &len, EVP_sha256(), NULL))
        write_hex(digest, len, out);
    OPENSSL_free(der);
}

static void write_signature_algorithm(X509 *cert, FILE *out)
{
    const X509_ALGOR *algorithm;
    const ASN1_OBJECT *oid;
    char text[80];
    X509_get0_signature(NULL, &algorithm, cert);
    X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
    OBJ_obj2txt(text, sizeof text, oid, 0);
    fputs(text, out);
}

static void write_is_ca(X509 *cert, FILE *out)
{
    fputs(X509_get_extension_flags(cert) & EXFLAG_CA ? "true" : "false", out);
}

static void write_pathlen(X509 *cert, FILE *out)
{
    long most = X509_get_pathlen(cert);
    if (most >= 0)
        fprintf(out, "%ld", most);
}

static void write_key_usage(X509 *cert, FILE *out)
{
    /* RFC 5280 4.2.1.3, by bit. */
    static const char *const bits[] = {
        "digitalSignature", "nonRepudiation", "keyEncipherment",
        "dataEncipherment", "keyAgreement",   "keyCertSign",
        "cRLSign",          "encipherOnly",   "decipherOnly"};
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(cert, NID_key_usage, NULL, NULL);
    for (size_t i = 0; usage && i < sizeof bits / sizeof *bits; i++)
        if (ASN1_BIT_STRING_get_bit(usage, (int)i))
            fprintf(out, "%s\n", bits[i]);
    ASN1_BIT_STRING_free(usage);
}

static void write_oid(const ASN1_OBJECT *oid, FILE *out)
{
    char text[80];
    int nid = OBJ_obj2nid(oid);
    if (nid == NID_undef)
        OBJ_obj2txt(text, sizeof text, oid, 1);
    fputs(nid == NID_undef ? text : OBJ_nid2sn(nid), out);
}

static void write_extended_key_usage(X509 *cert, FILE *out)
{
    EXTENDED_KEY_USAGE *purposes =
        X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    for (int i = 0; i < sk_ASN1_OBJECT_num(purposes); i++) {
        write_oid(sk_ASN1_OBJECT_value(purposes, i), out);
        fputc('\n', out);
    }
    EXTENDED_KEY_USAGE_free(purposes);
}

static void write_subject_key_id(X509 *cert, FILE *out)
{
    write_asn1_hex(X509_get0_subject_key_id(cert), out);
}

static void write_authority_key_id(X509 *cert, FILE *out)
{
    write_asn1_hex(X509_get0_authority_key_id(cert), out);
}

static void write_subtrees(X509 *cert, bool permitted, FILE *out)
{
    NAME_CONSTRAINTS *constraints =
        X509_get_ext_d2i(cert, NID_name_constraints, NULL, NULL);
    if (!constraints)
        return;
    STACK_OF(GENERAL_SUBTREE) *trees = permitted
                                           ? constraints->permittedSubtrees
                                           : constraints->excludedSubtrees;
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(trees); i++)
        write_name(sk_GENERAL_SUBTREE_value(trees, i)->base, out);
    NAME_CONSTRAINTS_free(constraints);
}

static void write_permitted(X509 *cert, FILE *out)
{
    write_subtrees(cert, true, out);
}

static void write_excluded(X509 *cert, FILE *out)
{
    write_subtrees(cert, false, out);
}

static void write_extensions(X509 *cert, FILE *out)
{
    for (int i = 0; i < X509_get_ext_count(cert); i++) {
        X509_EXTENSION *extension = X509_get_ext(cert, i);
        write_oid(X509_EXTENSION_get_object(extension), out);
        fputs(X509_EXTENSION_get_critical(extension) ? ", critical\n" : "\n",
              out);
    }
}

static void write_fingerprint(X509 *cert, FILE *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    if (X509_digest(cert, EVP_sha256(), digest, &len))
        write_hex(digest, len, out);
}

/* ---- the table ----------------------------------------------------------- */

const struct show_field show_fields[] = {
#define SHOW(name, kind, label) {#name, label, SHOW_##kind},
#include "certs/show.def"
#undef SHOW
    {0},
};

static void (*const writers[])(X509 *cert, FILE *out) = {
#define SHOW(name, kind, label) write_##name,
#include "certs/show.def"
#undef SHOW
};

char *show_value(X509 *cert, const struct show_field *field)
{
    char *value = NULL;
    size_t len;
    FILE *out = open_memstream(&value, &len);
    if (!out)
        return NULL;
    writers[field - show_fields](cert, out);
    fclose(out);
    return value;
}

/* ---- JSON ---------------------------------------------------------------- */

static void write_json_chars(const char *text, size_t len, FILE *out)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte >= 0x20 && byte < 0x7f)
            fputc(byte, out);
        else
            fprintf(out, "\\u%04x", byte);
    }
    fputc('"', out);
}

void show_json_string(const char *text, FILE *out)
{
    write_json_chars(text, strlen(text), out);
}

static void write_json_list(const char *items, FILE *out)
{
    fputc('[', out);
    for (const char *at = items; *at;) {
        size_t len = strcspn(at, "\n");
        if (at != items)
            fputc(',', out);
        write_json_chars(at, len, out);
        at += len + (at[len] == '\n');
    }
    fputc(']', out);
}

void show_json_value(const struct show_field *field, const char *value,
                     FILE *out)
{
    if (field->kind == SHOW_LIST)
        write_json_list(value, out);
    else if (!value[0])
        fputs("null", out);
    else if (field->kind == SHOW_TEXT)
        show_json_string(value, out);
    else
        fputs(value, out);
}

void show_json(X509 *cert, FILE *out)
{
    for (const struct show_field *field = show_fields; field->name; field++) {
        char *value = show_value(cert, field);
        fprintf(out, "%s\"%s\":", field == show_fields ? "{" : ",",
                field->name);
        show_json_value(field, value ? value : "", out);
        free(value);
    }
    fputc('}', out);
}

char *show_json_text(X509 *cert)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    show_json(cert, out);
    fclose(out);
    return text;
}

/* ---- text ---------------------------------------------------------------- */

/* How much of `text` goes on a line with `room` for it: whole words if one
 * fits, else as much as there is room for. */
static size_t measure_line(const char *text, size_t room)
{
    size_t whole = strcspn(text, "\n");
    if (whole <= room)
        return whole;
    size_t len = room;
    while (len && text[len] != ' ')
        len--;
    return len ? len : room;
}

void show_wrapped(const char *text, unsigned indent, unsigned width, FILE *out)
{
    size_t room = width > indent + 8 ? width - indent : 8;
    do {
        size_t len = measure_line(text, room);
        fwrite(text, 1, len, out);
        fputc('\n', out);
        text += len;
        while (*text == ' ' || *text == '\n')
            text++;
        if (*text)
            fprintf(out, "%*s", (int)indent, "");
    } while (*text);
}

void show_text(X509 *cert, unsigned width, FILE *out)
{
    /* Wide: a column of labels. Narrow: the value under its label. */
    bool wide = width >= 70;
    unsigned indent = wide ? 24 : 2;
    for (const struct show_field *field = show_fields; field->name; field++) {
        char *value = show_value(cert, field);
        if (value && value[0]) {
            if (wide)
                fprintf(out, "%-*s", (int)indent, field->label);
            else
                fprintf(out, "%s\n%*s", field->label, (int)indent, "");
            show_wrapped(field->kind != SHOW_BOOL ? value
                         : !strcmp(value, "true") ? "yes"
                                                  : "no",
                         indent, width, out);
        }
        free(value);
    }
}
