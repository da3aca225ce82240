/* SPDX-License-Identifier: MIT */
#include "proxy/script_flow.h"

#include "proxy/script_dns.h"

#include <lauxlib.h>
#include <string.h>

enum { DELAY_MOST = 10 * 60 * 1000 };

/* `view` is NULL between calls. */
struct script_handle {
    struct script_view *view;
    bool asked; /* headers: those of the request, which are read only */
};

/* Names of types, and of what else is kept in the registry. */
static const char FLOW_TYPE[] = "flow type", HEADERS_TYPE[] = "headers type";
static const char FLOW[] = "flow", HEADERS[] = "headers", BODY[] = "body";
static const char ASKED[] = "request headers";

/* ---- the message, seen from Lua ------------------------------------------ */

static struct script_view *check_view(lua_State *lua, const char *type)
{
    struct script_handle *handle = luaL_checkudata(lua, 1, type);
    if (!handle->view)
        luaL_error(lua, "this flow is over; it cannot be kept");
    return handle->view;
}

/* Before the first edit. */
static void will_change(lua_State *lua, struct script_view *view)
{
    struct message *message = view->message;
    if (view->changed)
        return;
    if (!message) {
        view->changed = true;
        return;
    }
    size_t size = message->fields_count * sizeof *message->fields;
    view->fields = arena_alloc(message->arena, size);
    if (!view->fields)
        luaL_error(lua, "out of memory");
    if (size)
        memcpy(view->fields, message->fields, size);
    view->before = *message;
    view->changed = true;
}

void script_flow_undo(struct script_view *view)
{
    if (!view->changed || !view->message)
        return;
    struct buf body = view->message->body;
    memcpy(view->message->fields, view->fields,
           view->before.fields_count * sizeof *view->fields);
    struct message_field *fields = view->message->fields;
    unsigned room = view->message->fields_room;
    *view->message = view->before;
    view->message->fields = fields;
    view->message->fields_room = room;
    view->message->body = body;
}

static const char *copied(lua_State *lua, struct script_view *view,
                          const char *text, size_t len)
{
    const char *copy = arena_copy(view->message->arena, text, len);
    if (!copy)
        luaL_error(lua, "out of memory");
    return copy;
}

static int push_text(lua_State *lua, const char *text)
{
    if (text)
        lua_pushstring(lua, text);
    else
        lua_pushnil(lua);
    return 1;
}

/* As it came; NULL: a message of HTTP without one. */
static const struct buf *body_of(const struct script_view *view)
{
    if (view->socket)
        return &view->socket->body;
    return view->message->has_body ? &view->message->body : NULL;
}

static int get_body(lua_State *lua, struct script_view *view)
{
    const struct buf *body = body_of(view);
    if (view->body)
        lua_pushlstring(lua, view->body, view->body_len);
    else if (body && buf_len(body))
        lua_pushlstring(lua, (const char *)buf_head(body), buf_len(body));
    else
        lua_pushliteral(lua, "");
    return 1;
}

static int get_headers(lua_State *lua, struct script_view *view)
{
    (void)view;
    lua_getfield(lua, LUA_REGISTRYINDEX, HEADERS);
    return 1;
}

static int get_request_headers(lua_State *lua, struct script_view *view)
{
    (void)view;
    lua_getfield(lua, LUA_REGISTRYINDEX, ASKED);
    return 1;
}

static int get_status(lua_State *lua, struct script_view *view)
{
    if (view->message->kind == HTTP1_RESPONSE)
        lua_pushinteger(lua, view->message->status);
    else
        lua_pushnil(lua);
    return 1;
}

static int get_method(lua_State *lua, struct script_view *view)
{
    return push_text(lua, view->message->method);
}

static int get_target(lua_State *lua, struct script_view *view)
{
    return push_text(lua, view->message->target);
}

static int get_path(lua_State *lua, struct script_view *view)
{
    const char *target = view->message->target;
    lua_pushlstring(lua, target ? target : "",
                    target ? strcspn(target, "?") : 0);
    return 1;
}

