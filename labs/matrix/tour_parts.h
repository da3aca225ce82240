/* SPDX-License-Identifier: MIT
 *
 * What the files of a tour share: tour.c (from beginning to end), tour_stage.c
 * (places, rig, capture), errand.c (the clients' processes). */
#ifndef LABS_MATRIX_TOUR_PARTS_H
#define LABS_MATRIX_TOUR_PARTS_H

#include "labs/engine/cast.h"
#include "labs/matrix/tour.h"
#include "labs/net/net.h"
#include "proxy/capture/capture.h"

#define TOUR_VICTIM "victim"
#define TOUR_SERVER "server"

enum { ERRANDS_MOST = 48, JOBS_MOST = ROWS_MOST * MATRIX_VERSIONS };

/* One cell to be filled. */
struct job {
    unsigned row;
    enum matrix_version version;
};

/* What is left to do for a client. */
struct agenda {
    struct job jobs[JOBS_MOST];
    unsigned count, next; /* next is the first that was not begun */
    bool done;            /* nothing more can be had from it */
};

/* A process at work on jobs first .. first + count - 1 of a client. */
struct errand {
    struct actor *actor; /* NULL: free */
    unsigned client, first, count;
    int64_t deadline_ms;
    bool killed;
};

struct tour {
    struct matrix *matrix;
    const struct tour_options *options;
    struct net_plan plan;
    struct net *net;
    struct cast cast;
    struct actor *rig, *recorder;
    struct capture *capture;
    struct buf *keys;   /* by cell: its lines of the key log; with a capture */
    struct err trouble; /* of a callback; code 0: none */
    unsigned set_of[CLIENTS_MOST]; /* the rig's ports for a client */
    unsigned sets;
    uint32_t cell_at[65536]; /* by the rig's port: 1 + index of its cell */
    unsigned fence;          /* a port that no client is sent to */
    bool fenced;
    char trusts[ROWS_MOST]; /* the row has a trust file of its own */
    struct agenda *agendas; /* a client's */
    struct errand errands[ERRANDS_MOST];
    unsigned done, total;
};

/* ---- tour_stage.c -------------------------------------------------------- */

int tour_build(struct tour *tour, struct err *err);
int tour_find_clients(struct tour *tour, struct err *err);
int tour_start_capture(struct tour *tour, struct err *err);
int tour_start_rig(struct tour *tour, struct err *err);
void tour_on_event(void *tour, struct actor *actor, json_t *event);
int tour_strike(struct tour *tour, struct err *err);
const char *tour_server_address(const struct tour *tour);

/* ---- errand.c ------------------------------------------------------------ */

/* Everybody to everything. -1 after a signal. */
int errands_run(struct tour *tour, struct err *err);

/* Start any program of ours or of a client at the victim's place. */
struct actor *errand_start(struct tour *tour, char *const *words,
                           const char *env, int stdin_fd, struct err *err);

/* Where a client's script lies at the victim's place. */
void errand_script(const struct tour *tour, const struct client *client,
                   char out[512]);

/* A descriptor from which these bytes are read, or -1. */
int errand_text(const void *bytes, size_t len);

#endif
