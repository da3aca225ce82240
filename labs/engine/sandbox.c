/* SPDX-License-Identifier: MIT
 *
 * The closed environment and its caps. */
#include "labs/engine/sandbox.h"

#include "certs/nearest.h"
#include "labs/engine/canary.h"
#include "labs/engine/jail.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMORY_MOST = 8 << 20,
    HOOK_EVERY = 1000, /* instructions */
    HOOKS_MOST = 10000,
    DEPTH_MOST = 16,
    ENTRIES_MOST = 20000,
};

struct sandbox {
    lua_State *lua;
    size_t memory;
    unsigned hooks;
};

/* ---- caps ---------------------------------------------------------------- */

static void *allocate(void *user, void *old, size_t old_size, size_t size)
{
    struct sandbox *sandbox = user;
    if (!old)
        old_size = 0;
    if (!size) {
        free(old);
        sandbox->memory -= old_size;
        return NULL;
    }
    if (size > old_size && sandbox->memory + size - old_size > MEMORY_MOST)
        return NULL;
    void *new = realloc(old, size);
    if (new)
        sandbox->memory += size - old_size;
    return new;
}

static struct sandbox *sandbox_of(lua_State *lua)
{
    void *user;
    lua_getallocf(lua, &user);
    return user;
}

static void on_hook(lua_State *lua, lua_Debug *at)
{
    struct sandbox *sandbox = sandbox_of(lua);
    lua_getinfo(lua, "l", at);
    jail_at_line(at->currentline);
    if (at->event != LUA_HOOKCOUNT || ++sandbox->hooks <= HOOKS_MOST)
        return;
    /* Not luaL_error(): a hook has no frame, so it would name another line. */
    lua_pushfstring(lua, "lab.lua:%d: it computes too long", at->currentline);
    lua_error(lua);
}

/* ---- what is in scope ---------------------------------------------------- */

/* lab { ... }: marks the table as the lab, and returns it. */
static int mark_lab(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    lua_pushvalue(lua, 1);
    lua_setfield(lua, LUA_REGISTRYINDEX, "lab");
    return 1;
}

/* string.rep with an end: the only function that makes much from little. */
static int repeat(lua_State *lua)
{
    size_t len;
    const char *text = luaL_checklstring(lua, 1, &len);
    lua_Integer times = luaL_checkinteger(lua, 2);
    luaL_argcheck(lua, times <= 0 || len * (size_t)times <= 65536, 2,
                  "the result is too long");
    luaL_Buffer out;
    luaL_buffinit(lua, &out);
    for (; times > 0; times--)
        luaL_addlstring(&out, text, len);
    luaL_pushresult(&out);
    return 1;
}

/* __index of canary, address and file: nothing else is in them. */
static int no_such_name(lua_State *lua)
{
    const char *what = lua_tostring(lua, lua_upvalueindex(1));
    const char *key = luaL_tolstring(lua, 2, NULL);
    const char *names[64];
    unsigned count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, 1)) {
        if (count < 63 && lua_type(lua, -2) == LUA_TSTRING)
            names[count++] = lua_tostring(lua, -2);
        lua_pop(lua, 1);
    }
    names[count] = NULL;
    const char *near = nearest(key, names);
    if (near)
        return luaL_error(lua, "no %s.%s (did you mean %s.%s?)", what, key,
                          what, near);
    return luaL_error(lua, "no %s.%s", what, key);
}

/* Make the table on top complain about keys that it does not have. */
static void close_table(lua_State *lua, const char *what)
{
    lua_createtable(lua, 0, 1);
    lua_pushstring(lua, what);
    lua_pushcclosure(lua, no_such_name, 1);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
}

static void push_canaries(lua_State *lua, uint64_t seed)
{
    lua_newtable(lua);
    const struct canary *canary;
    for (unsigned i = 0; (canary = canary_at(i)); i++) {
        char text[CANARY_TEXT];
        canary_draw(seed, canary, text);
        if (canary_is_number(canary))
            lua_pushinteger(lua, atoll(text));
        else
            lua_pushstring(lua, text);
        lua_setfield(lua, -2, canary->name);
    }
    close_table(lua, "canary");
}

/* Before the places stand, every place has the same address. */
static int any_address(lua_State *lua)
{
    lua_pushstring(lua, "192.0.2.1");
    return 1;
}

static void push_addresses(lua_State *lua, const struct net_plan *plan)
{
    lua_newtable(lua);
    for (unsigned i = 0; plan && i < plan->places_count; i++) {
        lua_pushstring(lua, plan->places[i].ip4);
        lua_setfield(lua, -2, plan->places[i].name);
    }
    if (plan) {
        close_table(lua, "address");
        return;
    }
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, any_address);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
}

static void push_files(lua_State *lua, const char *dir)
{
    static const char *const files[][2] = {
        {"trust", "trust.pem"},
        {"rogue_ca", "rogue-ca.crt"},
        {"lab_ca", "lab-ca.crt"},
    };
    lua_newtable(lua);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        lua_pushfstring(lua, "%s/%s", dir ? dir : "/run/lab", files[i][1]);
        lua_setfield(lua, -2, files[i][0]);
    }
    close_table(lua, "file");
}

