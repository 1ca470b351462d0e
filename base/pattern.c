/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "apr_strings.h"
#include "apr_thread_proc.h"

#include "base/pattern.h"
#include "base/prefix.h"

/* A URL is short: a pattern that needs more steps than this has run away.
 * The limit is some milliseconds of work, compiled or interpreted. */
#define MATCH_STEPS_MAX 500000
#define MATCH_DEPTH_MAX 10000
#define MATCH_HEAP_KIB_MAX 4096
#define JIT_STACK_START (32 * 1024)
#define JIT_STACK_MAX (512 * 1024)

struct route_pattern_t {
    pcre2_code *code;
    int groups;
    int jit;
    const char *prefix, *rest;
};

/* What a thread keeps from match to match. */
typedef struct matcher_t {
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
} matcher_t;

static void matcher_free(void *data)
{
    matcher_t *m = data;

    if (m) {
        pcre2_match_data_free(m->data);
        pcre2_match_context_free(m->context);
        pcre2_jit_stack_free(m->stack);
        free(m);
    }
}

static matcher_t *matcher_create(void)
{
    matcher_t *m = calloc(1, sizeof(*m));

    if (!m) {
        return NULL;
    }
    m->context = pcre2_match_context_create(NULL);
    m->data = pcre2_match_data_create(ROUTE_GROUPS_MAX, NULL);
    m->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
    if (!m->context || !m->data || !m->stack) {
        matcher_free(m);
        return NULL;
    }
    pcre2_set_match_limit(m->context, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(m->context, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(m->context, MATCH_HEAP_KIB_MAX);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return m;
}

#if APR_HAS_THREADS

static apr_threadkey_t *matcher_key;

static matcher_t *matcher_get(void)
{
    void *data = NULL;

    if (apr_threadkey_private_get(&data, matcher_key) != APR_SUCCESS) {
        return NULL;
    }
    if (!data) {
        data = matcher_create();
        if (data &&
            apr_threadkey_private_set(data, matcher_key) != APR_SUCCESS) {
            matcher_free(data);
            data = NULL;
        }
    }
    return data;
}

/* Other threads free their own when they end; the thread that clears the
 * pool lives on after the module is unloaded. */
static apr_status_t matcher_key_delete(void *key)
{
    void *data = NULL;

    if (apr_threadkey_private_get(&data, key) == APR_SUCCESS) {
        matcher_free(data);
    }
    matcher_key = NULL;
    return apr_threadkey_private_delete(key);
}

apr_status_t route_pattern_init(apr_pool_t *p)
{
    apr_status_t rv =
        apr_threadkey_private_create(&matcher_key, matcher_free, p);

    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, matcher_key, matcher_key_delete,
                                  apr_pool_cleanup_null);
    }
    return rv;
}

#else

static matcher_t *the_matcher;

static matcher_t *matcher_get(void)
{
    if (!the_matcher) {
        the_matcher = matcher_create();
    }
    return the_matcher;
}

static apr_status_t matcher_delete(void *data)
{
    matcher_free(the_matcher);
    the_matcher = NULL;
    return APR_SUCCESS;
}

apr_status_t route_pattern_init(apr_pool_t *p)
{
    apr_pool_cleanup_register(p, NULL, matcher_delete, apr_pool_cleanup_null);
    return APR_SUCCESS;
}

#endif

static apr_status_t code_free(void *code)
{
    pcre2_code_free(code);
    return APR_SUCCESS;
}

