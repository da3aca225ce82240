/* SPDX-License-Identifier: MIT
 *
 * One slot a server name; who falls into a slot that is taken, takes it. */
#include "proxy/session.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 256, VICTIMS_MOST = 4096, TICKETS = 2 };

struct slot {
    char server[256];
    SSL_SESSION *session; /* NULL: empty */
};

struct sessions {
    struct slot slots[SLOTS];
};

struct sessions *sessions_new(void)
{
    return calloc(1, sizeof(struct sessions));
}

void sessions_free(struct sessions *sessions)
{
    for (unsigned i = 0; sessions && i < SLOTS; i++)
        SSL_SESSION_free(sessions->slots[i].session);
    free(sessions);
}

static struct slot *slot_of(struct sessions *sessions, const char *server)
{
    unsigned hash = 2166136261U; /* FNV-1a */
    for (; *server; server++)
        hash = (hash ^ (unsigned char)*server) * 16777619U;
    return &sessions->slots[hash % SLOTS];
}

void sessions_offer(struct sessions *sessions, const char *server, SSL *ssl)
{
    struct slot *slot = slot_of(sessions, server);
    if (!slot->session || strcmp(slot->server, server) != 0)
        return;
    SSL_set_session(ssl, slot->session);
    if (SSL_SESSION_get_protocol_version(slot->session) < TLS1_3_VERSION)
        return;
    SSL_SESSION_free(slot->session);
    slot->session = NULL;
}

int sessions_keep_take(struct sessions *sessions, const char *server,
                       SSL_SESSION *session)
{
    struct slot *slot = slot_of(sessions, server);
    if (strlen(server) >= sizeof slot->server)
        return -1;
    SSL_SESSION_free(slot->session);
    strcpy(slot->server, server);
    slot->session = session;
    return 0;
}

/* ---- contexts ------------------------------------------------------------ */

static bool has_tickets(enum policy_resume resume)
{
    return resume == RESUME_ON || resume == RESUME_TICKETS;
}

static bool is_zero(const unsigned char *key)
{
    static const unsigned char zero[SESSION_TICKET_KEY];
    return !memcmp(key, zero, sizeof zero);
}

void session_serve(SSL_CTX *context, const struct policy *policy,
                   const unsigned char key[SESSION_TICKET_KEY])
{
    enum policy_resume resume = policy->resume;
    bool cache = resume == RESUME_ON || resume == RESUME_IDS;
    SSL_CTX_set_session_cache_mode(context, cache ? SSL_SESS_CACHE_SERVER
                                                  : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_cache_size(context, VICTIMS_MOST);
    /* In TLS 1.3 also a session that we keep is named by a ticket. */
    SSL_CTX_set_num_tickets(context, resume == RESUME_OFF ? 0 : TICKETS);
    if (!has_tickets(resume))
        return;
    SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
    if (!is_zero(key))
        SSL_CTX_set_tlsext_ticket_keys(context, (void *)key,
                                       SESSION_TICKET_KEY);
}

void session_ask(SSL_CTX *context, const struct policy *policy)
{
    if (policy->resume == RESUME_OFF)
        return;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT |
                                                SSL_SESS_CACHE_NO_INTERNAL);
    if (has_tickets(policy->resume))
        SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
}

void session_bind(SSL *ssl, const void *shown, size_t len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(shown, len, digest, &size, EVP_sha256(), NULL) == 1 &&
        size <= SSL_MAX_SID_CTX_LENGTH)
        SSL_set_session_id_context(ssl, digest, size);
}