/* Copy the named functions of a library into a new table on top. */
static void push_part(lua_State *lua, lua_CFunction library,
                      const char *const *names)
{
    library(lua);
    lua_newtable(lua);
    for (; *names; names++) {
        lua_getfield(lua, -2, *names);
        lua_setfield(lua, -2, *names);
    }
    lua_remove(lua, -2);
}

static void push_string(lua_State *lua)
{
    static const char *const names[] = {
        "byte",  "char",  "find",    "format", "gmatch", "gsub", "len",
        "lower", "match", "reverse", "sub",    "upper",  NULL};
    push_part(lua, luaopen_string, names);
    lua_pushcfunction(lua, repeat);
    lua_setfield(lua, -2, "rep");
    /* ("x"):rep() must find the same functions, and no others. */
    lua_pushliteral(lua, "");
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}

static void push_environment(lua_State *lua, const struct sandbox_world *world)
{
    static const char *const base[] = {
        "tostring", "tonumber", "ipairs", "pairs", "type", "select", NULL};
    static const char *const table[] = {"concat", "insert", "remove",
                                        "sort",   "unpack", NULL};
    static const char *const math[] = {"abs",  "ceil",      "floor", "fmod",
                                       "max",  "min",       "huge",  "pi",
                                       "type", "tointeger", NULL};
    push_part(lua, luaopen_base, base);
    push_string(lua);
    lua_setfield(lua, -2, "string");
    push_part(lua, luaopen_table, table);
    lua_setfield(lua, -2, "table");
    push_part(lua, luaopen_math, math);
    lua_setfield(lua, -2, "math");
    lua_pushcfunction(lua, mark_lab);
    lua_setfield(lua, -2, "lab");
    push_canaries(lua, world->seed);
    lua_setfield(lua, -2, "canary");
    push_addresses(lua, world->plan);
    lua_setfield(lua, -2, "address");
    push_files(lua, world->dir);
    lua_setfield(lua, -2, "file");
}

/* ---- life ---------------------------------------------------------------- */

struct chunk {
    const char *source;
    size_t len;
    const struct sandbox_world *world;
};

/* Protected: whatever fails in here becomes a message. Leaves the lab. */
static int run_chunk(lua_State *lua)
{
    const struct chunk *chunk = lua_touserdata(lua, 1);
    if (luaL_loadbufferx(lua, chunk->source, chunk->len, "@lab.lua", "t"))
        return lua_error(lua);
    push_environment(lua, chunk->world);
    if (!lua_setupvalue(lua, -2, 1)) /* a chunk's first upvalue is _ENV */
        lua_pop(lua, 1);
    lua_call(lua, 0, 1);
    lua_getfield(lua, LUA_REGISTRYINDEX, "lab");
    if (!lua_istable(lua, -1) || !lua_rawequal(lua, -1, -2))
        return luaL_error(lua, "lab.lua:1: the file must return lab { ... }");
    return 1;
}

static int failed(struct sandbox *sandbox, struct err *err)
{
    const char *text = lua_tostring(sandbox->lua, -1);
    bool placed = text && !strncmp(text, "lab.lua:", 8);
    err_code(err, EXIT_LAB_INVALID, "%s%s", placed ? "" : "lab.lua:1: ",
             text ? text : "an error without words");
    lua_pop(sandbox->lua, 1);
    return -1;
}

int sandbox_open(const char *source, size_t len,
                 const struct sandbox_world *world, struct sandbox **out,
                 struct err *err)
{
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    sandbox->lua = lua_newstate(allocate, sandbox);
    if (!sandbox->lua) {
        free(sandbox);
        err_set(err, "no memory for Lua");
        return -1;
    }
    struct chunk chunk = {source, len, world};
    lua_sethook(sandbox->lua, on_hook, LUA_MASKCOUNT | LUA_MASKLINE,
                HOOK_EVERY);
    lua_pushcfunction(sandbox->lua, run_chunk);
    lua_pushlightuserdata(sandbox->lua, &chunk);
    if (lua_pcall(sandbox->lua, 1, 1, 0)) {
        failed(sandbox, err);
        sandbox_free(sandbox);
        return -1;
    }
    *out = sandbox;
    return 0;
}

void sandbox_free(struct sandbox *sandbox)
{
    if (!sandbox)
        return;
    lua_close(sandbox->lua);
    free(sandbox);
}

lua_State *sandbox_lua(struct sandbox *sandbox)
{
    return sandbox->lua;
}

int sandbox_call(struct sandbox *sandbox, int arguments, struct err *err)
{
    sandbox->hooks = 0;
    if (lua_pcall(sandbox->lua, arguments, 1, 0))
        return failed(sandbox, err);
    return 0;
}

/* ---- Lua to JSON --------------------------------------------------------- */