const char *route_pattern_compile(apr_pool_t *p, route_pattern_t **pattern,
                                  const char *regex)
{
    route_pattern_t *pat = apr_pcalloc(p, sizeof(*pat));
    PCRE2_SIZE offset = 0;
    apr_uint32_t groups = 0, options = 0;
    int err = 0;

    /* "$" is the end of the path, not also the place before a last newline */
    pat->code = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED,
                              PCRE2_DOLLAR_ENDONLY, &err, &offset, NULL);
    if (!pat->code) {
        char text[256];

        pcre2_get_error_message(err, (PCRE2_UCHAR *)text, sizeof(text));
        return apr_psprintf(p,
                            "REGEX must be a regular expression: %s at "
                            "character %" APR_SIZE_T_FMT " of \"%s\"",
                            text, (apr_size_t)offset + 1, regex);
    }
    apr_pool_cleanup_register(p, pat->code, code_free, apr_pool_cleanup_null);

    pcre2_pattern_info(pat->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups >= ROUTE_GROUPS_MAX) {
        return apr_psprintf(p, "REGEX must have fewer than %d groups",
                            ROUTE_GROUPS_MAX);
    }
    pat->groups = (int)groups + 1;

    pcre2_pattern_info(pat->code, PCRE2_INFO_ALLOPTIONS, &options);
    pat->prefix = "";
    pat->rest = regex;
    if (options & PCRE2_ANCHORED) {
        pat->prefix = route_prefix_of_regex(p, regex, &pat->rest);
    }

    /* Where machine code is forbidden (SELinux), PCRE2 interprets. */
    pat->jit = pcre2_jit_compile(pat->code, PCRE2_JIT_COMPLETE) == 0;
    *pattern = pat;
    return NULL;
}

route_match_e route_pattern_match(apr_pool_t *p,
                                  const route_pattern_t *pattern,
                                  const char *subject, route_match_t *m)
{
    matcher_t *matcher = matcher_get();
    const apr_size_t length = strlen(subject);
    const PCRE2_SIZE *ovector;
    apr_size_t *offsets;
    int i, rc;

    if (!matcher) {
        return ROUTE_MATCH_ERROR;
    }
    rc = pcre2_match(pattern->code, (PCRE2_SPTR)subject, length, 0, 0,
                     matcher->data, matcher->context);
    if (rc < 0) {
        switch (rc) {
        case PCRE2_ERROR_MATCHLIMIT:
        case PCRE2_ERROR_DEPTHLIMIT:
        case PCRE2_ERROR_HEAPLIMIT:
        case PCRE2_ERROR_JIT_STACKLIMIT:
            return ROUTE_MATCH_RUNAWAY;
        case PCRE2_ERROR_NOMEMORY:
            return ROUTE_MATCH_ERROR;
        default:
            return rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21
                       ? ROUTE_MATCH_NOT_UTF
                       : ROUTE_MATCH_NO;
        }
    }

    /* Copied: a sub-request on this thread may match before they are used. */
    ovector = pcre2_get_ovector_pointer(matcher->data);
    offsets =
        apr_palloc(p, 2 * (apr_size_t)pattern->groups * sizeof(*offsets));
    for (i = 0; i < 2 * pattern->groups; i++) {
        offsets[i] = i < 2 * rc && ovector[i] != PCRE2_UNSET ? ovector[i]
                                                             : ROUTE_NO_OFFSET;
    }
    /* \K can put the start behind the end: then there is no text to speak of
     */
    if (offsets[0] > offsets[1]) {
        return ROUTE_MATCH_NO;
    }
    m->subject = apr_pstrmemdup(p, subject, length);
    m->end = offsets[1];
    m->groups = pattern->groups;
    m->offsets = offsets;
    return ROUTE_MATCH_YES;
}

int route_pattern_groups(const route_pattern_t *pattern)
{
    return pattern->groups;
}

int route_pattern_group_named(const route_pattern_t *pattern, const char *name)
{
    int n = pcre2_substring_number_from_name(pattern->code, (PCRE2_SPTR)name);

    return n > 0 ? n : -1;
}

int route_pattern_has_jit(const route_pattern_t *pattern)
{
    return pattern->jit;
}

const char *route_pattern_prefix(const route_pattern_t *pattern)
{
    return pattern->prefix;
}

const char *route_pattern_rest(const route_pattern_t *pattern)
{
    return pattern->rest;
}
