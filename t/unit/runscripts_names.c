/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Suffixes of scripts and hidden names (R5, R6, R12). */
/* link: runscripts/names.c */

#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "runscripts/runscripts.h"
#include "tap.h"

static apr_pool_t *pool;

/* @return what is wrong with the words, or NULL and the list */
static const char *parse(const char *words, apr_array_header_t **list)
{
    char *state, *word, *copy = apr_pstrdup(pool, words);
    const char *error = NULL;

    *list = apr_array_make(pool, 2, sizeof(runscripts_suffix_t));
    while (!error && (word = apr_strtok(copy, " ", &state)) != NULL) {
        copy = NULL;
        error = runscripts_suffixes_add(pool, *list, word);
    }
    return error;
}

static apr_array_header_t *list(const char *words)
{
    apr_array_header_t *suffixes;

    parse(words, &suffixes);
    return suffixes;
}

static void kind(const runscripts_dir_t *dir, const char *name,
                 runscripts_kind_e expected)
{
    tap_ok(runscripts_name_kind(dir, name) == expected, "R5: kind of \"%s\"",
           name);
}

static void hidden(const runscripts_dir_t *dir, const char *name, int expected)
{
    tap_ok(runscripts_name_hidden(dir, name) == expected, "R6: \"%s\" %s",
           name, expected ? "is hidden" : "is served");
}

static void common(const char *one, const char *two, const char *expected)
{
    tap_is(runscripts_suffixes_common(list(one), list(two)), expected,
           apr_psprintf(pool, "R12: common to \"%s\" and \"%s\"", one, two));
}

static void check(const char *words, const char *part)
{
    apr_array_header_t *suffixes;
    const char *error = parse(words, &suffixes);

    tap_ok(part ? error && strstr(error, part) : !error, "R12: \"%s\": %s",
           words, error ? error : "accepted");
}

int main(void)
{
    runscripts_dir_t plain = {0}, own = {0};

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    own.suffixes = list(".tar.do .do .Py");
    own.nph_suffixes = list(".raw .o");

    kind(&plain, "foo.doit", RUNSCRIPTS_SCRIPT);
    kind(&plain, "foo.nph", RUNSCRIPTS_NPH);
    kind(&plain, "nph-foo.doit", RUNSCRIPTS_SCRIPT);
    kind(&plain, "nph-foo.nph", RUNSCRIPTS_NPH);
    kind(&plain, "nph-foo", RUNSCRIPTS_PLAIN);
    kind(&plain, "foo.nph.doit", RUNSCRIPTS_SCRIPT);
    kind(&plain, "foo.doit.nph", RUNSCRIPTS_NPH);
    kind(&plain, "foo.DOIT", RUNSCRIPTS_PLAIN);
    kind(&plain, "foo.doit2", RUNSCRIPTS_PLAIN);
    kind(&plain, "foodoit", RUNSCRIPTS_PLAIN);
    kind(&plain, "doit", RUNSCRIPTS_PLAIN);
    kind(&plain, "", RUNSCRIPTS_PLAIN);
    kind(&own, "foo.doit", RUNSCRIPTS_PLAIN);
    kind(&own, "foo.do", RUNSCRIPTS_SCRIPT);
    kind(&own, "foo.Py", RUNSCRIPTS_SCRIPT);
    kind(&own, "foo.py", RUNSCRIPTS_PLAIN);
    kind(&own, "foo.o", RUNSCRIPTS_NPH);
    kind(&own, "o", RUNSCRIPTS_PLAIN);

    hidden(&plain, "foo.doit", 1);
    hidden(&plain, "foo.nph", 1);
    hidden(&plain, "foo.DoIt", 1);
    hidden(&plain, ".doit", 1);
    hidden(&plain, "foo~", 1);
    hidden(&plain, "~", 1);
    hidden(&plain, "#foo#", 1);
    hidden(&plain, "#", 1);
    hidden(&plain, "#foo", 0);
    hidden(&plain, "~foo", 0);
    hidden(&plain, "foo.doit.en", 0);
    hidden(&plain, "foo.doit.gz", 0);
    hidden(&plain, "foodoit", 0);
    hidden(&plain, "foo", 0);
    hidden(&plain, "", 0);
    hidden(&own, "foo.doit", 0);
    hidden(&own, "foo.PY", 1);
    hidden(&own, "foo.RAW", 1);
    hidden(&own, "foo.c~", 1);

    check(".doit", NULL);
    check(".a .b .c.d", NULL);
    check("doit", "must be a dot");
    check(".a b", "\"b\" must be a dot");
    check(".", "one more character");
    check(".a/b", "slash");
    check(".a .b .a", "\".a\" must be given once");

    common(".a .b", ".c .b", ".b");
    common(".a", ".A", NULL);
    tap_ok(!runscripts_suffixes_common(NULL, list(".a")) &&
               !runscripts_suffixes_common(list(".a"), NULL),
           "R12: a list that is not there has nothing in common");

    return tap_done();
}
