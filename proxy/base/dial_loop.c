/* SPDX-License-Identifier: MIT
 *
 * The door for programs that run a loop. */
#include "proxy/base/dial_loop.h"

#include <errno.h>
#include <unistd.h>

static int failed(const union address *address, int code, struct err *err)
{
    char text[ADDRESS_TEXT];
    address_text(address, text);
    err_set(err, "connect to %s: %s", text, uv_strerror(code));
    return -1;
}

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
    return rc == 0 ? 0 : failed(address, rc, err);
}

/* The socket of `tcp`, which is given one if it has none. */
static int socket_of(uv_tcp_t *tcp, const union address *to, uv_os_fd_t *out)
{
    union address source;
    if (uv_fileno((uv_handle_t *)tcp, out) == 0)
        return 0;
    int rc = 0, fd = socket(to->any.sa_family,
                            SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return uv_translate_sys_error(errno);
    if (dial_source(to, &source) &&
        bind(fd, &source.any, address_len(&source)) < 0)
        rc = uv_translate_sys_error(errno);
    if (rc == 0)
        rc = uv_tcp_open(tcp, fd);
    if (rc)
        close(fd);
    *out = fd;
    return rc;
}

int dial_at_once(uv_write_t *request, uv_tcp_t *tcp,
                 const union address *address, uv_write_cb on_connect,
                 int *out_status, struct err *err)
{
    uv_os_fd_t fd;
    if (dial_check(address, err) < 0)
        return -1;
    int rc = socket_of(tcp, address, &fd);
    if (rc)
        return failed(address, rc, err);
    int error = dial_begin(fd, address);
    *out_status = error ? uv_translate_sys_error(error) : 0;
    if (error != EINPROGRESS)
        return 0;
    /* A write of nothing comes to its end when the connection stands, or
     * fails. uv_tcp_connect() would begin another. */
    uv_buf_t nothing = uv_buf_init("", 0);
    *out_status = DIAL_UNDER_WAY;
    rc = uv_write(request, (uv_stream_t *)tcp, &nothing, 1, on_connect);
    return rc ? failed(address, rc, err) : 0;
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
