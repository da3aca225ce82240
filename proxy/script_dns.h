/* SPDX-License-Identifier: MIT
 *
 * A question of DNS as a script sees it: what it may read of it and of its
 * answer, and an answer of its own. Used by script_flow.c and script.c. */
#ifndef PROXY_SCRIPT_DNS_H
#define PROXY_SCRIPT_DNS_H

#include "proxy/hook.h"

#include <lua.h>

/* Zero it but for the talk. */
struct script_dns {
    struct dns_talk *talk;
    struct buf said; /* the script's answer; empty: it made none */
};

/* Each pushes one value. */
int script_dns_push_name(lua_State *lua, struct script_dns *dns);
int script_dns_push_type(lua_State *lua, struct script_dns *dns);
int script_dns_push_answers(lua_State *lua, struct script_dns *dns);
int script_dns_push_rcode(lua_State *lua, struct script_dns *dns);
int script_dns_push_ttl(lua_State *lua, struct script_dns *dns);

/* The new value is at index 3. What cannot be said is an error of Lua. */
void script_dns_set_answers(lua_State *lua, struct script_dns *dns);
void script_dns_set_rcode(lua_State *lua, struct script_dns *dns);
void script_dns_set_ttl(lua_State *lua, struct script_dns *dns);

/* The call has gone well: the answer is what the script made of it. */
enum hook_act script_dns_apply(struct script_dns *dns);
void script_dns_close(struct script_dns *dns);

#endif
