/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* What the privileged launcher makes of a worker's message (L3, C7, C22). */
/* link: base/identity.c base/metavars.c base/safe.c */

#include <stdlib.h>

#include "apr_escape.h"
#include "apr_general.h"
#include "apr_lib.h"
#include "apr_strings.h"

#include "base/identity.h"
#include "tap.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static apr_pool_t *pool;

/* ---- bytes ---- */

static const cgi_identity_var_t two_vars[] = {
    {"GIT_PROJECT_ROOT", LIST("=/srv/git/", "$1")},
    {"EMPTY", NULL},
    {NULL, NULL}};

static const cgi_identity_t written[] = {
    {.uid = 4294967294u,
     .gid = 0,
     .groups = LIST("20", "30"),
     .values = "nah",
     .root = LIST("=/jails/", "$2"),
     .script = LIST("=/cgi/", "$0", "=.cgi"),
     .dir = LIST("=/host/", "$2"),
     .interpreter = LIST("/bin/sh", "-e", ""),
     .vars = two_vars},
    {.uid = 1, .gid = 4294967294u, .values = "", .script = LIST("=/s")}};

static const char *list_text(const char *const *list)
{
    const char *text = list ? "" : "NULL";

    for (; list && *list; list++) {
        text = apr_pstrcat(pool, text, "<", *list, ">", NULL);
    }
    return text;
}

static const char *identity_text(const cgi_identity_t *id)
{
    const cgi_identity_var_t *var;
    const char *text =
        apr_psprintf(pool, "%lu %lu %s %s %s %s %s %s", (unsigned long)id->uid,
                     (unsigned long)id->gid, list_text(id->groups), id->values,
                     list_text(id->root), list_text(id->script),
                     list_text(id->dir), list_text(id->interpreter));

    for (var = id->vars; var && var->name; var++) {
        text = apr_pstrcat(pool, text, " ", var->name, list_text(var->value),
                           NULL);
    }
    return text;
}

static void round_trip(void)
{
    cgi_identity_t *read;
    apr_size_t size, i;
    void *data, *part;
    int n, ok = 1;

    cgi_identity_encode(written, 2, pool, &data, &size);
    if (!tap_ok(cgi_identity_decode(&read, &n, data, size, pool) ==
                        APR_SUCCESS &&
                    n == 2,
                "two identities are written and read")) {
        return;
    }
    tap_is(identity_text(&read[0]), identity_text(&written[0]),
           "the first is what it was");
    tap_is(identity_text(&read[1]), identity_text(&written[1]),
           "the second is what it was");

    for (i = 0; i < size; i++) {
        part = apr_pmemdup(pool, data, i); /* ends where it may be read */
        ok &= cgi_identity_decode(&read, &n, part, i, pool) == APR_EINVAL;
    }
    tap_ok(ok, "each beginning of it is refused");
    part = apr_pcalloc(pool, size + 1);
    memcpy(part, data, size);
    tap_ok(cgi_identity_decode(&read, &n, part, size + 1, pool) == APR_EINVAL,
           "so is one with a byte too many");

    cgi_identity_encode(NULL, 0, pool, &data, &size);
    tap_ok(cgi_identity_decode(&read, &n, data, size, pool) == APR_SUCCESS &&
               n == 0,
           "none at all is written and read");
}

/* The same as text, "," for NUL: count; then of each uid, gid, groups, rules
 * of values, root, script, dir, interpreter, variables; lists with their
 * length before them. */
static void bytes(const char *text, int good, const char *name)
{
    apr_size_t i, size = strlen(text);
    char *data = apr_pstrdup(pool, text);
    cgi_identity_t *read;
    int n;

    for (i = 0; i < size; i++) {
        data[i] = (char)(data[i] == ',' ? '\0' : data[i]);
    }
    tap_ok((cgi_identity_decode(&read, &n, data, size, pool) == APR_SUCCESS) ==
               good,
           "%s: %s", name, good ? "taken" : "refused");
}

