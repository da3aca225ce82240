/* SPDX-License-Identifier: MIT
 *
 * Lua for lab files: text only, a closed environment, caps on memory and on
 * instructions. Call it from a jail (jail.h): these caps do not stop
 * everything.
 *
 * In scope are lab, canary, address, file, tostring, tonumber, ipairs, pairs,
 * type, select, and parts of string, table and math. There is no io, os,
 * require, load, pcall or metatable. */
#ifndef LABS_ENGINE_SANDBOX_H
#define LABS_ENGINE_SANDBOX_H

#include "certs/err.h"
#include "labs/net/net.h"

#include <jansson.h>
#include <lua.h>
#include <stdint.h>

/* What a lab file may know of the run that it is loaded for. */
struct sandbox_world {
    uint64_t seed;
    const struct net_plan *plan; /* NULL: no addresses yet */
    const char *dir;             /* net_dir() of the victim */
};

struct sandbox;

/* Run a lab file. On success the table that it returned lies on the stack of
 * sandbox_lua(). -1 with EXIT_LAB_INVALID and "lab.lua:LINE: ...". */
int sandbox_open(const char *source, size_t len,
                 const struct sandbox_world *world, struct sandbox **out,
                 struct err *err);
void sandbox_free(struct sandbox *sandbox);
lua_State *sandbox_lua(struct sandbox *sandbox);

/* The value at an index of the stack as JSON, in the form that words.h
 * describes. NULL with a sentence when it nests too deep or holds what JSON
 * cannot say. */
json_t *sandbox_to_json(lua_State *lua, int index, struct err *err);

/* Push a JSON value. Objects become tables, arrays lists. */
void sandbox_push_json(lua_State *lua, const json_t *value);

/* Call the function on top of the stack with `arguments` below it; its one
 * result replaces them. -1 with EXIT_LAB_INVALID. */
int sandbox_call(struct sandbox *sandbox, int arguments, struct err *err);

#endif
