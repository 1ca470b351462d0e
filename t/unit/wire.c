/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* link: base/wire.c */

/* The message to a launcher (L5): what is written is what is read; anything
 * else is refused. */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/wire.h"
#include "tap.h"

static apr_pool_t *pool;

static const char *const argv_two[] = {"script", "", NULL};
static const char *const env_three[] = {"A=1", "B=", "NAME=a=b\n", NULL};
static const char *const none[] = {NULL};
static const char *const rules_three[] = {"r/srv/data", "n", "p80", NULL};
static const char *const values_two[] = {"example.org", "", NULL};

/* A message that has something in each of its places. */
static cgi_wire_request_t full(void)
{
    cgi_wire_request_t r = {.path = "/srv/cgi/script",
                            .dir = "/srv/cgi/",
                            .argv = argv_two,
                            .env = env_three,
                            .identity = 7,
                            .values = values_two,
                            .sandbox = rules_three,
                            .kill_ms = 3000,
                            .limits = 1u << CGI_LIMIT_MEM};

    r.limit[CGI_LIMIT_MEM].rlim_cur = RLIM_INFINITY;
    r.limit[CGI_LIMIT_MEM].rlim_max = 1;
    return r;
}

static int same_list(const char *const *a, const char *const *b)
{
    while (*a && *b && !strcmp(*a, *b)) {
        a++;
        b++;
    }
    return !*a && !*b;
}

static int same(const cgi_wire_request_t *a, const cgi_wire_request_t *b)
{
    int i;

    for (i = 0; i < CGI_LIMIT_MAX; i++) {
        if (a->limit[i].rlim_cur != b->limit[i].rlim_cur ||
            a->limit[i].rlim_max != b->limit[i].rlim_max) {
            return 0;
        }
    }
    return !strcmp(a->path, b->path) && !strcmp(a->dir, b->dir) &&
           a->identity == b->identity && a->kill_ms == b->kill_ms &&
           a->limits == b->limits && same_list(a->argv, b->argv) &&
           same_list(a->env, b->env) &&
           same_list(a->values ? a->values : none, b->values) &&
           !a->sandbox == !b->sandbox &&
           (!a->sandbox || same_list(a->sandbox, b->sandbox));
}

/* Write, read, compare. */
static int goes_through(const cgi_wire_request_t *request)
{
    cgi_wire_request_t got;
    void *data;
    apr_size_t size;

    memset(&got, 0xff, sizeof(got));
    return cgi_wire_encode(request, pool, &data, &size) == APR_SUCCESS &&
           cgi_wire_decode(&got, data, size, pool) == APR_SUCCESS &&
           same(request, &got) && !strcmp(got.root, "") && !got.tmp;
}

static void test_whole(void)
{
    cgi_wire_request_t r = full();

    tap_ok(goes_through(&r), "a message with all that there is");
    r.values = NULL;
    tap_ok(goes_through(&r), "no values");
    r.sandbox = NULL;
    tap_ok(goes_through(&r), "no sandbox");
    r.env = none;
    tap_ok(goes_through(&r), "no environment");
    r.path = r.dir = "";
    tap_ok(goes_through(&r), "empty strings");
    r.kill_ms = 0;
    r.limits = (1u << CGI_LIMIT_MAX) - 1;
    tap_ok(goes_through(&r), "all limits, no SIGKILL");
}

/* The sizes that rules speak of. */
static void test_sizes(void)
{
    cgi_wire_request_t r = full();
    const apr_size_t many = 2 * 1024 * 1024, largest = CGI_WIRE_MAX;
    char *value = malloc(largest);
    const char **env = malloc((many / 16 + 1) * sizeof(*env));
    void *data;
    apr_size_t i, size, rest;

    for (i = 0; i < many / 16; i++) {
        env[i] = "VARIABLE=1234567"; /* 16, and a NUL */
    }
    env[i] = NULL;
    r.env = env;
    tap_ok(goes_through(&r), "2 MiB of variables");

    env[0] = value;
    env[1] = NULL;
    *value = '\0';
    cgi_wire_encode(&r, pool, &data, &rest);
    memset(value, 'x', largest);
    value[largest - rest] = '\0';
    tap_ok(cgi_wire_encode(&r, pool, &data, &size) == APR_SUCCESS &&
               size == largest && goes_through(&r),
           "the largest message");
    value[largest - rest] = 'x';
    value[largest - rest + 1] = '\0';
    tap_ok(cgi_wire_encode(&r, pool, &data, &size) == E2BIG,
           "a byte more is too big");
    free(env);
    free(value);
}

static void test_incomplete(void)
{
    static const char *const no_words[] = {NULL};
    cgi_wire_request_t r;
    void *data;
    apr_size_t size;

    r = full();
    r.path = NULL;
    tap_ok(cgi_wire_encode(&r, pool, &data, &size) == APR_EINVAL, "no path");
    r = full();
    r.dir = NULL;
    tap_ok(cgi_wire_encode(&r, pool, &data, &size) == APR_EINVAL, "no dir");
    r = full();
    r.argv = NULL;
    tap_ok(cgi_wire_encode(&r, pool, &data, &size) == APR_EINVAL, "no argv");
    r.argv = no_words;
    tap_ok(cgi_wire_encode(&r, pool, &data, &size) == APR_EINVAL,
           "no argv[0]");
    r = full();
    r.env = NULL;
    tap_ok(cgi_wire_encode(&r, pool, &data, &size) == APR_EINVAL, "no env");
}

