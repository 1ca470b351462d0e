/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The arguments key=value of a directive. */
/* link: base/keys.c */

#include "apr_general.h"
#include "apr_strings.h"

#include "base/keys.h"
#include "tap.h"

static apr_pool_t *pool;
static const char *one, *two, *three;

/* Reads words, of which '|' is the end, with n of the keys. */
static const char *read_words(const char *words, int n)
{
    const cgi_key_t keys[] = {
        {"one", &one}, {"onetwo", &two}, {"three", &three}};
    char *argv[8], *state, *copy = apr_pstrdup(pool, words);
    int argc = 0;

    one = two = three = NULL;
    while ((argv[argc] = apr_strtok(copy, "|", &state)) != NULL) {
        copy = NULL;
        argc++;
    }
    return cgi_keys_read(pool, "Some", keys, n, argc, argv);
}

static void reads(const char *words, const char *first, const char *second,
                  const char *third)
{
    tap_is(read_words(words, 3), NULL,
           apr_psprintf(pool, "\"%s\": accepted", words));
    tap_is(one, first, "   the first key");
    tap_is(two, second, "   the second key");
    tap_is(three, third, "   the third key");
}

static void refuses(const char *words, int n, const char *rule)
{
    tap_is(read_words(words, n), rule,
           apr_psprintf(pool, "\"%s\": refused", words));
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);

    reads("", NULL, NULL, NULL);
    reads("one=1", "1", NULL, NULL);
    reads("three=c|one=a|onetwo=b", "a", "b", "c");
    reads("ONE=A|OneTwo=B", "A", "B", NULL);
    reads("one==|three=x=y", "=", NULL, "x=y");
    reads("one=a b|three= ", "a b", NULL, " ");

    refuses("one=1|four=2", 3,
            "Some must not have 'four=2': its keys are one=, onetwo= and "
            "three=");
    refuses("word", 2,
            "Some must not have 'word': its keys are one= and onetwo=");
    refuses("one", 1, "Some must not have 'one': its keys are one=");
    refuses("on=1", 1, "Some must not have 'on=1': its keys are one=");
    refuses("ones=1", 1, "Some must not have 'ones=1': its keys are one=");
    refuses("=1", 1, "Some must not have '=1': its keys are one=");
    refuses(" one=1", 1, "Some must not have ' one=1': its keys are one=");
    refuses("three=1", 2,
            "Some must not have 'three=1': its keys are one= and onetwo=");
    refuses("one=", 3, "Some one= must have a value");
    refuses("one=1|three=", 3, "Some three= must have a value");
    refuses("one=1|ONE=2", 3, "Some must not have one= twice");

    apr_terminate();
    return tap_done();
}
