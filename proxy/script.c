/* SPDX-License-Identifier: MIT */
#include "proxy/script.h"
#include "proxy/script_dns.h"
#include "proxy/script_flow.h"

#include "proxy/script_text.h"

#include <ctype.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

enum {
    MEMORY_MOST = 8 * 1024 * 1024,        /* and four times the largest body */
    INSTRUCTIONS_MOST = 10 * 1000 * 1000, /* of one call */
    INSTRUCTIONS_STEP = 10 * 1000,
    FILE_MOST = 1024 * 1024,
};

/* One thread's Lua state. */
struct machine {
    struct machine *next;
    struct script *script;
    lua_State *lua;
    size_t memory;
    unsigned instructions;
    struct script_handles handles;
};

struct script {
    struct hook hook;
    char *chunk;      /* '=' and the name: Lua shows it as it is then */
    const char *name; /* the file's, without its folders */
    char *text;
    size_t text_len, memory_most;
    uv_key_t mine;
    uv_mutex_t lock;
    struct machine *machines;
};

/* ---- limits -------------------------------------------------------------- */

static void *on_memory(void *context, void *old, size_t old_size, size_t size)
{
    struct machine *machine = context;
    size_t had = old ? old_size : 0;
    if (!size) {
        machine->memory -= had;
        free(old);
        return NULL;
    }
    if (size > had &&
        machine->memory + (size - had) > machine->script->memory_most)
        return NULL;
    void *block = realloc(old, size);
    if (block)
        machine->memory = machine->memory - had + size;
    return block;
}

/* Past the limit every single instruction fails, so that a loop around pcall()
 * fails too. */
static void on_count(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    void *context;
    lua_getallocf(lua, &context);
    struct machine *machine = context;
    machine->instructions += INSTRUCTIONS_STEP;
    if (machine->instructions < INSTRUCTIONS_MOST)
        return;
    lua_sethook(lua, on_count, LUA_MASKCOUNT, 1);
    luaL_error(lua, "takes more than %d million instructions",
               INSTRUCTIONS_MOST / 1000000);
}

static void wind_up(struct machine *machine)
{
    machine->instructions = 0;
    lua_sethook(machine->lua, on_count, LUA_MASKCOUNT, INSTRUCTIONS_STEP);
}

/* To stderr, with nothing that a terminal would obey. */
static void say(const char *text, size_t len)
{
    for (size_t at = 0; at < len; at++) {
        unsigned char byte = (unsigned char)text[at];
        fprintf(stderr, byte >= ' ' && byte < 0x7f ? "%c" : "\\x%02x", byte);
    }
}

static int on_print(lua_State *lua)
{
    for (int i = 1; i <= lua_gettop(lua); i++) {
        size_t len;
        const char *text = luaL_tolstring(lua, i, &len);
        fputs(i > 1 ? "\t" : "script: ", stderr);
        say(text, len);
        lua_pop(lua, 1);
    }
    fputc('\n', stderr);
    return 0;
}

/* Finalizers run without the count hook, so there are none. */
static int on_setmetatable(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_argexpected(lua, lua_isnoneornil(lua, 2) || lua_istable(lua, 2), 2,
                     "nil or table");
    if (luaL_getmetafield(lua, 1, "__metatable") != LUA_TNIL)
        return luaL_error(lua, "cannot change a protected metatable");
    if (lua_istable(lua, 2)) {
        lua_pushliteral(lua, "__gc");
        if (lua_rawget(lua, 2) != LUA_TNIL)
            return luaL_error(lua, "a script has no finalizers (__gc)");
    }
    lua_settop(lua, 2);
    lua_setmetatable(lua, 1);
    return 1;
}

/* ---- the closed environment ---------------------------------------------- */