static int get_host(lua_State *lua, struct script_view *view)
{
    return push_text(lua, view->message->host);
}

static int get_reason(lua_State *lua, struct script_view *view)
{
    return push_text(lua, view->message->reason);
}

static int get_message_kind(lua_State *lua, struct script_view *view)
{
    return push_text(lua, view->socket->text ? "text" : "binary");
}

static int get_to(lua_State *lua, struct script_view *view)
{
    return push_text(lua, view->socket->to == LEG_SERVER ? "server" : "victim");
}

static int get_tls(lua_State *lua, struct script_view *view)
{
    lua_pushboolean(lua, view->flow->tls);
    return 1;
}

static int get_server_name(lua_State *lua, struct script_view *view)
{
    return push_text(lua, view->flow->server_name);
}

static int push_address(lua_State *lua, const union address *address)
{
    char text[ADDRESS_TEXT];
    if (!address->any.sa_family) {
        lua_pushnil(lua);
        return 1;
    }
    address_text(address, text);
    return push_text(lua, text);
}

static int get_victim(lua_State *lua, struct script_view *view)
{
    return push_address(lua, &view->flow->victim);
}

static int get_server(lua_State *lua, struct script_view *view)
{
    return push_address(lua, &view->flow->server);
}

static int get_id(lua_State *lua, struct script_view *view)
{
    lua_pushinteger(lua, (lua_Integer)view->flow->id);
    return 1;
}

static int get_stream(lua_State *lua, struct script_view *view)
{
    lua_pushinteger(lua, (lua_Integer)view->flow->stream);
    return 1;
}

/* The new value is at index 3. */
static void set_method(lua_State *lua, struct script_view *view)
{
    size_t len;
    const char *text = luaL_checklstring(lua, 3, &len);
    view->message->method = copied(lua, view, text, len);
}

static void set_target(lua_State *lua, struct script_view *view)
{
    size_t len;
    const char *text = luaL_checklstring(lua, 3, &len);
    view->message->target = copied(lua, view, text, len);
}

/* The query stays. */
static void set_path(lua_State *lua, struct script_view *view)
{
    const char *path = luaL_checkstring(lua, 3);
    const char *query = view->message->target;
    query += strcspn(query, "?");
    const char *target =
        arena_printf(view->message->arena, "%s%s", path, query);
    if (!target)
        luaL_error(lua, "out of memory");
    view->message->target = target;
}

static void set_reason(lua_State *lua, struct script_view *view)
{
    size_t len;
    const char *text = luaL_checklstring(lua, 3, &len);
    view->message->reason = copied(lua, view, text, len);
}

static void set_status(lua_State *lua, struct script_view *view)
{
    int known;
    lua_Integer status = lua_tointegerx(lua, 3, &known);
    if (!known || status < 200 || status > 599)
        luaL_error(lua, "flow.status wants a number from 200 to 599");
    view->message->status = (int)status;
}

/* The text stays where it is, in the state's registry, until the end. */
static void set_body(lua_State *lua, struct script_view *view)
{
    view->body = luaL_checklstring(lua, 3, &view->body_len);
    lua_pushvalue(lua, 3);
    lua_setfield(lua, LUA_REGISTRYINDEX, BODY);
}

/* ---- what is done with it ------------------------------------------------ */

/* The third argument of answer(): fields, in no order that Lua would keep. */
static void take_fields(lua_State *lua, struct message *answer)
{
    luaL_checktype(lua, 4, LUA_TTABLE);
    for (lua_pushnil(lua); lua_next(lua, 4); lua_pop(lua, 1)) {
        bool texts = lua_type(lua, -2) == LUA_TSTRING &&
                     lua_type(lua, -1) == LUA_TSTRING;
        if (!texts || message_set_field(answer, lua_tostring(lua, -2),
                                        lua_tostring(lua, -1)))
            luaL_error(lua, "the fields of an answer are { [\"Name\"] = "
                            "\"value\" }");
    }
}

