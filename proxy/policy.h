/* SPDX-License-Identifier: MIT
 *
 * What one leg speaks, in one line that a person writes:
 *
 *   versions=1.2-1.3,groups=X25519:P-256,ciphers=ECDHE-RSA-AES128-SHA:...,
 *   alpn=h2:http/1.1,resume=on,seclevel=0
 *
 * Zeroed is the default of everything. Groups and suites are OpenSSL's own
 * words and are tried out when they are read. */
#ifndef PROXY_POLICY_H
#define PROXY_POLICY_H

#include "certs/err.h"
#include "proxy/alpn.h"

#include <openssl/ssl.h>
#include <stdbool.h>

enum { POLICY_ALPN_MOST = 8 };

enum policy_resume {
    RESUME_OFF,     /* every conversation shows its certificate */
    RESUME_ON,      /* by ticket or by number of the session */
    RESUME_TICKETS, /* the peer keeps the session */
    RESUME_IDS,     /* we keep it */
};

struct policy {
    int least, most;   /* TLS1_2_VERSION ...; 0: 1.2 and 1.3 */
    char groups[256];  /* "": OpenSSL's */
    char ciphers[512]; /* of TLS 1.2 and older; "": OpenSSL's */
    char suites[256];  /* of TLS 1.3; "": OpenSSL's */
    bool alpn_given;   /* else as the victim offers, but for h3, and no more
                          than ALPN_OFFER_MOST bytes of it */
    unsigned alpn_count;
    char alpn[POLICY_ALPN_MOST][32];
    enum policy_resume resume;
    bool staple; /* pass on what the server staples */
    bool level_given;
    int level; /* OpenSSL's security level */
};

/* Each key once. -1 with EXIT_USAGE and a sentence that names the nearest
 * known word; `out` is then half filled. */
int policy_parse(const char *text, struct policy *out, struct err *err);

/* Put into a context: all but ALPN and resumption. `level`: where the policy
 * gives none. -1 when OpenSSL refuses it. */
int policy_apply(const struct policy *policy, int level, SSL_CTX *context,
                 struct err *err);

/* May this protocol be agreed on under the policy? */
bool policy_speaks(const struct policy *policy, struct alpn_name protocol);

#endif
