/* SPDX-License-Identifier: MIT
 *
 * The door for programs that run a loop. */
#include "proxy/base/dial_loop.h"

int dial_start(uv_connect_t *request, uv_tcp_t *tcp,
               const union address *address, uv_connect_cb on_connect,
               struct err *err)
{
    union address source;
    uv_os_fd_t fd;
    int rc = 0;
    if (dial_check(address, err) < 0)
        return -1;
    bool bound = uv_fileno((uv_handle_t *)tcp, &fd) == 0;
    if (!bound && dial_source(address, &source))
        rc = uv_tcp_bind(tcp, &source.any, 0);
    if (rc == 0)
        rc = uv_tcp_connect(request, tcp, &address->any, on_connect);
    if (rc == 0)
        return 0;
    char text[ADDRESS_TEXT];
    address_text(address, text);
    err_set(err, "connect to %s: %s", text, uv_strerror(rc));
    return -1;
}

int dial_datagrams(uv_udp_t *udp, const union address *address, struct err *err)
{
    union address source;
    int rc = 0;
    if (dial_check(address, err) < 0)
        return -1;
    if (dial_source(address, &source))
        rc = uv_udp_bind(udp, &source.any, 0);
    if (rc == 0)
        rc = uv_udp_connect(udp, &address->any);
    if (rc == 0)
        return 0;
    char text[ADDRESS_TEXT];
    address_text(address, text);
    err_set(err, "speak with %s: %s", text, uv_strerror(rc));
    return -1;
}
