/* SPDX-License-Identifier: MIT
 *
 * A certificate of anybody, as `mitmlab cert show` reads it (a PEM file), and
 * as a server sends it (DER; the first byte says which). Whatever stands in it:
 * what is printed is plain ASCII without a control character, the other form
 * is JSON, and it differs in nothing from itself. */
#include "certs/diff.h"
#include "certs/file.h"
#include "certs/show.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHECK(what)                                                            \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s\n", #what);                                    \
            abort();                                                           \
        }                                                                      \
    } while (0)

static void check_text(X509 *cert, unsigned width)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    CHECK(out);
    show_text(cert, width, out);
    fclose(out);
    for (size_t i = 0; i < len; i++)
        CHECK(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~'));
    free(text);
}

static void check_json(X509 *cert)
{
    char *text = show_json_text(cert);
    CHECK(text);
    json_t *object = json_loads(text, JSON_ALLOW_NUL, NULL);
    CHECK(json_is_object(object));
    for (const struct show_field *field = show_fields; field->name; field++)
        CHECK(json_object_get(object, field->name));
    json_decref(object);
    free(text);
}

static void check_cert(X509 *cert)
{
    struct diff diff;
    struct err err = ERR_INIT;
    check_json(cert);
    check_text(cert, 80);
    check_text(cert, 40);
    if (diff_certificates(cert, cert, &diff, &err)) {
        CHECK(*err.text);
        return;
    }
    diff_close(&diff);
}

static void try_der(const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    CHECK(exact);
    memcpy(exact, bytes, len);
    const uint8_t *at = exact;
    X509 *cert = d2i_X509(NULL, &at, (long)len);
    if (cert)
        check_cert(cert);
    X509_free(cert);
    free(exact);
}

