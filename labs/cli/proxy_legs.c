/* SPDX-License-Identifier: MIT
 *
 * Options of `mitmlab proxy`: TLS on both legs, who signs and who is
 * trusted. */
#include "labs/cli/proxy_parts.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

/* Whom a look-alike is to resemble. */
static X509 *first_certificate(const char *file)
{
    BIO *bio = BIO_new_file(file, "r");
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return cert;
}

static int take_trust(const struct proxy_wishes *wishes,
                      struct proxy_setup *setup, struct err *err)
{
    const char *file = wishes->legs.upstream_ca;
    if (!file)
        file = getenv("MITMLAB_TRUST");
    setup->options.insecure_upstream = wishes->legs.insecure;
    /* The environment may name a file that this lab does without. */
    if (!file || (!wishes->legs.upstream_ca && access(file, R_OK)))
        return 0;
    setup->options.upstream_trust = X509_STORE_new();
    if (!setup->options.upstream_trust ||
        X509_STORE_load_file(setup->options.upstream_trust, file) != 1) {
        err_openssl(err, "read the trusted certificates in %s", file);
        return -1;
    }
    setup->anchor = first_certificate(file);
    setup->options.signers.anchor = setup->anchor;
    return 0;
}

static int take_signers(const struct proxy_wishes *wishes,
                        struct proxy_setup *setup, struct err *err)
{
    if ((wishes->legs.ca && ca_load(wishes->legs.ca, &setup->rogue, err)) ||
        (wishes->legs.issuer && ca_load(wishes->legs.issuer, &setup->lab, err)))
        return -1;
    setup->options.signers.rogue = setup->rogue;
    setup->options.signers.lab = setup->lab;
    return 0;
}

static int take_keylog(const struct proxy_wishes *wishes,
                       struct proxy_setup *setup, struct err *err)
{
    if (!wishes->legs.keylog)
        return 0;
    int fd = open(wishes->legs.keylog,
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_errno(err, "open the key log %s", wishes->legs.keylog);
        return -1;
    }
    setup->options.keylog_fd = fd;
    return 0;
}

static void rows(struct proxy_wishes *wishes, struct option_rows *rows)
{
    option_row(rows, (struct option){"ca", 0, OPTION_TEXT, "DIR",
                                     "The attacker's CA (ca.crt, ca.key), "
                                     "which signs forged certificates",
                                     &wishes->legs.ca});
    option_row(rows,
               (struct option){
                   "issuer", 0, OPTION_TEXT, "DIR",
                   "The lab's own CA, for forgeries that need an accomplice",
                   &wishes->legs.issuer});
    option_row(rows, (struct option){"upstream-ca", 0, OPTION_TEXT, "FILE",
                                     "Whom to trust when verifying servers",
                                     &wishes->legs.upstream_ca});
    option_row(
        rows,
        (struct option){"upstream-insecure", 0, OPTION_FLAG, NULL,
                        "Go on although a server's certificate does not verify",
                        &wishes->legs.insecure});
    option_row(rows, (struct option){"keylog", 0, OPTION_TEXT, "FILE",
                                     "Append the TLS secrets of both legs",
                                     &wishes->legs.keylog});
}

static int take(const struct proxy_wishes *wishes, struct proxy_setup *setup,
                struct err *err)
{
    return take_trust(wishes, setup, err) || take_signers(wishes, setup, err) ||
                   take_keylog(wishes, setup, err)
               ? -1
               : 0;
}

static void undo(struct proxy_setup *setup)
{
    X509_free(setup->anchor);
    X509_STORE_free(setup->options.upstream_trust);
    ca_free(setup->rogue);
    ca_free(setup->lab);
    if (setup->options.keylog_fd)
        close(setup->options.keylog_fd);
}

const struct proxy_part proxy_part_legs = {"TLS", rows, take, undo};