/* A copy of its very size, so that a sanitizer sees each byte too many. */
static apr_status_t decode(const void *data, apr_size_t size)
{
    cgi_wire_request_t got;
    void *copy = malloc(size ? size : 1);
    apr_status_t rv;

    memcpy(copy, data, size);
    rv = cgi_wire_decode(&got, copy, size, pool);
    free(copy);
    return rv;
}

static void test_cut(void)
{
    cgi_wire_request_t r = full();
    void *data;
    char *longer;
    apr_size_t size, i;
    int refused = 0;

    cgi_wire_encode(&r, pool, &data, &size);
    for (i = 0; i < size; i++) {
        refused += decode(data, i) == APR_EINVAL;
    }
    tap_ok(refused == (int)size, "no part of a message is one: %d of %d",
           refused, (int)size);
    longer = apr_palloc(pool, size + 1);
    memcpy(longer, data, size);
    longer[size] = '\0';
    tap_ok(decode(longer, size + 1) == APR_EINVAL, "nor is more than one");
    tap_ok(decode(data, size) == APR_SUCCESS, "the whole is");
}

/* Numbers of the message's head, as 32 bits each: the magic number, the
 * size, the numbers of words and variables, kill_ms, limits, the identity,
 * the numbers of values and rules. */
enum {
    MAGIC_AT,
    SIZE_AT,
    ARGC_AT,
    ENVC_AT,
    KILL_AT,
    LIMITS_AT,
    ID_AT,
    VALUEC_AT,
    RULEC_AT
};

static apr_status_t with_number(int at, uint32_t number)
{
    cgi_wire_request_t r = full();
    void *data;
    apr_size_t size;

    cgi_wire_encode(&r, pool, &data, &size);
    memcpy((char *)data + (apr_size_t)at * sizeof(number), &number,
           sizeof(number));
    return decode(data, size);
}

static apr_status_t with_words_as_variables(void)
{
    const uint32_t none_of_five[2] = {0, 5};
    cgi_wire_request_t r = full();
    void *data;
    apr_size_t size;

    cgi_wire_encode(&r, pool, &data, &size);
    memcpy((char *)data + ARGC_AT * sizeof(uint32_t), none_of_five,
           sizeof(none_of_five));
    return decode(data, size);
}

static void test_numbers(void)
{
    static const uint32_t odd[] = {0,          1,          3,
                                   0x7fffffff, 0x80000000, 0xffffffff};
    apr_size_t i;

    tap_ok(with_number(ARGC_AT, 2) == APR_SUCCESS, "two words there are");
    for (i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        tap_ok(with_number(MAGIC_AT, odd[i]) == APR_EINVAL &&
                   with_number(SIZE_AT, odd[i]) == APR_EINVAL &&
                   with_number(ARGC_AT, odd[i]) == APR_EINVAL,
               "not %lx words, nor of that size", (unsigned long)odd[i]);
        tap_ok(with_number(ENVC_AT, odd[i]) ==
                   (odd[i] == 3 ? APR_SUCCESS : APR_EINVAL),
               "%lx variables: as many as there are", (unsigned long)odd[i]);
        tap_ok(with_number(VALUEC_AT, odd[i]) == APR_EINVAL, "not %lx values",
               (unsigned long)odd[i]);
        tap_ok(with_number(RULEC_AT, odd[i]) ==
                   (odd[i] == 3 ? APR_SUCCESS : APR_EINVAL),
               "%lx rules: as many as there are", (unsigned long)odd[i]);
    }
    tap_ok(with_words_as_variables() == APR_EINVAL,
           "nor none, though the number of strings is right");
    tap_ok(with_number(LIMITS_AT, 1u << CGI_LIMIT_MAX) == APR_EINVAL,
           "no limit that there is not");
    tap_ok(with_number(ID_AT, 0xffffffff) == APR_SUCCESS,
           "any identity: its rules come later");
    tap_ok(with_number(KILL_AT, 0xffffffff) == APR_SUCCESS, "any time");
}

static void test_claims(void)
{
    cgi_wire_claim_t claim, wrong;

    cgi_wire_claim(&claim, 77);
    tap_ok(cgi_wire_claimed(&claim, sizeof(claim)) == 77, "a claim");
    tap_ok(!cgi_wire_claimed(&claim, sizeof(claim) - 1), "half of one");
    tap_ok(!cgi_wire_claimed(&claim, 0), "nothing of one");
    wrong = claim;
    wrong.magic ^= 1;
    tap_ok(!cgi_wire_claimed(&wrong, sizeof(wrong)), "other bytes");
    cgi_wire_claim(&wrong, -77);
    tap_ok(!cgi_wire_claimed(&wrong, sizeof(wrong)), "a process group");
    cgi_wire_claim(&wrong, 0);
    tap_ok(!cgi_wire_claimed(&wrong, sizeof(wrong)), "no process");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    test_whole();
    test_sizes();
    test_incomplete();
    test_cut();
    test_numbers();
    test_claims();
    apr_pool_destroy(pool);
    return tap_done();
}
