/* SPDX-License-Identifier: MIT
 *
 * The door of dial.h for programs that run a loop of libuv. */
#ifndef PROXY_BASE_DIAL_LOOP_H
#define PROXY_BASE_DIAL_LOOP_H

#include "proxy/base/dial.h"

#include <uv.h>

/* Connect on a loop. `on_connect` is called as by uv_tcp_connect(), never
 * before this function returns. -1 when refused at once. A tcp that already
 * has a socket (bound with uv_tcp_bind(), or opened) keeps its source. */
int dial_start(uv_connect_t *request, uv_tcp_t *tcp,
               const union address *address, uv_connect_cb on_connect,
               struct err *err);

/* The same without a turn of the loop where none is needed: *out_status says
 * how it went, 0 or libuv's error, or is DIAL_UNDER_WAY, and only then will
 * `on_connect` be called. */
enum { DIAL_UNDER_WAY = 1 };
int dial_at_once(uv_write_t *request, uv_tcp_t *tcp,
                 const union address *address, uv_write_cb on_connect,
                 int *out_status, struct err *err);

/* Let `udp`, fresh from uv_udp_init(), speak with this address and hear no
 * other, from a port that the kernel chooses. -1 when refused. */
int dial_datagrams(uv_udp_t *udp, const union address *address,
                   struct err *err);

#endif
