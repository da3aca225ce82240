/* SPDX-License-Identifier: MIT */
#include "proxy/forward.h"

#include <string.h>

/* Behind scheme and authority; OPTIONS of no path at all asks about the server
 * as a whole (RFC 9112 3.2.4). */
static const char *path_of(const struct message *request)
{
    const char *authority = strstr(request->target, "://") + 3;
    const char *path = authority + strcspn(authority, "/?");
    if (*path == '/')
        return path;
    if (!*path)
        return strcmp(request->method, "OPTIONS") ? "/" : "*";
    size_t len = strlen(path);
    char *whole = arena_alloc(request->arena, len + 2);
    if (!whole)
        return NULL;
    whole[0] = '/';
    memcpy(whole + 1, path, len + 1);
    return whole;
}

int forward_request(struct message *request)
{
    request->target = path_of(request);
    message_remove_field(request, "Proxy-Connection");
    message_remove_field(request, "Proxy-Authorization");
    return !request->target || !request->host ||
                   message_set_field(request, "Host", request->host)
               ? -1
               : 0;
}