struct walk {
    lua_State *lua;
    unsigned depth, entries;
    struct err *err;
};

static json_t *convert(struct walk *walk, int index);

static json_t *refuse(struct walk *walk, const char *why)
{
    err_code(walk->err, EXIT_LAB_INVALID, "lab.lua:1: %s", why);
    return NULL;
}

static json_t *convert_number(struct walk *walk, int index)
{
    if (lua_isinteger(walk->lua, index))
        return json_integer(lua_tointeger(walk->lua, index));
    json_t *value = json_real(lua_tonumber(walk->lua, index));
    return value ? value : refuse(walk, "a number is not a number");
}

static json_t *convert_text(struct walk *walk, int index)
{
    size_t len;
    const char *text = lua_tolstring(walk->lua, index, &len);
    json_t *value = json_stringn(text, len);
    return value ? value : refuse(walk, "a text is not UTF-8");
}

/* The key at index -2 as text, in `key`. */
static int key_text(struct walk *walk, char key[64])
{
    lua_State *lua = walk->lua;
    if (lua_isinteger(lua, -2)) {
        snprintf(key, 64, "%lld", (long long)lua_tointeger(lua, -2));
        return 0;
    }
    size_t len = 0;
    const char *text =
        lua_type(lua, -2) == LUA_TSTRING ? lua_tolstring(lua, -2, &len) : NULL;
    if (!text || len >= 64 || strlen(text) != len)
        return -1;
    memcpy(key, text, len + 1);
    return 0;
}

static json_t *convert_entries(struct walk *walk, int index)
{
    lua_State *lua = walk->lua;
    json_t *object = json_object();
    lua_pushnil(lua);
    while (lua_next(lua, index)) {
        char key[64];
        json_t *value = NULL;
        if (++walk->entries > ENTRIES_MOST)
            refuse(walk, "there are too many entries");
        else if (key_text(walk, key))
            refuse(walk, "a key is neither a short text nor a position");
        else
            value = convert(walk, lua_gettop(lua));
        lua_pop(lua, 1);
        /* json_object_set_new() fails on keys that are not UTF-8. */
        if (!value || json_object_set_new(object, key, value)) {
            if (value)
                refuse(walk, "a key is not UTF-8");
            lua_pop(lua, 1);
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* { "1": a, "2": b } is a list. */
static json_t *as_list(json_t *object)
{
    size_t count = json_object_size(object);
    json_t *list = json_array();
    for (size_t i = 1; i <= count; i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        json_t *value = json_object_get(object, key);
        if (!value) {
            json_decref(list);
            return object;
        }
        json_array_append(list, value);
    }
    json_decref(object);
    return list;
}

static json_t *convert_table(struct walk *walk, int index)
{
    if (walk->depth == DEPTH_MOST || !lua_checkstack(walk->lua, 8))
        return refuse(walk, "tables are nested too deep");
    walk->depth++;
    json_t *object = convert_entries(walk, index);
    walk->depth--;
    return object ? as_list(object) : NULL;
}

static json_t *convert(struct walk *walk, int index)
{
    switch (lua_type(walk->lua, index)) {
    case LUA_TNIL:
        return json_null();
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(walk->lua, index));
    case LUA_TNUMBER:
        return convert_number(walk, index);
    case LUA_TSTRING:
        return convert_text(walk, index);
    case LUA_TTABLE:
        return convert_table(walk, index);
    case LUA_TFUNCTION:
        return json_pack("{s:b}", "$function", 1);
    default:
        return refuse(walk, "a value has a type that a lab cannot hold");
    }
}

json_t *sandbox_to_json(lua_State *lua, int index, struct err *err)
{
    struct walk walk = {.lua = lua, .err = err};
    return convert(&walk, lua_absindex(lua, index));
}

/* ---- JSON to Lua --------------------------------------------------------- */

static void push_object(lua_State *lua, const json_t *value)
{
    const char *key;
    json_t *item;
    lua_newtable(lua);
    json_object_foreach((json_t *)value, key, item)
    {
        sandbox_push_json(lua, item);
        lua_setfield(lua, -2, key);
    }
}

static void push_array(lua_State *lua, const json_t *value)
{
    size_t i;
    json_t *item;
    lua_newtable(lua);
    json_array_foreach(value, i, item)
    {
        sandbox_push_json(lua, item);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
}

void sandbox_push_json(lua_State *lua, const json_t *value)
{
    luaL_checkstack(lua, 8, "nested too deep");
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        push_object(lua, value);
        return;
    case JSON_ARRAY:
        push_array(lua, value);
        return;
    case JSON_STRING:
        lua_pushlstring(lua, json_string_value(value),
                        json_string_length(value));
        return;
    case JSON_INTEGER:
        lua_pushinteger(lua, json_integer_value(value));
        return;
    case JSON_REAL:
        lua_pushnumber(lua, json_real_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(lua, json_is_true(value));
        return;
    case JSON_NULL:
        lua_pushnil(lua);
        return;
    }
}
