/* SPDX-License-Identifier: MIT
 *
 * Captures without a packet socket, for machines that give no namespaces: a
 * relay between loopback addresses through which every connection of a bare
 * lab goes. It writes down what it relays as the frames that a wire would have
 * carried, and the interface says that they are synthetic.
 *
 * The relay's own connection to the server starts at the address of the
 * victim's place, so the tuple that the server sees is the one in the capture.
 * The tuple that the opener saw (it dialled the relay) is a comment on the
 * SYN, which index.h understands: both tuples find the frames. */
#ifndef PROXY_CAPTURE_RECORDER_H
#define PROXY_CAPTURE_RECORDER_H

#include "certs/err.h"
#include "proxy/base/dial.h"

#include <uv.h>

enum { RECORDER_MAPS_MOST = 32, RECORDER_PLACE_MOST = 32 };

/* Who dials `listen` is taken to be at `client` unless its address is that of
 * another place, as a map's client or target. */
struct recorder_map {
    union address listen, target;
    char client[RECORDER_PLACE_MOST];
    union address client_address; /* port 0; family 0: as the peer */
    char server[RECORDER_PLACE_MOST];
};

struct recorder;

/* "127.66.1.9:8443=127.66.1.4:8443,client=victim:127.66.1.2,server=server" */
int recorder_map_parse(const char *text, struct recorder_map *out,
                       struct err *err);

/* Listens at once. After -1, too, *out is to be stopped and freed. The
 * process must ignore SIGPIPE. `feed_fd` is the socket to the writer and stays
 * the caller's; at its end of file the recorder closes all its handles, so that
 * the loop ends. */
int recorder_start(uv_loop_t *loop, int feed_fd,
                   const struct recorder_map *maps, unsigned count,
                   struct recorder **out, struct err *err);

/* Close everything; the loop runs until it is done. */
void recorder_stop(struct recorder *recorder);

/* After the loop has ended. */
void recorder_free(struct recorder *recorder);

#endif
