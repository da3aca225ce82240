/* SPDX-License-Identifier: MIT
 *
 * What six real clients were measured to say to each forgery, in each version
 * of TLS. The table is seen.def, which tests/certs/seen.py writes. */
#ifndef CERTS_SEEN_H
#define CERTS_SEEN_H

enum { SEEN_CLIENTS = 6 };

struct seen {
    const char *forgery; /* id */
    int version;         /* of TLS: 0x0303, 0x0304 */
    /* Of each client: "accepted", the name of an alert, "close_notify",
     * "silent", "abort", or "offer" (nothing that it offered fits). */
    const char *said[SEEN_CLIENTS];
};

const struct seen *seen_at(unsigned index); /* NULL behind the last */

/* NULL: that forgery cannot be shown in that version. */
const struct seen *seen_find(const char *forgery, int version);

/* "s_client", "curl", "Python", "wget", "Node", "Java". */
const char *seen_client(unsigned client);

const char *seen_date(void);     /* "2026-11-21" */
const char *seen_versions(void); /* "openssl 3.0.22, curl 7.88.1, ..." */

#endif
