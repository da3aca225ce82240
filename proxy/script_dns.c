/* SPDX-License-Identifier: MIT */
#include "proxy/script_dns.h"

#include "certs/ca.h"
#include "proxy/base/dial.h"
#include "proxy/dns.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <string.h>

enum { ANSWERS_MOST = 16, TTL_USUAL = 60, TTL_MOST = 7 * 86400 };

/* What the victim will hear as things stand; NULL: nobody has answered yet. */
static struct buf *answer_of(struct script_dns *dns)
{
    if (buf_len(&dns->said))
        return &dns->said;
    return buf_len(dns->talk->answer) ? dns->talk->answer : NULL;
}

static int push_nil(lua_State *lua)
{
    lua_pushnil(lua);
    return 1;
}

/* The records of the answer section, one after the other. */
static bool next_answer(const struct script_dns *dns, const struct buf *answer,
                        unsigned index, size_t *at, struct dns_record *out)
{
    if (!index)
        *at = dns->talk->asked->question_end;
    return dns_next(buf_head(answer), buf_len(answer), index, at, out) &&
           out->answers;
}

/* ---- reading ------------------------------------------------------------- */

int script_dns_push_name(lua_State *lua, struct script_dns *dns)
{
    lua_pushstring(lua, dns->talk->asked->name);
    return 1;
}

int script_dns_push_type(lua_State *lua, struct script_dns *dns)
{
    char type[DNS_WORD_TEXT];
    dns_type_text(dns->talk->asked->type, type);
    lua_pushstring(lua, type);
    return 1;
}

static void set_field(lua_State *lua, const char *key, const char *value)
{
    lua_pushstring(lua, value);
    lua_setfield(lua, -2, key);
}

int script_dns_push_answers(lua_State *lua, struct script_dns *dns)
{
    struct dns_record record;
    size_t at;
    const struct buf *answer = answer_of(dns);
    if (!answer)
        return push_nil(lua);
    lua_newtable(lua);
    for (unsigned i = 0; next_answer(dns, answer, i, &at, &record); i++) {
        char type[DNS_WORD_TEXT], data[DNS_DATA_TEXT];
        dns_type_text(record.type, type);
        dns_data_text(buf_head(answer), buf_len(answer), &record, data);
        lua_createtable(lua, 0, 4);
        set_field(lua, "name", record.name);
        set_field(lua, "type", type);
        set_field(lua, "data", data);
        lua_pushinteger(lua, record.ttl);
        lua_setfield(lua, -2, "ttl");
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int script_dns_push_rcode(lua_State *lua, struct script_dns *dns)
{
    char rcode[DNS_WORD_TEXT];
    const struct buf *answer = answer_of(dns);
    if (!answer)
        return push_nil(lua);
    dns_rcode_text(buf_head(answer)[3] & 15U, rcode);
    lua_pushstring(lua, rcode);
    return 1;
}

int script_dns_push_ttl(lua_State *lua, struct script_dns *dns)
{
    struct dns_record record;
    size_t at;
    const struct buf *answer = answer_of(dns);
    if (!answer || !next_answer(dns, answer, 0, &at, &record))
        return push_nil(lua);
    lua_pushinteger(lua, record.ttl);
    return 1;
}

/* ---- one record to be said ----------------------------------------------- */

/* Data and names of the records, until the answer is written. */
struct saying {
    struct dns_given given[ANSWERS_MOST];
    uint8_t data[ANSWERS_MOST][DNS_NAME_BYTES];
    uint8_t names[ANSWERS_MOST][DNS_NAME_BYTES];
    unsigned count;
};

/* Nobody is sent out of the lab, and nothing is said of names outside. */
static void check_name(lua_State *lua, const char *name)
{
    if (!ca_may_name(name))
        luaL_error(lua,
                   "%s is outside the lab; only names under lab.test can "
                   "be spoken of",
                   name);
}

static void take_address(lua_State *lua, const char *text, bool v6,
                         struct dns_given *given, uint8_t *data)
{
    union address address = {.any.sa_family = v6 ? AF_INET6 : AF_INET};
    struct err err = ERR_INIT;
    given->len = v6 ? 16 : 4;
    if (inet_pton(address.any.sa_family, text, data) != 1)
        luaL_error(lua, "\"%s\" is no address of this type", text);
    memcpy(v6 ? (void *)&address.v6.sin6_addr : (void *)&address.v4.sin_addr,
           data, given->len);
    if (dial_check(&address, &err))
        luaL_error(lua, "%s", err.text);
}

static void take_name(lua_State *lua, const char *text, uint8_t *out,
                      size_t *out_len)
{
    check_name(lua, text);
    if (dns_name_bytes(text, out, out_len))
        luaL_error(lua, "\"%s\" is no name", text);
}

static void take_data(lua_State *lua, const char *type, const char *text,
                      struct dns_given *given, uint8_t *data)
{
    static const struct {
        const char *name;
        uint16_t type;
    } types[] = {{"A", DNS_A},
                 {"AAAA", DNS_AAAA},
                 {"CNAME", DNS_CNAME},
                 {"NS", DNS_NS},
                 {"PTR", DNS_PTR}};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, type) != 0)
            continue;
        given->type = types[i].type;
        if (i < 2)
            take_address(lua, text, i == 1, given, data);
        else
            take_name(lua, text, data, &given->len);
        return;
    }
    luaL_error(lua, "only A, AAAA, CNAME, NS and PTR can be said, not %s",
               type);
}

