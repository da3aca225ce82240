/* SPDX-License-Identifier: MIT
 *
 * A row made: the certificate that is shown, and the contexts of OpenSSL that
 * show it. No CA is needed any more once it stands. */
#ifndef LABS_MATRIX_EXHIBIT_H
#define LABS_MATRIX_EXHIBIT_H

#include "certs/gallery.h"
#include "labs/matrix/row.h"
#include "proxy/tls.h"

#include <openssl/ssl.h>

/* Which versions a stand speaks. */
enum exhibit_tls { EXHIBIT_ANY, EXHIBIT_12, EXHIBIT_13, EXHIBIT_VERSIONS };

/* "any", "1.2", "1.3" */
const char *exhibit_tls_name(enum exhibit_tls tls);

struct exhibit {
    struct row row;
    char host[128];       /* that the victim asks for */
    struct forged forged; /* zeroed: it shows no certificate */
    SSL_CTX *contexts[EXHIBIT_VERSIONS];
};

/* Can the row be shown in that version? EXHIBIT_ANY can always. */
bool exhibit_can(const struct row *row, enum exhibit_tls tls);

/* `host` is whom a victim asks for, unless the row says whom. */
int exhibit_make(struct gallery *gallery, const struct row *row,
                 const char *host, struct exhibit *out, struct err *err);
void exhibit_close(struct exhibit *exhibit);

/* The context of that version, made when it is first wanted; the exhibit's.
 * NULL when OpenSSL cannot show it. */
SSL_CTX *exhibit_context(struct exhibit *exhibit, enum exhibit_tls version,
                         struct err *err);

#endif
