/* SPDX-License-Identifier: MIT
 *
 * Each of the two does what it can and calls Lua's own for the rest. A mistake
 * that this one finds is reported where the script made it, as if nobody stood
 * between. */
#include "proxy/script_text.h"

#include <ctype.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

enum { PLAIN_MOST = 256 }; /* longer texts are Lua's business */

/* The plain text with which every match of a pattern begins. */
struct plain {
    char text[PLAIN_MOST];
    size_t len;
    bool whole; /* and it is all of the pattern */
};

/* Lua 5.4 manual, 6.4.1. What has a meaning only in some places is taken to
 * have it everywhere: then Lua's own function decides. */
static bool has_meaning(char c)
{
    return memchr("^$*+?.([%-)", c, 11) != NULL;
}

static bool repeats(char c)
{
    return c == '*' || c == '+' || c == '?' || c == '-';
}

static void read_plain(const char *pattern, size_t len, struct plain *out)
{
    size_t at = 0;
    out->len = 0;
    out->whole = false;
    while (at < len) {
        size_t next = at + 1;
        char c = pattern[at];
        if (c == '%' && next < len && !isalnum((unsigned char)pattern[next]))
            c = pattern[next++];
        else if (has_meaning(c))
            return;
        if ((next < len && repeats(pattern[next])) || out->len == PLAIN_MOST)
            return;
        out->text[out->len++] = c;
        at = next;
    }
    out->whole = true;
}

struct search {
    const char *subject;
    size_t len;
    struct plain plain;
    const char *first; /* NULL: not there */
};

/* Arguments 1 and 2. False: not for us. */
static bool begin(lua_State *lua, struct search *search)
{
    size_t pattern_len;
    if (lua_type(lua, 1) != LUA_TSTRING || lua_type(lua, 2) != LUA_TSTRING)
        return false;
    const char *pattern = lua_tolstring(lua, 2, &pattern_len);
    search->subject = lua_tolstring(lua, 1, &search->len);
    read_plain(pattern, pattern_len, &search->plain);
    if (!search->plain.len)
        return false;
    search->first = memmem(search->subject, search->len, search->plain.text,
                           search->plain.len);
    return search->plain.whole || !search->first;
}

/* ---- Lua's own ----------------------------------------------------------- */

/* Levels, from here: Lua's own function, ours, the script. What another
 * function says, one that Lua's own called, is left as it is. */
static int on_error(lua_State *lua)
{
    lua_Debug where;
    bool own = lua_getstack(lua, 1, &where) && lua_getinfo(lua, "f", &where) &&
               lua_rawequal(lua, -1, lua_upvalueindex(1));
    lua_settop(lua, 1);
    if (!own || lua_type(lua, 1) != LUA_TSTRING)
        return 1;
    luaL_where(lua, 3);
    lua_insert(lua, 1);
    lua_concat(lua, 2);
    return 1;
}

/* With the arguments that are on the stack. Upvalue 1 is Lua's own. */
static int ask_own(lua_State *lua)
{
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushcclosure(lua, on_error, 1);
    lua_insert(lua, 1);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 2);
    if (lua_pcall(lua, lua_gettop(lua) - 2, LUA_MULTRET, 1) != LUA_OK)
        return lua_error(lua);
    return lua_gettop(lua) - 1;
}

/* ---- ours ---------------------------------------------------------------- */

/* find(s, pattern) */
static int quick_find(lua_State *lua)
{
    struct search search;
    if (!lua_isnoneornil(lua, 3) || !begin(lua, &search))
        return ask_own(lua);
    if (!search.first) {
        luaL_pushfail(lua);
        return 1;
    }
    lua_Integer at = search.first - search.subject;
    lua_pushinteger(lua, at + 1);
    lua_pushinteger(lua, at + (lua_Integer)search.plain.len);
    return 2;
}

static const char *next_match(const struct search *search, const char *from)
{
    return memmem(from, search->len - (size_t)(from - search->subject),
                  search->plain.text, search->plain.len);
}

static char *put(char *to, const char *bytes, size_t len)
{
    if (len)
        memcpy(to, bytes, len);
    return to + len;
}

/* The length is known before the first byte is copied. */
static void push_replaced(lua_State *lua, const struct search *search,
                          lua_Integer count, const char *with, size_t with_len)
{
    luaL_Buffer buffer;
    size_t gone = (size_t)count * search->plain.len;
    size_t len = search->len - gone + (size_t)count * with_len;
    char *text = luaL_buffinitsize(lua, &buffer, len), *to = text;
    const char *from = search->subject;
    for (const char *it = search->first; count > 0; count--) {
        to = put(to, from, (size_t)(it - from));
        to = put(to, with, with_len);
        from = it + search->plain.len;
        if (count > 1)
            it = next_match(search, from);
    }
    put(to, from, search->len - (size_t)(from - search->subject));
    luaL_pushresultsize(&buffer, len);
}

/* gsub(s, pattern, text); `%` in the text means something to Lua. */
static int quick_gsub(lua_State *lua)
{
    struct search search;
    size_t with_len;
    lua_Integer count = 0;
    if (!lua_isnoneornil(lua, 4) || lua_type(lua, 3) != LUA_TSTRING ||
        !begin(lua, &search))
        return ask_own(lua);
    const char *with = lua_tolstring(lua, 3, &with_len);
    if (search.first && with_len && memchr(with, '%', with_len))
        return ask_own(lua);
    for (const char *it = search.first; it;
         it = next_match(&search, it + search.plain.len))
        count++;
    if (count && with_len > (size_t)LUA_MAXINTEGER / (size_t)count / 2)
        return ask_own(lua);
    if (count)
        push_replaced(lua, &search, count, with, with_len);
    else
        lua_pushvalue(lua, 1);
    lua_pushinteger(lua, count);
    return 2;
}

/* `string` is on top. */
static void quicken(lua_State *lua, const char *name, lua_CFunction quick)
{
    lua_getfield(lua, -1, name);
    /* Where Lua looks for the name of a function that it was not told. */
    luaL_getsubtable(lua, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(lua, -2);
    lua_setfield(lua, -2, name);
    lua_pop(lua, 1);
    lua_pushcclosure(lua, quick, 1);
    lua_setfield(lua, -2, name);
}

void script_text_open(lua_State *lua)
{
    lua_getglobal(lua, LUA_STRLIBNAME);
    quicken(lua, "gsub", quick_gsub);
    quicken(lua, "find", quick_find);
    lua_pop(lua, 1);
}
