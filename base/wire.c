/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/wire.h"

/* Both sides are built together: the magic number is the version too. */
#define MAGIC 0x43474935u
#define MAGIC_CLAIM (MAGIC ^ 0x80808080u)

typedef struct wire_header_t {
    uint32_t magic;
    uint32_t size; /* of the whole message */
    uint32_t argc;
    uint32_t envc;
    uint32_t kill_ms;
    uint32_t limits;
    uint32_t identity;
    uint32_t valuec;
    uint32_t rulec;
    uint32_t unused;                  /* no gap */
    uint64_t limit[CGI_LIMIT_MAX][2]; /* soft, hard */
} wire_header_t;

/* Add the strings' sizes, each with its NUL, to *size; count them. */
static uint32_t measure(const char *const *strings, apr_size_t *size)
{
    uint32_t n;

    for (n = 0; strings[n]; n++) {
        *size += strlen(strings[n]) + 1;
    }
    return n;
}

static char *put(char *to, const char *string)
{
    apr_size_t len = strlen(string) + 1;

    memcpy(to, string, len);
    return to + len;
}

apr_status_t cgi_wire_encode(const cgi_wire_request_t *request, apr_pool_t *p,
                             void **data, apr_size_t *size)
{
    static const char *const none[] = {NULL};
    const char *const *values = request->values ? request->values : none;
    const char *const *rules = request->sandbox ? request->sandbox : none;
    wire_header_t header = {.magic = MAGIC};
    apr_size_t len = sizeof(header);
    char *to;
    int i;

    if (!request->path || !request->dir || !request->argv ||
        !request->argv[0] || !request->env) {
        return APR_EINVAL;
    }
    len += strlen(request->path) + 1 + strlen(request->dir) + 1;
    header.argc = measure(request->argv, &len);
    header.envc = measure(request->env, &len);
    header.valuec = measure(values, &len);
    header.rulec = measure(rules, &len);
    if (len > CGI_WIRE_MAX) {
        return E2BIG;
    }
    header.size = (uint32_t)len;
    header.kill_ms = request->kill_ms;
    header.limits = request->limits;
    header.identity = request->identity;
    for (i = 0; i < CGI_LIMIT_MAX; i++) {
        header.limit[i][0] = request->limit[i].rlim_cur;
        header.limit[i][1] = request->limit[i].rlim_max;
    }

    *data = apr_palloc(p, len);
    *size = len;
    memcpy(*data, &header, sizeof(header));
    to = put((char *)*data + sizeof(header), request->path);
    to = put(to, request->dir);
    for (i = 0; request->argv[i]; i++) {
        to = put(to, request->argv[i]);
    }
    for (i = 0; request->env[i]; i++) {
        to = put(to, request->env[i]);
    }
    for (i = 0; values[i]; i++) {
        to = put(to, values[i]);
    }
    for (i = 0; rules[i]; i++) {
        to = put(to, rules[i]);
    }
    return APR_SUCCESS;
}

/* The next string of the message, or NULL when there is no whole one. */
static const char *take(char **at, const char *end)
{
    const char *string = *at;
    char *nul = memchr(*at, '\0', (size_t)(end - *at));

    if (!nul) {
        return NULL;
    }
    *at = nul + 1;
    return string;
}

static const char *const *take_list(char **at, const char *end, uint32_t n,
                                    apr_pool_t *p)
{
    const char **list = apr_palloc(p, (n + (apr_size_t)1) * sizeof(*list));
    uint32_t i;

    if (!list) {
        return NULL;
    }
    for (i = 0; i < n; i++) {
        if (!(list[i] = take(at, end))) {
            return NULL;
        }
    }
    list[n] = NULL;
    return list;
}

apr_status_t cgi_wire_decode(cgi_wire_request_t *request, void *data,
                             apr_size_t size, apr_pool_t *p)
{
    wire_header_t header;
    char *at = data;
    const char *end = at + size;
    int i;

    if (size < sizeof(header) || size > CGI_WIRE_MAX) {
        return APR_EINVAL;
    }
    memcpy(&header, data, sizeof(header));
    /* Each string takes a byte at least: bounds the arrays below. */
    if (header.magic != MAGIC || header.size != size || header.argc < 1 ||
        header.argc > size || header.envc > size || header.valuec > size ||
        header.rulec > size || (header.limits >> CGI_LIMIT_MAX) != 0) {
        return APR_EINVAL;
    }
    at += sizeof(header);
    if (!(request->path = take(&at, end)) ||
        !(request->dir = take(&at, end)) ||
        !(request->argv = take_list(&at, end, header.argc, p)) ||
        !(request->env = take_list(&at, end, header.envc, p)) ||
        !(request->values = take_list(&at, end, header.valuec, p)) ||
        !(request->sandbox = take_list(&at, end, header.rulec, p)) ||
        at != end) {
        return APR_EINVAL;
    }
    if (!*request->sandbox) {
        request->sandbox = NULL;
    }
    request->tmp = NULL;
    request->root = "";
    request->kill_ms = header.kill_ms;
    request->limits = header.limits;
    request->identity = header.identity;
    for (i = 0; i < CGI_LIMIT_MAX; i++) {
        request->limit[i].rlim_cur = header.limit[i][0];
        request->limit[i].rlim_max = header.limit[i][1];
    }
    return APR_SUCCESS;
}

void cgi_wire_claim(cgi_wire_claim_t *claim, pid_t pid)
{
    claim->magic = MAGIC_CLAIM;
    claim->pid = (int)pid;
}

pid_t cgi_wire_claimed(const void *data, apr_size_t size)
{
    cgi_wire_claim_t claim;

    if (size != sizeof(claim)) {
        return 0;
    }
    memcpy(&claim, data, sizeof(claim));
    return claim.magic == MAGIC_CLAIM && claim.pid > 0 ? claim.pid : 0;
}
