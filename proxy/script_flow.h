/* SPDX-License-Identifier: MIT
 *
 * What a script sees as `flow`: the members of script_members.def, on what a
 * hook was shown: a message of HTTP or of a WebSocket, a question of DNS. Used
 * by script.c only. */
#ifndef PROXY_SCRIPT_FLOW_H
#define PROXY_SCRIPT_FLOW_H

#include "proxy/hook.h"

#include <lua.h>

/* One message, during one call. Zero it but for the flow and one of the
 * three. */
struct script_view {
    struct flow *flow;
    struct message *message;       /* of HTTP */
    struct socket_message *socket; /* or one of a WebSocket */
    struct script_dns *dns;        /* or a question of DNS */
    struct message before;         /* as it was, fields included */
    struct message_field *fields;
    bool changed;
    const char *body; /* to be set when the call has gone well */
    size_t body_len;
    bool answered, dropped, aborted;
    unsigned delay_ms;
};

struct script_dns;
struct script_handle;

/* What a Lua state knows as flow, flow.headers and flow.request_headers. */
struct script_handles {
    struct script_handle *flow, *headers, *asked;
};

/* In a new state, where an error may be raised. */
void script_flow_open(lua_State *lua, struct script_handles *handles);

/* During a call they show `view`; NULL: they lead nowhere, so one that was
 * kept does no harm. */
void script_flow_show(struct script_handles *handles, struct script_view *view);

/* Push `flow` for a call. */
void script_flow_push(lua_State *lua);

/* The call has gone well: what is to become of the message? */
enum hook_act script_flow_apply(struct script_view *view);
/* It has not: the message is as it was. */
void script_flow_undo(struct script_view *view);

#endif