static int on_answer(lua_State *lua)
{
    size_t len = 0;
    struct script_view *view = check_view(lua, FLOW_TYPE);
    lua_Integer status = luaL_checkinteger(lua, 2);
    const char *body = luaL_optlstring(lua, 3, "", &len);
    luaL_argcheck(lua, status >= 200 && status <= 599, 2,
                  "a status is 200 to 599");
    if (view->message->kind != HTTP1_REQUEST)
        return luaL_error(lua, "only a request can be answered");
    struct message *answer = message_answer(view->message, (int)status, NULL);
    if (!answer || message_set_body(answer, body, len))
        return luaL_error(lua, "out of memory");
    answer->fields_count = 0;
    if (!lua_isnoneornil(lua, 4))
        take_fields(lua, answer);
    view->answered = true;
    return 0;
}

static int on_delay(lua_State *lua)
{
    struct script_view *view = check_view(lua, FLOW_TYPE);
    lua_Integer ms = luaL_checkinteger(lua, 2);
    luaL_argcheck(lua, ms >= 0 && ms <= DELAY_MOST, 2,
                  "a delay is 0 to 600000 milliseconds");
    view->delay_ms = (unsigned)ms;
    return 0;
}

static int on_drop(lua_State *lua)
{
    check_view(lua, FLOW_TYPE)->dropped = true;
    return 0;
}

static int on_abort(lua_State *lua)
{
    check_view(lua, FLOW_TYPE)->aborted = true;
    return 0;
}

static int get_answer(lua_State *lua, struct script_view *view)
{
    (void)view;
    lua_pushcfunction(lua, on_answer);
    return 1;
}

static int get_delay(lua_State *lua, struct script_view *view)
{
    (void)view;
    lua_pushcfunction(lua, on_delay);
    return 1;
}

static int get_drop(lua_State *lua, struct script_view *view)
{
    (void)view;
    lua_pushcfunction(lua, on_drop);
    return 1;
}

static int get_abort(lua_State *lua, struct script_view *view)
{
    (void)view;
    lua_pushcfunction(lua, on_abort);
    return 1;
}

/* ---- DNS ----------------------------------------------------------------- */

static int get_dns_name(lua_State *lua, struct script_view *view)
{
    return script_dns_push_name(lua, view->dns);
}

static int get_dns_type(lua_State *lua, struct script_view *view)
{
    return script_dns_push_type(lua, view->dns);
}

static int get_dns_answers(lua_State *lua, struct script_view *view)
{
    return script_dns_push_answers(lua, view->dns);
}

static int get_dns_rcode(lua_State *lua, struct script_view *view)
{
    return script_dns_push_rcode(lua, view->dns);
}

static int get_dns_ttl(lua_State *lua, struct script_view *view)
{
    return script_dns_push_ttl(lua, view->dns);
}

static void set_dns_answers(lua_State *lua, struct script_view *view)
{
    script_dns_set_answers(lua, view->dns);
}

static void set_dns_rcode(lua_State *lua, struct script_view *view)
{
    script_dns_set_rcode(lua, view->dns);
}

static void set_dns_ttl(lua_State *lua, struct script_view *view)
{
    script_dns_set_ttl(lua, view->dns);
}

/* ---- the table ----------------------------------------------------------- */

enum {
    KIND_REQUEST = HTTP1_REQUEST,
    KIND_RESPONSE = HTTP1_RESPONSE,
    KIND_BOTH,
    KIND_MESSAGE,
    KIND_QUESTION,
    KIND_ANY
};

#define set_NONE NULL
static const struct member {
    const char *name;
    int (*get)(lua_State *lua, struct script_view *view);
    void (*set)(lua_State *lua, struct script_view *view);
    int kind; /* of message that has it, or in which it may be assigned */
} members[] = {
#define SCRIPT_MEMBER(name, get, set, kind, sentence)                          \
    {name, get_##get, set_##set, KIND_##kind},
#include "proxy/script_members.def"
#undef SCRIPT_MEMBER
};

static const struct member *check_member(lua_State *lua)
{
    const char *name = luaL_checkstring(lua, 2);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!strcmp(members[i].name, name))
            return &members[i];
    luaL_error(lua, "a flow has no \"%s\"", name);
    return NULL;
}

