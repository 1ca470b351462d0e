/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * An example of a plug-in of cgi-warm: Lua 5.4. doc/warm-plugins.md explains
 * it, and says how it is built.
 */

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "plugin.h"

static const cgi_warm_script_t *script;

static const char *what_failed(lua_State *L)
{
    static char text[512];
    const char *said = lua_tostring(L, -1);

    snprintf(text, sizeof(text), "its modules can't be loaded: %s",
             said ? said : "an error that is no string");
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* Does the program that scripts name call itself what this library does? */
static int is_same(const cgi_warm_host_t *host)
{
    const char *const argv[] = {host->program, "-v", NULL};
    char text[256];

    return host->ask(argv, 1, text, sizeof(text)) > 0 &&
           !strncmp(text, LUA_COPYRIGHT, strlen(LUA_COPYRIGHT));
}

static const char *load(lua_State *L, const cgi_warm_host_t *host)
{
    const char *const *name;

    for (name = host->modules; *name; name++) {
        lua_getglobal(L, "require");
        lua_pushstring(L, *name);
        if (lua_pcall(L, 1, 1, 0)) {
            return what_failed(L);
        }
        lua_settop(L, 0);
    }
    lua_gc(L, LUA_GCCOLLECT); /* before there are many copies of it */
    return NULL;
}

static const char *check(const cgi_warm_script_t *s)
{
    static const char *const early[] = {"LUA_", "LC_", "LANG", NULL};

    if (s->script_at > 1) {
        return "it gives Lua an option";
    }
    return cgi_warm_has_variable(s, early)
               ? "its environment has a variable that counts at the start of "
                 "Lua"
               : NULL;
}

static int add_traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

/* The main function of lua, as far as a script sees it. */
static int run(lua_State *L)
{
    lua_Integer seed[2];
    int i, failed;

    /* Random numbers of its own. Lua would take the time and an address. */
    if (getrandom(seed, sizeof(seed), 0) == sizeof(seed)) {
        lua_getglobal(L, "math");
        lua_getfield(L, -1, "randomseed");
        lua_pushinteger(L, seed[0]);
        lua_pushinteger(L, seed[1]);
        lua_call(L, 2, 0);
    }
    lua_settop(L, 0);
    lua_newtable(L);
    for (i = 0; i < script->argc; i++) {
        lua_pushstring(L, script->argv[i]);
        lua_rawseti(L, 1, i - script->script_at);
    }
    lua_pushvalue(L, 1);
    lua_setglobal(L, "arg");
    lua_pushcfunction(L, add_traceback);
    failed = luaL_loadfile(L, script->argv[script->script_at]);
    if (!failed) {
        for (i = script->script_at + 1; i < script->argc; i++) {
            lua_pushstring(L, script->argv[i]);
        }
        failed = lua_pcall(L, script->argc - script->script_at - 1, 0, 2);
    }
    if (failed) {
        fprintf(stderr, "%s: %s\n", script->argv[0], lua_tostring(L, -1));
    }
    lua_pushboolean(L, !failed);
    return 1;
}

static const char *enter(const cgi_warm_host_t *host)
{
    lua_State *L = luaL_newstate();
    const char *reason;
    int ok;

    if (!L || !is_same(host)) {
        return "that program is not " LUA_RELEASE;
    }
    luaL_openlibs(L);
    if ((reason = load(L, host))) {
        return reason;
    }
    fflush(NULL); /* what is not written would be written by each script */
    if (!(script = host->serve())) {
        return "its modules can't be shared";
    }
    lua_pushcfunction(L, run);
    ok = !lua_pcall(L, 0, 1, 0) && lua_toboolean(L, -1);
    lua_close(L);
    exit(ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

const cgi_warm_plugin_t cgi_warm_plugin = {CGI_WARM_VERSION, enter, check};