static void wrong_bytes(void)
{
    bytes("1,7,8,0,n,0,1,=/s,1,$0,0,1,NAME,2,=a,$0,", 1, "bytes");
    bytes("1,0,8,0,n,0,1,=/s,1,$0,0,1,NAME,2,=a,$0,", 0, "user id 0");
    bytes("1,4294967296,8,0,n,0,1,=/s,1,$0,0,0,", 0, "an id that wraps to 0");
    bytes("1,18446744073709551616,8,0,n,0,1,=/s,1,$0,0,0,", 0,
          "an id beyond all numbers");
    bytes("1,4294967295,8,0,n,0,1,=/s,1,$0,0,0,", 0, "user id -1");
    bytes("1,-1,8,0,n,0,1,=/s,1,$0,0,0,", 0, "a sign");
    bytes("1,,8,0,n,0,1,=/s,1,$0,0,0,", 0, "no number");
    bytes("1,7x,8,0,n,0,1,=/s,1,$0,0,0,", 0, "a number and more");
    bytes("1,7,8,0,n,0,0,1,$0,0,0,", 0, "no script");
    bytes("1,7,8,0,n,0,1,/s,0,0,0,", 0, "a word that is none");
    bytes("1,7,8,0,n,0,1,,0,0,0,", 0, "an empty word");
    bytes("1,7,8,0,n,0,1,$1,0,0,0,", 0, "a value that there is not");
    bytes("1,7,8,0,n,0,1,$,0,0,0,", 0, "a value without number");
    bytes("1,7,8,0,n,0,1,$-1,0,0,0,", 0, "a negative value");
    bytes("1,7,8,0,n,0,1,$ 0,0,0,0,", 0, "a value with a space");
    bytes("1,7,8,0,n,0,1,$99999999999999999999,0,0,0,", 0,
          "a value beyond all numbers");
    bytes("1,7,8,0,x,0,1,$0,0,0,0,", 0, "a rule that there is not");
    bytes("1,7,8,0,n,0,1,=/s,0,0,1,NAME,1,$1,", 0,
          "a variable with a value that there is not");
    bytes("1,7,8,0,n,0,9999999999,=/s,0,0,0,", 0, "a list longer than all");
    bytes("9999999999,7,8,0,n,0,1,=/s,0,0,0,", 0, "as many identities");
    bytes("2,7,8,0,n,0,1,=/s,0,0,0,", 0, "one of two");
    bytes("", 0, "nothing");
    bytes(",", 0, "an empty string");
}

/* ---- what may run ---- */

/* chroot=/jails/%{host} dir=/host/%{host} SCRIPT=/cgi/\1.cgi user=7 */
static const cgi_identity_t jailed = {.uid = 7,
                                      .gid = 8,
                                      .values = "hn",
                                      .root = LIST("=/jails/", "$0"),
                                      .script = LIST("=/cgi/", "$1", "=.cgi"),
                                      .dir = LIST("=/host/", "$0")};

/* What a worker can say beside its values: all of it without effect. */
static cgi_wire_request_t message(const char *const *values,
                                  const char *const *env)
{
    static const char *const argv[] = {"evil", "-e", "evil", NULL};
    cgi_wire_request_t request = {.path = "/bin/evil",
                                  .dir = "/evil",
                                  .argv = argv,
                                  .env = env,
                                  .identity = 1,
                                  .values = values,
                                  .root = "/evil",
                                  .kill_ms = 5,
                                  .limits = 2};

    return request;
}

/* root, dir, path and words of a script; or "refused" */
static const char *run(const cgi_identity_t *id, const char *const *values)
{
    cgi_wire_request_t request = message(values, LIST(NULL)), safe;

    memset(&safe, 0x55, sizeof(safe));
    if (cgi_identity_check(id, &request, &safe, pool)) {
        return "refused";
    }
    return apr_psprintf(pool, "%s %s %s %s", safe.root, safe.dir, safe.path,
                        list_text(safe.argv));
}

static void runs(const cgi_identity_t *id, const char *const *values,
                 const char *expected, const char *name)
{
    tap_is(run(id, values), expected, name);
}

static void paths(void)
{
    const cgi_identity_t plain = {
        .uid = 7, .script = LIST("=/srv/x/app"), .values = ""};
    const cgi_identity_t interpreted = {
        .uid = 7,
        .script = LIST("=/srv//", "$0", "=/", "$1"),
        .values = "nn",
        .interpreter = LIST("/usr/bin/perl", "-T")};

    runs(&jailed, LIST("a.example", "search"),
         "/jails/a.example /host/a.example /cgi/search.cgi <search.cgi>",
         "values in root, directory and script; nothing of the worker's");
    runs(&plain, LIST(NULL), " /srv/x/ /srv/x/app <app>",
         "without references: the script and its directory");
    runs(&interpreted, LIST("a/b", "c.pl"),
         " /srv/a/b/ /usr/bin/perl </usr/bin/perl><-T></srv/a/b/c.pl>",
         "the interpreter and its words are the configuration's");
    runs(&interpreted, LIST("", "c.pl"),
         " /srv/ /usr/bin/perl </usr/bin/perl><-T></srv/c.pl>",
         "an empty value leaves one slash");
}

