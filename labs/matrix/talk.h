/* SPDX-License-Identifier: MIT
 *
 * One conversation of the rig with a victim, and what it says of it. Inside
 * of labs/matrix/. */
#ifndef LABS_MATRIX_TALK_H
#define LABS_MATRIX_TALK_H

#include "labs/matrix/rig.h"
#include "proxy/base/buf.h"
#include "proxy/event.h"
#include "proxy/tls.h"

struct talk {
    struct talk *next, **link; /* in the rig's list */
    const struct stand *stand;
    struct exhibit *exhibit; /* NULL: not known before the hello */
    uv_tcp_t tcp;
    uv_timer_t patience;
    unsigned handles; /* open ones; freed when the last has closed */
    uint64_t flow;
    union address victim, here;
    struct buf in, out, clear;
    uint64_t in_total, out_total;
    struct tls_side side;
    int alert;     /* that the victim sent, -1: none */
    bool unserved; /* we found nothing in its offer that we could serve */
    bool greeted;  /* the hello was looked at */
    bool answered; /* nothing more will be said */
    bool ended;    /* the victim ended its side */
    bool closing;
    const char *why; /* for flow.end */
    uint64_t plain;  /* application bytes outside of TLS */
};

/* Accepts from `stand`; the talk owns itself. */
void talk_accept(const struct stand *stand);
void talk_close(struct talk *talk, const char *why);

/* ---- what talks share: the rig's inside ---------------------------------- */

struct rig {
    struct rig_plan plan;
    uv_loop_t *loop;
    struct tls *tls;
    struct exhibit *exhibits;
    unsigned exhibits_count;
    struct stand *stands;
    unsigned stands_count, listening;
    X509 *root;
    EVP_PKEY *log;
    struct talk *talks;
    uint64_t flows;
};

/* ---- talk_facts.c -------------------------------------------------------- */

void talk_opened(const struct talk *talk);
void talk_hello(const struct talk *talk, size_t len, const char *server_name);
void talk_shown(const struct talk *talk);
void talk_done(const struct talk *talk);
void talk_request(const struct talk *talk);
void talk_ended(const struct talk *talk);
extern const struct tls_calls talk_tls_calls;

/* Records that are read without TLS: an alert of the victim. */
void talk_plain_alert(struct talk *talk, int level, int code, uint64_t at);

#endif
