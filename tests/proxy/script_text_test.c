/* SPDX-License-Identifier: MIT
 *
 * The quick string.gsub and string.find of scripts give what Lua's own give:
 * values, their number, and the place that a mistake is reported at. */
#include "proxy/script_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

/* Calls f(...) and lists all that comes back. */
static const char LIST[] =
    "local function list(...)\n"
    "  local text = {}\n"
    "  for i = 1, select('#', ...) do\n"
    "    local v = select(i, ...)\n"
    "    text[i] = math.type(v) or type(v)\n"
    "    text[i] = text[i] .. ':' .. tostring(v)\n"
    "  end\n"
    "  return select('#', ...) .. ' ' .. table.concat(text, ' ')\n"
    "end\n"
    "return list(pcall(function() return ";

static lua_State *new_state(bool quick)
{
    lua_State *lua = luaL_newstate();
    assert_non_null(lua);
    luaL_openlibs(lua);
    if (quick)
        script_text_open(lua);
    return lua;
}

static const char *run(lua_State *lua, const char *expression)
{
    lua_settop(lua, 0);
    lua_pushfstring(lua, "%s%s end))", LIST, expression);
    const char *chunk = lua_tostring(lua, 1);
    if (luaL_loadbuffer(lua, chunk, strlen(chunk), "=script") != LUA_OK ||
        lua_pcall(lua, 0, 1, 0) != LUA_OK)
        fail_msg("%s: %s", expression, lua_tostring(lua, -1));
    return lua_tostring(lua, -1);
}

static const char *const expressions[] = {
    "('a-b-c'):gsub('%-', '+')",
    "('a-b-c'):gsub('-', '+')",
    "('a.b.c'):gsub('.', '+')",
    "('a.b.c'):gsub('%.', '+')",
    "('aaaa'):gsub('aa', 'a')",
    "('aaa'):gsub('aa', '')",
    "('abc'):gsub('abc', '')",
    "('abc'):gsub('x', 'y')",
    "('abc'):gsub('xy*', 'y')",
    "('abc'):gsub('ab*', 'y')",
    "('ac'):gsub('ab*', 'y')",
    "('ac'):gsub('ab?c', 'y')",
    "('ac'):gsub('ab-c', 'y')",
    "('ac'):gsub('ab+c', 'y')",
    "('abc'):gsub('', '-')",
    "(''):gsub('', '-')",
    "(''):gsub('a', '-')",
    "('abc'):gsub('b', '%0%0')",
    "('abc'):gsub('x', '%0%0')",
    "('abc'):gsub('x', '%9')",
    "('abc'):gsub('b', '%%')",
    "('abc'):gsub('(b)', '<%1>')",
    "('abc'):gsub('^a', 'x')",
    "('abc'):gsub('c$', 'x')",
    "('a$c'):gsub('a$c', 'x')",
    "('a]c'):gsub('a]c', 'x')",
    "('a b'):gsub('%f[%a]b', 'x')",
    "('THE (quick) fox'):find('%((%a+)%)')",
    "('aba'):gsub('a', 'x', 1)",
    "('aba'):gsub('a', 'x', 0)",
    "('aba'):gsub('a', 'x', nil)",
    "('aba'):gsub('a', {a = 'y'})",
    "('aba'):gsub('a', function() return false end)",
    "('a\\0b'):gsub('\\0', 'zero')",
    "('a\\0b\\0c'):gsub('b\\0', '\\0')",
    "('x1x'):gsub('1', 2)",
    "('x1x'):gsub(1, 'y')",
    "(121):rep(2)",
    "string.gsub(121, '1', 'y')",
    "('tab\\tx'):gsub('%\\t', ' ')",
    "('%d'):gsub('%%d', 'x')",
    "('abc'):find('b')",
    "('abc'):find('x')",
    "('abc'):find('b', 1, true)",
    "('a.c'):find('.', 1, true)",
    "('a.c'):find('%.')",
    "('abcabc'):find('b', 3)",
    "('abcabc'):find('b', -2)",
    "('abc'):find('', 10)",
    "('abc'):find('')",
    "('abc'):find('bc+')",
    "('abc'):find('xc+')",
    "('abc'):find('b()')",
    "('abc'):find('b', nil, true)",
    "('abc'):find('x%')",
    "('xbc'):find('x%')",
    "('xbc'):find('x[')",
    "('abc'):gsub('b', '%')",
    "('abc'):gsub('b(', 'x')",
    "('abc'):gsub('b)', 'x')",
    "('abc'):gsub('%1', 'x')",
    "('abc'):gsub('b', function() error('mine') end)",
    "('abc'):gsub('b', function() error('mine', 0) end)",
    "('abc'):gsub('b', function() return {} end)",
    "('abc'):gsub(('b'):rep(300), 'x')",
    "(('b'):rep(400) .. 'c'):gsub(('b'):rep(300), 'x')",
    "string.gsub('a', {}, 'b')",
    "string.gsub('a')",
    "string.find({}, 'b')",
    "string.find('a', 'a', {})",
    "('abab'):rep(1000):gsub('ba', 'abba')",
};

static void both_give_the_same_values(void **state)
{
    (void)state;
    lua_State *own = new_state(false), *quick = new_state(true);
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        const char *want = run(own, expressions[i]);
        const char *got = run(quick, expressions[i]);
        if (strcmp(got, want))
            fail_msg("%s\n  Lua:  %s\n  here: %s", expressions[i], want, got);
    }
    lua_close(own);
    lua_close(quick);
}

/* A function that is called for another has no name of its own; it gets one
 * nevertheless. (Of s:find(x) Lua counts x as argument 1, here it is 2.) */
static void a_mistake_is_reported_where_the_script_made_it(void **state)
{
    (void)state;
    lua_State *lua = new_state(true);
    const char *said = run(lua, "string.gsub('a', {}, 'b')");
    assert_non_null(strstr(said, "script:10:"));
    assert_non_null(strstr(said, "'gsub'"));
    said = run(lua, "string.find({}, 'b')");
    assert_non_null(strstr(said, "'find'"));
    lua_close(lua);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_give_the_same_values),
        cmocka_unit_test(a_mistake_is_reported_where_the_script_made_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