static void try_pem(const uint8_t *bytes, size_t len)
{
    static int file = -1;
    STACK_OF(X509) *certs = NULL;
    struct err err = ERR_INIT;
    char path[64];
    if (file < 0)
        file = memfd_create("cert", MFD_CLOEXEC);
    CHECK(file >= 0 && !ftruncate(file, 0));
    CHECK(pwrite(file, bytes, len, 0) == (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (file_load_certs(path, &certs, &err)) {
        CHECK(err.code && *err.text);
        return;
    }
    CHECK(sk_X509_num(certs) > 0);
    for (int i = 0; i < sk_X509_num(certs); i++)
        check_cert(sk_X509_value(certs, i));
    sk_X509_pop_free(certs, X509_free);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (!len)
        return 0;
    if (*bytes & 1)
        try_der(bytes + 1, len - 1);
    else
        try_pem(bytes + 1, len - 1);
    ERR_clear_error();
    return 0;
}

/* A leaf with all kinds of names, and a CA with constraints on names. */
static const char *const seeds[] = {
    "-----BEGIN CERTIFICATE-----\n"
    "MIICxjCCAmygAwIBAgIUXEkWCaYBHpwaE0zGb7YS42Q5OgowCgYIKoZIzj0EAwIw\n"
    "RTEWMBQGA1UEAwwNYmFuay5sYWIudGVzdDEQMA4GA1UECgwHbWl0bWxhYjEZMBcG\n"
    "CSqGSIb3DQEJARYKYUBsYWIudGVzdDAeFw0yNjExMjEyMDAyMTFaFw0zNjExMTgy\n"
    "MDAyMTFaMEUxFjAUBgNVBAMMDWJhbmsubGFiLnRlc3QxEDAOBgNVBAoMB21pdG1s\n"
    "YWIxGTAXBgkqhkiG9w0BCQEWCmFAbGFiLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAAR/eKwO8jW96o9Po9v/gzaLNRGeqGQDtkpXqsktgZKFae1jOhtGNMzB\n"
    "oQx4wGjENtMn6vrCuwUbfynGKRV2P7TRo4IBODCCATQwHQYDVR0OBBYEFF9D5FpI\n"
    "cicDS2ViBfpJm2F2sYo8MB8GA1UdIwQYMBaAFF9D5FpIcicDS2ViBfpJm2F2sYo8\n"
    "MA8GA1UdEwEB/wQFMAMBAf8wSAYDVR0RBEEwP4INYmFuay5sYWIudGVzdIcEfwAA\n"
    "AYcQAAAAAAAAAAAAAAAAAAAAAYYKaHR0cHM6Ly9hL4EKYkBsYWIudGVzdDALBgNV\n"
    "HQ8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwEwLQYIKwYBBQUHAQEEITAfMB0G\n"
    "CCsGAQUFBzABhhFodHRwOi8vby5sYWIudGVzdDAiBgNVHR8EGzAZMBegFaAThhFo\n"
    "dHRwOi8vYy5sYWIudGVzdDAPBgNVHSAECDAGMAQGAioDMBEGCCsGAQUFBwEYBAUw\n"
    "AwIBBTAKBggqhkjOPQQDAgNIADBFAiEAzcDpJTuxjvPSUfg9pEwvsOU+rGcYvGR7\n"
    "OuMbr7PsiC8CIEm8OKIGjdKhZ4GTKnZIkcv830mlRKo291zujsng6Tka\n"
    "-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBWTCCAQugAwIBAgIUGOjaRTT/pMakjpUUH6k2c7hEnmAwBQYDK2VwMA0xCzAJ\n"
    "BgNVBAMMAkNBMB4XDTI2MTEyMTIwMDEzOVoXDTM2MTExODIwMDEzOVowDTELMAkG\n"
    "A1UEAwwCQ0EwKjAFBgMrZXADIQAbkfWpRnaCVWPTJOE3bleMaY10NVVKmra/719Q\n"
    "Oq1rSqN9MHswHQYDVR0OBBYEFAtCGjQVa+27B3tFjJ4fAgSiiH83MB8GA1UdIwQY\n"
    "MBaAFAtCGjQVa+27B3tFjJ4fAgSiiH83MCUGA1UdHgQeMBygDDAKgghsYWIudGVz\n"
    "dKEMMAqHCAoAAAD/AAAAMBIGA1UdEwEB/wQIMAYBAf8CAQAwBQYDK2VwA0EA4RD2\n"
    "8k+/E0rw5UdOgVFbpw4+rBedYijeExQDBAVDswk4yrxGiqK7zFA3SyH9XU3EIlsn\n"
    "2WOP/g5xavxZUb0kDQ==\n"
    "-----END CERTIFICATE-----\n",
};

static void add_der(const char *pem, void (*add)(const void *bytes, size_t len))
{
    uint8_t out[FUZZ_MOST] = {1}, *to = out + 1;
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    int len = i2d_X509(cert, &to);
    CHECK(len > 0);
    add(out, (size_t)len + 1);
    X509_free(cert);
    BIO_free(bio);
}

void fuzz_seeds(void (*add)(const void *bytes, size_t len))
{
    char twice[FUZZ_MOST];
    int len =
        snprintf(twice, sizeof twice, "0text before\n%s%s", seeds[0], seeds[1]);
    add(twice, (size_t)len);
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        add_der(seeds[i], add);
}

const char *const fuzz_words[] = {
    "-----BEGIN CERTIFICATE-----\n",
    "-----END CERTIFICATE-----\n",
    "-----BEGIN TRUSTED CERTIFICATE-----\n",
    "\x30\x82",
    "\x30\x80",
    "\x31\x0b",
    "\x06\x03\x55\x1d",
    "\x06\x03\x55\x04",
    "\x0c\x81\xff",
    "\x1e\x04",
    "\x17\x0d",
    "\x18\x0f",
    "\x03\x02\x07",
    "\x02\x14",
    "\xa0\x03",
    "\x82\x04",
    "\x87\x10",
    "\x84\x7f\xff\xff\xff",
    "0x",
    "\x1b[31m",
    "\xe2\x80\xae",
    NULL,
};
