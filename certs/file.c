/* SPDX-License-Identifier: MIT
 *
 * Files: temporary name, then rename; PEM in and out. */
#include "certs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int file_join(char path[PATH_MAX], const char *dir, const char *name,
              struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
        return 0;
    err_set(err, "the path %.60s... is too long", dir);
    return -1;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t done = write(fd, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        data += done;
        len -= (size_t)done;
    }
    return 0;
}

int file_replace(const char *path, mode_t mode, const void *data, size_t len,
                 struct err *err)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid()) >=
        (int)sizeof beside) {
        err_set(err, "the path %.60s... is too long", path);
        return -1;
    }
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        err_errno(err, "create %s", beside);
        return -1;
    }
    int rc = write_all(fd, data, len), why = errno;
    if (close(fd) && !rc)
        rc = -1;
    else
        errno = why;
    if (rc || rename(beside, path)) {
        err_errno(err, "write %s", path);
        int saved = errno;
        unlink(beside);
        errno = saved; /* says whether the disk is full */
        return -1;
    }
    return 0;
}

/* Adds what the file holds to `certs`; the end of the file is no error. */
static int read_certs(FILE *file, STACK_OF(X509) * certs)
{
    X509 *cert;
    while ((cert = PEM_read_X509(file, NULL, NULL, NULL)))
        if (!sk_X509_push(certs, cert)) {
            X509_free(cert);
            return -1;
        }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return -1;
    ERR_clear_error();
    return 0;
}

int file_load_certs(const char *path, STACK_OF(X509) * *out, struct err *err)
{
    int rc = -1;
    STACK_OF(X509) *certs = sk_X509_new_null();
    FILE *file = fopen(path, "re");
    if (!file) {
        err_errno(err, "open %s", path);
        goto out;
    }
    if (!certs || read_certs(file, certs)) {
        err_openssl(err, "read the certificates in %s", path);
        goto out;
    }
    if (!sk_X509_num(certs)) {
        err_set(err, "%s holds no certificate in PEM form", path);
        goto out;
    }
    *out = certs;
    certs = NULL;
    rc = 0;
out:
    if (file)
        fclose(file);
    sk_X509_pop_free(certs, X509_free);
    return rc;
}

/* As it is sent, even where OpenSSL cannot read it (raw.h). */
static bool write_cert(BIO *to, X509 *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    bool ok = len > 0 && PEM_write_bio(to, PEM_STRING_X509, "", der, len) > 0;
    OPENSSL_free(der);
    return ok;
}

int file_save_certs(const char *path, X509 *first, STACK_OF(X509) * rest,
                    struct err *err)
{
    int rc = -1;
    BIO *text = BIO_new(BIO_s_mem());
    bool written = text && write_cert(text, first);
    for (int i = 0; written && i < sk_X509_num(rest); i++) {
        X509 *cert = sk_X509_value(rest, i);
        written = !X509_cmp(cert, first) || write_cert(text, cert);
    }
    if (written) {
        char *data;
        long len = BIO_get_mem_data(text, &data);
        rc = file_replace(path, 0644, data, (size_t)len, err);
    } else {
        err_openssl(err, "write the certificates for %s", path);
    }
    BIO_free(text);
    return rc;
}