/* A value in place of the second of jailed: a group of the regex. */
static void group(const char *value, int good)
{
    const char *expected =
        good ? apr_psprintf(pool, "/jails/h /host/h /cgi/%s.cgi <%s.cgi>",
                            value, apr_filepath_name_get(value))
             : "refused";

    runs(&jailed, LIST("h", value), expected,
         apr_psprintf(pool, "a group: \"%s\"",
                      apr_pescape_echo(pool, value, 0)));
}

static void any(const char *value, const char *expected)
{
    const cgi_identity_t id = {
        .uid = 7, .script = LIST("=/srv/", "$0", "=/app"), .values = "a"};

    runs(&id, LIST(value), expected,
         apr_psprintf(pool, "names=any: \"%s\"",
                      apr_pescape_echo(pool, value, 0)));
}

static void host(const char *value, int good)
{
    const char *expected =
        good ? apr_psprintf(pool, "/jails/%s /host/%s /cgi/x.cgi <x.cgi>",
                            value, value)
             : "refused";

    runs(&jailed, LIST(value, "x"), expected,
         apr_psprintf(pool, "a host: \"%s\"",
                      apr_pescape_echo(pool, value, 0)));
}

static void values(void)
{
    static const char long_name[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    runs(&jailed, LIST("h"), "refused", "a value less");
    runs(&jailed, LIST("h", "x", "y"), "refused", "a value more");
    runs(&jailed, LIST(NULL), "refused", "no values");

    group("x", 1);
    group("x.y-z_1", 1);
    group("a/b", 1);
    group("a..b", 1);
    group(long_name, 1);
    group("..", 0);
    group(".", 0);
    group("../x", 0);
    group("a/../b", 0);
    group("a/..", 0);
    group("a/./b", 0);
    group(".x", 0);
    group("a/.x", 0);
    group("-x", 0);
    group("a/-x", 0);
    group("a//-x", 0);
    group("x\ny", 0);
    group("x\ry", 0);
    group("x y", 0);
    group("x\\y", 0);
    group("x;y", 0);
    group("$(id)", 0);
    group("x:y", 0);
    group("x\xc3\xa4y", 0);
    group("%2e", 0);

    any("x y;\"z\"$(id)", " /srv/x y;\"z\"$(id)/ /srv/x y;\"z\"$(id)/app "
                          "<app>");
    any("-x/.y", " /srv/-x/.y/ /srv/-x/.y/app <app>");
    any("..", "refused");
    any(".", "refused");
    any("../etc", "refused");
    any("a/../../etc", "refused");
    any("a/..", "refused");
    any("x\n", "refused");
    any("x\ry", "refused");

    host("a.example", 1);
    host("0", 1);
    host(":.example", 1);
    host("[::1]", 1);
    host("10.0.0.1", 1);
    host("", 0);
    host(".", 0);
    host("..", 0);
    host(".x", 0);
    host("a/b", 0);
    host("/", 0);
    host("a b", 0);
    host("a\nb", 0);
    host("a\\b", 0);
    host("%61", 0);
}

/* Values that are safe alone, and are not beside text of the route. */
static void seams(void)
{
    const cgi_identity_t dot = {
        .uid = 7, .script = LIST("=/srv/.", "$0", "=/app"), .values = "a"};
    const cgi_identity_t two = {.uid = 7,
                                .script = LIST("=/srv/", "$0", "$1", "=/app"),
                                .values = "aa"};
    const cgi_identity_t in_dir = {.uid = 7,
                                   .script = LIST("=/app"),
                                   .dir = LIST("=/srv/.", "$0"),
                                   .values = "a"};
    const cgi_identity_t in_root = {.uid = 7,
                                    .script = LIST("=/app"),
                                    .root = LIST("=/srv/.", "$0"),
                                    .values = "a"};
    const cgi_identity_t middle = {.uid = 7,
                                   .script = LIST("=/app"),
                                   .root = LIST("=/srv/", "$0", "=/root"),
                                   .values = "n"};
    const cgi_identity_t last = {.uid = 7,
                                 .script = LIST("=/app"),
                                 .root = LIST("=/srv/", "$0"),
                                 .values = "n"};
    const cgi_identity_t host_dir = {.uid = 7,
                                     .script = LIST("=/app"),
                                     .dir = LIST("=/srv/", "$0"),
                                     .values = "h"};
    const cgi_identity_t relative = {
        .uid = 7, .script = LIST("$0", "=/app"), .values = "n"};

    runs(&dot, LIST("x"), " /srv/.x/ /srv/.x/app <app>",
         "text before a value");
    runs(&dot, LIST("./x"), "refused", "\"/srv/.\" and \"./x\"");
    runs(&dot, LIST(""), "refused", "\"/srv/.\" and nothing");
    runs(&dot, LIST("/x"), "refused", "\"/srv/.\" and \"/x\"");
    runs(&two, LIST("x/", "/y"), " /srv/x/y/ /srv/x/y/app <app>",
         "two values with a slash each");
    runs(&two, LIST("x/", ".y"), " /srv/x/.y/ /srv/x/.y/app <app>",
         "a hidden name by names=any");
    runs(&two, LIST("", ""), " /srv/ /srv/app <app>", "no values in script");
    runs(&in_dir, LIST("x"), " /srv/.x /app <app>", "a directory");
    runs(&in_dir, LIST("./x"), "refused", "a directory with .. at a seam");
    runs(&in_dir, LIST(""), "refused", "a directory with . at its end");
    runs(&in_root, LIST("x"), "/srv/.x / /app <app>", "a root");
    runs(&in_root, LIST("./x"), "refused", "a root with .. at a seam");
    runs(&in_root, LIST(""), "refused", "a root with . at its end");
    runs(&middle, LIST("x"), "/srv/x/root / /app <app>",
         "a value in the midst of a root");
    runs(&middle, LIST("x/y"), "/srv/x/y/root / /app <app>",
         "one of more names");
    runs(&middle, LIST(""), "refused", "an empty name in a root");
    runs(&middle, LIST("x/"), "refused", "an empty name behind it");
    runs(&middle, LIST("/x"), "refused", "an empty name before it");
    runs(&last, LIST("x"), "/srv/x / /app <app>", "a value at a root's end");
    runs(&last, LIST(""), "refused",
         "the directory of all roots is not a root");
    runs(&last, LIST("x/"), "refused", "a slash at a root's end");
    runs(&host_dir, LIST("x"), " /srv/x /app <app>", "a host's directory");
    runs(&host_dir, LIST(""), "refused", "no host");
    runs(&relative, LIST("/x"), " /x/ /x/app <app>", "an absolute value");
    runs(&relative, LIST("x"), "refused", "a path that is not absolute");
    runs(&relative, LIST(""), " / /app <app>", "nothing before a slash");
}

/* ---- the environment ---- */

static const cgi_identity_var_t set_vars[] = {
    {"GIT_PROJECT_ROOT", LIST("=/srv/git/", "$0")},
    {"PERL5LIB", LIST("=/srv/lib")},
    {"EMPTY", NULL},
    {"TWICE", LIST("=one")},
    {"TWICE", LIST("=two")},
    {"LD_LIBRARY_PATH", LIST("=/srv/lib")},
    {"HTTP_ACCEPT", LIST("=none")},
    {NULL, NULL}};

static const cgi_identity_t with_vars = {
    .uid = 7, .values = "n", .script = LIST("=/srv/app"), .vars = set_vars};

/* What of an environment of one variable arrives, beside the launcher's own;
 * "" for nothing. */
static const char *arrives(const cgi_identity_t *id, const char *entry)
{
    cgi_wire_request_t request = message(LIST("x"), LIST(entry)), safe;
    const char *const *env;
    const char *text = "";

    if (cgi_identity_check(id, &request, &safe, pool)) {
        return "refused";
    }
    for (env = safe.env; *env; env++) {
        if (strcmp(*env, "PATH=/bin") != 0 &&
            strcmp(*env, "SCRIPT_FILENAME=/srv/app") != 0) {
            text = apr_pstrcat(pool, text, *env, NULL);
        }
    }
    return text;
}

static void passes(const char *entry, int good)
{
    tap_is(arrives(&with_vars, entry), good ? entry : "",
           apr_psprintf(pool, "\"%s\" %s", apr_pescape_echo(pool, entry, 0),
                        good ? "arrives" : "is left out"));
}

static void environment(void)
{
    passes("REQUEST_METHOD=GET", 1);
    passes("QUERY_STRING=", 1);
    passes("QUERY_STRING=a=b", 1);
    passes("HTTP_COOKIE=() { :; }; id", 1); /* text, as any */
    passes("CSP_NONCE=ab+/", 1);
    passes("HTTPS=on", 1);
    passes("PATH_TRANSLATED=/var/www/x", 0);
    passes("REDIRECT_STATUS=200", 1);
    passes("SSL_CLIENT_S_DN=CN=x", 1);
    passes("SERVER_NAME=x", 1);

    passes("LD_PRELOAD=/tmp/evil.so", 0);
    passes("LD_AUDIT=/tmp/evil.so", 0);
    passes("BASH_ENV=/tmp/evil", 0);
    passes("ENV=/tmp/evil", 0);
    passes("IFS=x", 0);
    passes("SHELLOPTS=xtrace", 0);
    passes("PS4=$(id)", 0);
    passes("BASH_FUNC_id%%=() { evil; }", 0);
    passes("PERL5OPT=-Mevil", 0);
    passes("PYTHONPATH=/tmp", 0);
    passes("PHPRC=/tmp", 0);
    passes("GCONV_PATH=/tmp", 0);
    passes("HOME=/tmp", 0);
    passes("TMPDIR=/tmp", 0);
    passes("SSL_CERT_FILE=/tmp/evil", 0);
    passes("SSL_CERT_DIR=/tmp", 0);
    passes("HTTP_PROXY=http://evil/", 0);
    passes("TZ=:/tmp/evil", 0);
    passes("PATH=/tmp", 0);
    passes("PATH=/bin:/tmp", 0);
    passes("SCRIPT_FILENAME=/tmp/evil", 0);
    passes("HTTP_", 0);
    passes("=HTTP_X", 0);
    passes("", 0);
    passes("HTTP_X Y=1", 0);
    passes("HTTP_X%%=() { evil; }", 0);
    passes("HTTP_X\nLD_PRELOAD=/tmp/evil.so", 0);
    passes("HTTPSX=1", 0);
    passes("request_method=GET", 0);
    passes("REQUEST_METHODS=GET", 0);
    passes("REQUEST_METHO=GET", 0);

    passes("GIT_PROJECT_ROOT=/srv/git/x", 1);
    passes("GIT_PROJECT_ROOT=/srv/git/y", 0);
    passes("GIT_PROJECT_ROOT=/tmp", 0);
    passes("GIT_PROJECT_ROOT=/srv/git/x/", 0);
    passes("GIT_PROJECT_ROOT=/srv/git/", 0);
    passes("GIT_PROJECT_ROOT=", 0);
    passes("GIT_PROJECT_ROO=/srv/git/x", 0);
    passes("PERL5LIB=/srv/lib", 1);
    passes("PERL5LIB=/tmp", 0);
    passes("EMPTY=", 1);
    passes("EMPTY=x", 0);
    passes("TWICE=one", 1);
    passes("TWICE=two", 1);
    passes("TWICE=three", 0);
    passes("LD_LIBRARY_PATH=/srv/lib", 0); /* never, SetEnv or not */
    passes("HTTP_ACCEPT=none", 1);
    passes("HTTP_ACCEPT=text/html", 0); /* SetEnv wins over a header */
}

/* The variables that a program acts upon. */
static void own_variables(void)
{
    const cgi_identity_var_t path_var[] = {
        {"PATH", LIST("=/opt/bin:/bin")}, {"TZ", LIST("=UTC")}, {NULL, NULL}};
    cgi_identity_t id = with_vars;
    cgi_wire_request_t request = message(LIST("x"), LIST(NULL)), safe;

    unsetenv("TZ");
    cgi_identity_check(&id, &request, &safe, pool);
    tap_is(list_text(safe.env), "<SCRIPT_FILENAME=/srv/app><PATH=/bin>",
           "C7: PATH is /bin; the launcher's own variables");
    tap_ok(safe.kill_ms == 5 && safe.limits == 2 && safe.identity == 1,
           "times and limits are the worker's");

    setenv("TZ", "Europe/Vienna", 1);
    request.env = LIST("SCRIPT_FILENAME=/evil", "TZ=:/evil", "PATH=/evil");
    cgi_identity_check(&id, &request, &safe, pool);
    tap_is(list_text(safe.env),
           "<SCRIPT_FILENAME=/srv/app><PATH=/bin><TZ=Europe/Vienna>",
           "httpd's own time zone; no variable of that name from a worker");

    id.vars = path_var;
    request.env = LIST("TZ=UTC", "PATH=/opt/bin:/bin");
    cgi_identity_check(&id, &request, &safe, pool);
    tap_is(list_text(safe.env),
           "<TZ=UTC><PATH=/opt/bin:/bin><SCRIPT_FILENAME=/srv/app>",
           "PATH and TZ of a SetEnv hold");
    request.env = LIST("TZ=:/evil", "PATH=/evil:/bin");
    cgi_identity_check(&id, &request, &safe, pool);
    tap_is(list_text(safe.env),
           "<SCRIPT_FILENAME=/srv/app><PATH=/bin><TZ=Europe/Vienna>",
           "others of that name do not");
    unsetenv("TZ");
}

int main(void)
{
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    round_trip();
    wrong_bytes();
    paths();
    values();
    seams();
    environment();
    own_variables();
    return tap_done();
}