/* Is there such a thing in what is shown? */
static bool has_member(const struct script_view *view,
                       const struct member *member)
{
    switch (member->kind) {
    case KIND_ANY:
        return true;
    case KIND_MESSAGE:
        return view->socket;
    case KIND_QUESTION:
        return view->dns;
    default:
        return view->message;
    }
}

static bool may_assign(const struct script_view *view,
                       const struct member *member)
{
    if (!member->set || !has_member(view, member))
        return false;
    return !view->message || member->kind == KIND_BOTH ||
           member->kind == (int)view->message->kind;
}

static int on_flow_index(lua_State *lua)
{
    struct script_view *view = check_view(lua, FLOW_TYPE);
    const struct member *member = check_member(lua);
    return has_member(view, member) ? member->get(lua, view)
                                    : push_text(lua, NULL);
}

static bool same_body(lua_State *lua, struct script_view *view)
{
    size_t len;
    const char *text = lua_tolstring(lua, 3, &len);
    const struct buf *body = body_of(view);
    size_t had = body ? buf_len(body) : 0;
    return text && !view->body && len == had &&
           (!len || !memcmp(text, buf_head(body), len));
}

/* Lua's own words for it would speak of an argument #3. */
static void want_text(lua_State *lua, const struct member *member)
{
    if (member->kind == KIND_QUESTION || member->set == set_status ||
        lua_isstring(lua, 3))
        return;
    luaL_error(lua, "flow.%s wants a text, not %s%s", member->name,
               luaL_typename(lua, 3),
               member->set == set_body && lua_isnil(lua, 3)
                   ? "; \"\" is one that is empty"
                   : "");
}

static int on_flow_newindex(lua_State *lua)
{
    struct script_view *view = check_view(lua, FLOW_TYPE);
    const struct member *member = check_member(lua);
    if (!may_assign(view, member))
        return luaL_error(lua, "flow.%s cannot be assigned here", member->name);
    want_text(lua, member);
    if (member->set == set_body && same_body(lua, view))
        return 0;
    will_change(lua, view);
    member->set(lua, view);
    return 0;
}

/* Whose fields they are; NULL: of a message that nobody knows. */
static const struct message *owner_of(lua_State *lua)
{
    const struct script_view *view = check_view(lua, HEADERS_TYPE);
    const struct script_handle *handle = lua_touserdata(lua, 1);
    return handle->asked && view->message->kind == HTTP1_RESPONSE
               ? view->message->request
               : view->message;
}

static int on_headers_index(lua_State *lua)
{
    const struct message *message = owner_of(lua);
    const char *name = luaL_checkstring(lua, 2);
    return push_text(lua, message ? message_field(message, name) : NULL);
}

static int on_headers_newindex(lua_State *lua)
{
    struct script_view *view = check_view(lua, HEADERS_TYPE);
    const struct script_handle *handle = lua_touserdata(lua, 1);
    const char *name = luaL_checkstring(lua, 2);
    if (handle->asked)
        return luaL_error(lua, "flow.request_headers can only be read");
    will_change(lua, view);
    if (lua_isnil(lua, 3)) {
        message_remove_field(view->message, name);
        return 0;
    }
    if (!lua_isstring(lua, 3))
        return luaL_error(lua,
                          "headers[\"%s\"] wants a text, or nil that removes "
                          "it, not a %s",
                          name, luaL_typename(lua, 3));
    size_t len;
    const char *value = lua_tolstring(lua, 3, &len);
    if (strlen(value) != len || message_set_field(view->message, name, value))
        return luaL_error(lua,
                          "\"%s\" is no name, or its value no value, of "
                          "a header field",
                          name);
    return 0;
}