static int open_environment(lua_State *lua)
{
    struct machine *machine = lua_touserdata(lua, 1);
    static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                         {LUA_STRLIBNAME, luaopen_string},
                                         {LUA_TABLIBNAME, luaopen_table},
                                         {LUA_MATHLIBNAME, luaopen_math},
                                         {LUA_UTF8LIBNAME, luaopen_utf8}};
    static const char *const doors[] = {"dofile", "load", "loadfile",
                                        "collectgarbage"};
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        luaL_requiref(lua, libraries[i].name, libraries[i].func, 1);
        lua_pop(lua, 1);
    }
    for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
        lua_pushnil(lua);
        lua_setglobal(lua, doors[i]);
    }
    lua_getglobal(lua, LUA_STRLIBNAME);
    lua_pushnil(lua);
    lua_setfield(lua, -2, "dump");
    lua_pop(lua, 1);
    script_text_open(lua);
    lua_register(lua, "print", on_print);
    lua_register(lua, "setmetatable", on_setmetatable);
    script_flow_open(lua, &machine->handles);
    return 0;
}

static const char *why(lua_State *lua)
{
    const char *text = lua_tostring(lua, -1);
    return text ? text : "an error that is no text";
}

/* The state of this thread, with the script run in it once. */
static struct machine *machine_new(struct script *script, struct err *err)
{
    struct machine *machine = calloc(1, sizeof *machine);
    if (!machine) {
        err_set(err, "%s: out of memory", script->name);
        return NULL;
    }
    machine->script = script;
    machine->lua = lua_newstate(on_memory, machine);
    lua_State *lua = machine->lua;
    if (lua) {
        wind_up(machine);
        lua_pushcfunction(lua, open_environment);
        lua_pushlightuserdata(lua, machine);
    }
    if (!lua || lua_pcall(lua, 1, 0, 0) != LUA_OK ||
        luaL_loadbufferx(lua, script->text, script->text_len, script->chunk,
                         "t") != LUA_OK ||
        lua_pcall(lua, 0, 0, 0) != LUA_OK) {
        err_code(err, EXIT_LAB_INVALID, "%s",
                 lua ? why(lua) : "Lua: out of memory");
        if (lua)
            lua_close(lua);
        free(machine);
        return NULL;
    }
    uv_mutex_lock(&script->lock);
    machine->next = script->machines;
    script->machines = machine;
    uv_mutex_unlock(&script->lock);
    uv_key_set(&script->mine, machine);
    return machine;
}

/* ---- the hook ------------------------------------------------------------ */

static void report(const struct script *script, const struct flow *flow,
                   enum event_leg leg, const char *sentence)
{
    struct event_where where = flow_where(flow, leg);
    /* A script may say with error() what it was shown. */
    fputs("mitmlab: script: ", stderr);
    say(sentence, strlen(sentence));
    fputc('\n', stderr);
    event("script.error", &where, "\"script\":%s,\"sentence\":%s",
          event_text(script->name, strlen(script->name), 256),
          event_text(sentence, strlen(sentence), 1024));
}

/* Called by lua_pcall() with the function's name. */
static int protected_call(lua_State *lua)
{
    const char *function = lua_touserdata(lua, 1);
    lua_getglobal(lua, function);
    script_flow_push(lua);
    lua_call(lua, 1, 0);
    return 0;
}

static int call(struct machine *machine, const char *function,
                struct script_view *view)
{
    lua_State *lua = machine->lua;
    wind_up(machine);
    script_flow_show(&machine->handles, view);
    lua_pushcfunction(lua, protected_call);
    lua_pushlightuserdata(lua, (void *)function);
    int rc = lua_pcall(lua, 1, 0, 0);
    script_flow_show(&machine->handles, NULL);
    return rc;
}

/* `leg` is where it came in. */
static enum hook_act run(struct script *script, const char *function,
                         struct script_view *view, enum event_leg leg)
{
    struct err err = ERR_INIT;
    struct machine *machine = uv_key_get(&script->mine);
    if (!machine)
        machine = machine_new(script, &err);
    if (!machine) {
        report(script, view->flow, leg, err.text);
        return HOOK_PASS;
    }
    enum hook_act act = HOOK_PASS;
    if (call(machine, function, view) == LUA_OK) {
        act = script_flow_apply(view);
    } else {
        script_flow_undo(view);
        report(script, view->flow, leg, why(machine->lua));
        lua_settop(machine->lua, 0);
        /* The next call shall not pay for what this one has left. */
        lua_gc(machine->lua, LUA_GCCOLLECT);
    }
    lua_settop(machine->lua, 0);
    return act;
}

static enum hook_act on_request(void *config, struct flow *flow,
                                struct message *request)
{
    struct script_view view = {.flow = flow, .message = request};
    return run(config, "on_request", &view, LEG_VICTIM);
}