static uint32_t check_ttl(lua_State *lua, int index)
{
    lua_Integer ttl = luaL_checkinteger(lua, index);
    if (ttl < 0 || ttl > TTL_MOST)
        luaL_error(lua, "a ttl is 0 to %d seconds", TTL_MOST);
    return (uint32_t)ttl;
}

static const char *field_of(lua_State *lua, const char *key,
                            const char *otherwise)
{
    lua_getfield(lua, 4, key);
    return luaL_optstring(lua, -1, otherwise);
}

/* The value at index 4: an address, or a table. */
static void take_record(lua_State *lua, const struct script_dns *dns,
                        struct saying *saying)
{
    unsigned index = saying->count++;
    struct dns_given *given = &saying->given[index];
    *given = (struct dns_given){.ttl = TTL_USUAL, .data = saying->data[index]};
    if (lua_type(lua, 4) == LUA_TSTRING) {
        const char *text = lua_tostring(lua, 4);
        take_data(lua, strchr(text, ':') ? "AAAA" : "A", text, given,
                  saying->data[index]);
        return;
    }
    luaL_checktype(lua, 4, LUA_TTABLE);
    const char *data = field_of(lua, "data", NULL);
    const char *type = field_of(lua, "type", NULL);
    const char *name = field_of(lua, "name", dns->talk->asked->name);
    if (!data || !type)
        luaL_error(lua, "a record has a type and data: {type=\"A\", "
                        "data=\"127.66.1.2\"}");
    take_data(lua, type, data, given, saying->data[index]);
    if (strcasecmp(name, dns->talk->asked->name) != 0) {
        take_name(lua, name, saying->names[index], &given->name_len);
        given->name = saying->names[index];
    }
    lua_getfield(lua, 4, "ttl");
    if (!lua_isnil(lua, -1))
        given->ttl = check_ttl(lua, -1);
    lua_settop(lua, 4);
}

/* ---- saying it ----------------------------------------------------------- */

static void say(lua_State *lua, struct script_dns *dns, enum dns_rcode rcode,
                const struct saying *saying)
{
    struct buf out = {0};
    if (dns_write_answer(&out, dns->talk->query, dns->talk->asked, rcode,
                         saying ? saying->given : NULL,
                         saying ? saying->count : 0)) {
        buf_free(&out);
        luaL_error(lua, "out of memory");
    }
    buf_free(&dns->said);
    dns->said = out;
}

void script_dns_set_answers(lua_State *lua, struct script_dns *dns)
{
    struct saying saying;
    luaL_checktype(lua, 3, LUA_TTABLE);
    check_name(lua, dns->talk->asked->name);
    lua_Integer count = luaL_len(lua, 3);
    if (count > ANSWERS_MOST)
        luaL_error(lua, "at most %d answers can be said", ANSWERS_MOST);
    saying.count = 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_settop(lua, 3);
        lua_geti(lua, 3, i);
        take_record(lua, dns, &saying);
    }
    say(lua, dns, DNS_NOERROR, &saying);
}

void script_dns_set_rcode(lua_State *lua, struct script_dns *dns)
{
    char name[DNS_WORD_TEXT];
    const char *wanted = luaL_checkstring(lua, 3);
    for (unsigned code = 0; code < 16; code++) {
        dns_rcode_text(code, name);
        if (strcmp(name, wanted) != 0)
            continue;
        say(lua, dns, (enum dns_rcode)code, NULL);
        return;
    }
    luaL_error(lua, "\"%s\" is no rcode, such as NXDOMAIN", wanted);
}

void script_dns_set_ttl(lua_State *lua, struct script_dns *dns)
{
    struct dns_record record;
    size_t at;
    const struct buf *answer = answer_of(dns);
    uint32_t ttl = check_ttl(lua, 3);
    if (!answer)
        luaL_error(lua, "there is no answer yet whose ttl could be set");
    if (answer != &dns->said &&
        buf_append(&dns->said, buf_head(answer), buf_len(answer)))
        luaL_error(lua, "out of memory");
    for (unsigned i = 0; next_answer(dns, &dns->said, i, &at, &record); i++)
        dns_put_ttl(buf_head(&dns->said), &record, ttl);
}

enum hook_act script_dns_apply(struct script_dns *dns)
{
    struct buf *answer = dns->talk->answer;
    bool asked = !buf_len(answer);
    if (!buf_len(&dns->said))
        return HOOK_PASS;
    buf_free(answer);
    *answer = dns->said;
    dns->said = (struct buf){0};
    return asked ? HOOK_ANSWER : HOOK_CHANGED;
}

void script_dns_close(struct script_dns *dns)
{
    buf_free(&dns->said);
}