/* next(headers, name) would lose its place among fields of the same name, so
 * the place is an upvalue. */
static int on_headers_next(lua_State *lua)
{
    const struct message *message = owner_of(lua);
    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(1));
    if (!message || at >= (lua_Integer)message->fields_count)
        return 0;
    const struct message_field *field = &message->fields[at];
    lua_pushinteger(lua, at + 1);
    lua_replace(lua, lua_upvalueindex(1));
    lua_pushstring(lua, field->name);
    lua_pushstring(lua, field->value);
    return 2;
}

static int on_headers_pairs(lua_State *lua)
{
    check_view(lua, HEADERS_TYPE);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, on_headers_next, 1);
    lua_pushvalue(lua, 1);
    return 2;
}

static void make_type(lua_State *lua, const char *name,
                      const luaL_Reg *functions)
{
    luaL_newmetatable(lua, name);
    luaL_setfuncs(lua, functions, 0);
    /* getmetatable() gives this instead. */
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}

static struct script_handle *make_handle(lua_State *lua, const char *name,
                                         const char *type)
{
    struct script_handle *handle = lua_newuserdatauv(lua, sizeof *handle, 0);
    *handle = (struct script_handle){0};
    luaL_setmetatable(lua, type);
    lua_setfield(lua, LUA_REGISTRYINDEX, name);
    return handle;
}

void script_flow_open(lua_State *lua, struct script_handles *handles)
{
    static const luaL_Reg flow[] = {{"__index", on_flow_index},
                                    {"__newindex", on_flow_newindex},
                                    {NULL, NULL}};
    static const luaL_Reg headers[] = {{"__index", on_headers_index},
                                       {"__newindex", on_headers_newindex},
                                       {"__pairs", on_headers_pairs},
                                       {NULL, NULL}};
    make_type(lua, FLOW_TYPE, flow);
    make_type(lua, HEADERS_TYPE, headers);
    handles->flow = make_handle(lua, FLOW, FLOW_TYPE);
    handles->headers = make_handle(lua, HEADERS, HEADERS_TYPE);
    handles->asked = make_handle(lua, ASKED, HEADERS_TYPE);
    handles->asked->asked = true;
}

void script_flow_show(struct script_handles *handles, struct script_view *view)
{
    handles->flow->view = view;
    /* A message of a WebSocket has none. */
    handles->headers->view = handles->asked->view =
        view && view->message ? view : NULL;
}

void script_flow_push(lua_State *lua)
{
    lua_pushnil(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, BODY);
    lua_getfield(lua, LUA_REGISTRYINDEX, FLOW);
}

static enum hook_act apply_socket(struct script_view *view)
{
    struct buf *body = &view->socket->body;
    if (view->aborted)
        return HOOK_CUT;
    view->socket->dropped = view->dropped;
    if (view->dropped)
        return HOOK_CHANGED;
    /* Room first: what goes on unchanged must be whole. */
    if (!view->changed || !view->body || !buf_reserve(body, view->body_len + 1))
        return HOOK_PASS;
    buf_clear(body);
    return buf_append(body, view->body, view->body_len) ? HOOK_CUT
                                                        : HOOK_CHANGED;
}

enum hook_act script_flow_apply(struct script_view *view)
{
    enum hook_act act = HOOK_PASS;
    if (view->socket)
        return apply_socket(view);
    if (view->dns)
        return view->dropped || view->aborted ? HOOK_CUT
                                              : script_dns_apply(view->dns);
    if (view->body &&
        message_set_body(view->message, view->body, view->body_len)) {
        script_flow_undo(view);
        return HOOK_PASS;
    }
    if (view->dropped)
        return HOOK_WAIT;
    if (view->aborted)
        act = HOOK_CUT;
    else if (view->answered)
        act = HOOK_ANSWER;
    else if (view->changed)
        act = HOOK_CHANGED;
    if (!view->delay_ms)
        return act;
    return hook_wake(view->message, view->delay_ms, act) ? HOOK_CUT : HOOK_WAIT;
}