static enum hook_act on_response(void *config, struct flow *flow,
                                 struct message *response)
{
    struct script_view view = {.flow = flow, .message = response};
    return run(config, "on_response", &view, LEG_SERVER);
}

static enum hook_act on_message(void *config, struct flow *flow,
                                struct socket_message *message)
{
    struct script_view view = {.flow = flow, .socket = message};
    return run(config, "on_message", &view,
               message->to == LEG_SERVER ? LEG_VICTIM : LEG_SERVER);
}

static enum hook_act on_dns(void *config, struct flow *flow,
                            struct dns_talk *talk)
{
    bool asked = !buf_len(talk->answer);
    struct script_dns dns = {.talk = talk};
    struct script_view view = {.flow = flow, .dns = &dns};
    enum hook_act act =
        run(config, "on_dns", &view, asked ? LEG_VICTIM : LEG_SERVER);
    script_dns_close(&dns);
    return act;
}

/* ---- loading ------------------------------------------------------------- */

static int read_file(struct script *script, const char *path, struct err *err)
{
    FILE *file = fopen(path, "re");
    int rc = -1;
    if (!file) {
        err_errno(err, "open the script %s", path);
        return -1;
    }
    script->text = malloc(FILE_MOST);
    if (script->text)
        script->text_len = fread(script->text, 1, FILE_MOST, file);
    if (!script->text || ferror(file))
        err_errno(err, "read the script %s", path);
    else if (script->text_len == FILE_MOST)
        err_set(err, "the script %s is larger than a megabyte", path);
    else
        rc = 0;
    fclose(file);
    return rc;
}

static bool defines(struct machine *machine, const char *function)
{
    bool found = lua_getglobal(machine->lua, function) == LUA_TFUNCTION;
    lua_settop(machine->lua, 0);
    return found;
}

static int fill_hook(struct script *script, struct machine *machine,
                     struct err *err)
{
    struct hook *hook = &script->hook;
    hook->name = "script";
    hook->config = script;
    hook->wants = HOOK_WANTS_VICTIM;
    if (defines(machine, "on_request")) {
        hook->on_request = on_request;
        hook->wants |= HOOK_WANTS_REQUEST_BODY | HOOK_ANSWERS;
    }
    if (defines(machine, "on_response")) {
        hook->on_response = on_response;
        hook->wants |= HOOK_WANTS_RESPONSE_BODY;
    }
    if (defines(machine, "on_message"))
        hook->on_message = on_message;
    if (defines(machine, "on_dns"))
        hook->on_dns = on_dns;
    if (hook->on_request || hook->on_response || hook->on_message ||
        hook->on_dns)
        return 0;
    err_code(err, EXIT_LAB_INVALID,
             "%s defines no on_request, on_response, on_message or on_dns",
             script->name);
    return -1;
}

int script_load(const char *path, size_t body_most, struct script **out,
                struct err *err)
{
    const char *slash = strrchr(path, '/');
    struct script *script = calloc(1, sizeof *script);
    if (!script || uv_key_create(&script->mine)) {
        free(script);
        err_set(err, "load the script %s: out of memory", path);
        return -1;
    }
    uv_mutex_init(&script->lock);
    script->memory_most = MEMORY_MOST + 4 * body_most;
    struct machine *machine = NULL;
    if (asprintf(&script->chunk, "=%s", slash ? slash + 1 : path) < 0)
        script->chunk = NULL;
    script->name = script->chunk ? script->chunk + 1 : "script";
    if (!script->chunk)
        err_set(err, "load the script %s: out of memory", path);
    else if (!read_file(script, path, err))
        machine = machine_new(script, err);
    if (machine && !fill_hook(script, machine, err)) {
        *out = script;
        return 0;
    }
    script_free(script);
    return -1;
}

struct hook *script_hook(struct script *script)
{
    return &script->hook;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    while (script->machines) {
        struct machine *machine = script->machines;
        script->machines = machine->next;
        lua_close(machine->lua);
        free(machine);
    }
    uv_key_delete(&script->mine);
    uv_mutex_destroy(&script->lock);
    free(script->chunk);
    free(script->text);
    free(script);
}
