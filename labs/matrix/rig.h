/* SPDX-License-Identifier: MIT
 *
 * The rig: one process that shows every row of the gallery to whoever comes,
 * each at a port of its own, and writes down what became of it. The verdict is
 * taken from three facts: the alert, how the victim closed, and whether a byte
 * of application data came.
 *
 * The CAs are made and destroyed before the first victim can come; what is
 * left are leaves, the root that a victim is to trust, and in `ready` both are
 * told. Events are those of the lab's servers, see proxy/event.def. */
#ifndef LABS_MATRIX_RIG_H
#define LABS_MATRIX_RIG_H

#include "labs/matrix/exhibit.h"
#include "proxy/base/dial.h"

#include <uv.h>

enum { RIG_SETS_MOST = 32 };

struct rig_plan {
    union address listen; /* port 0: the kernel chooses; else ports from there,
                             in the order of rows, versions and sets */
    const char *host;     /* whom victims ask for */
    const struct row *rows;
    unsigned rows_count;
    bool versions[EXHIBIT_VERSIONS]; /* a stand for each */
    unsigned sets;     /* of ports: victims that come at the same time can be
                         told apart by the port they go to */
    bool by_name;      /* one port for all: t03.lab.test is shown t03 */
    bool brief;        /* no tls.cert events, which carry whole chains */
    unsigned patience; /* seconds until a victim that is silent is given up */
    /* A line about a conversation that is over, for a person; NULL: none. */
    void (*on_line)(void *context, const char *line);
    void *context;
};

struct rig;

/* One listener: a row in a version, of one set. With `by_name`, all rows. */
struct stand {
    struct rig *rig;
    unsigned exhibit; /* its number */
    enum exhibit_tls tls;
    unsigned set;
    unsigned port;
    uv_tcp_t tcp;
};

/* Makes everything and listens; writes `ready`. `loop` must run then. After
 * -1 nothing is left. */
int rig_open(uv_loop_t *loop, const struct rig_plan *plan, struct rig **out,
             struct err *err);

/* Ends all conversations and closes; the loop runs until it is done. */
void rig_stop(struct rig *rig);

/* After the loop has ended. */
void rig_free(struct rig *rig);

/* For whoever wants to say where to go: its stands, in order, and what is
 * shown there. */
const struct stand *rig_stand(const struct rig *rig, unsigned index);
const struct exhibit *rig_exhibit(const struct rig *rig, unsigned index);

/* What victims must trust: for all rows, and for this row besides (NULL:
 * nothing). The rig's. */
X509 *rig_root(const struct rig *rig);
X509 *rig_installed(const struct rig *rig, unsigned exhibit);

#endif
