/* SPDX-License-Identifier: MIT
 *
 * string.gsub and string.find of a script, for what scripts mostly do with
 * them: look for a plain text in a long body. Lua's own try the pattern at
 * each byte anew; these use memmem(3) where the pattern is a plain text (or
 * begins with one that is not there), and leave everything else to Lua's. What
 * comes out is the same. */
#ifndef PROXY_SCRIPT_TEXT_H
#define PROXY_SCRIPT_TEXT_H

#include <lua.h>

/* Behind luaopen_string(). May raise a Lua error. */
void script_text_open(lua_State *lua);

#endif
