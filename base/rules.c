/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apr_strings.h"

#include "base/rules.h"

/* The number is the same on all architectures. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define ASK_VERSION 1u /* LANDLOCK_CREATE_RULESET_VERSION */

/* From which version of the interface Landlock has it; landlock(7). */
enum { ABI_FILES = 1, ABI_TRUNCATE = 3, ABI_PORTS = 4, ABI_SCOPE = 6 };

int cgi_sandbox_abi(void)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, ASK_VERSION);

    return abi > 0 ? (int)abi : 0;
}

int cgi_sandbox_has_filter(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
    /* Where filters exist, one at no address is EFAULT, and nothing is set. */
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) < 0 &&
           errno == EFAULT;
#else
    return 0;
#endif
}

int cgi_sandbox_has(const char *const *rules, cgi_sandbox_rule_e rule)
{
    for (; *rules; rules++) {
        if (**rules == (char)rule) {
            return 1;
        }
    }
    return 0;
}

unsigned int cgi_sandbox_lacks(const char *const *rules, int abi, int filter)
{
    unsigned int lacks = 0;

    if (abi < ABI_FILES) {
        lacks |= CGI_SANDBOX_LACKS_FILES;
    }
    else if (abi < ABI_TRUNCATE) {
        lacks |= CGI_SANDBOX_LACKS_TRUNCATE;
    }
    if (abi < ABI_SCOPE) {
        lacks |= CGI_SANDBOX_LACKS_SCOPE;
    }
    if (abi < ABI_PORTS && cgi_sandbox_has(rules, CGI_SANDBOX_PORT)) {
        lacks |= CGI_SANDBOX_LACKS_PORTS;
    }
    return filter ? lacks : lacks | CGI_SANDBOX_LACKS_FILTER;
}

const char *cgi_sandbox_lacks_text(unsigned int lacks, apr_pool_t *p)
{
    static const struct {
        unsigned int part;
        const char *text;
    } parts[] = {
        {CGI_SANDBOX_LACKS_FILES,
         "files that are not allowed (that takes Linux 5.13 with Landlock)"},
        {CGI_SANDBOX_LACKS_TRUNCATE,
         "truncating files (that takes Linux 6.2, Landlock's version 3)"},
        {CGI_SANDBOX_LACKS_PORTS,
         "TCP ports: net= (that takes Linux 6.7, Landlock's version 4)"},
        {CGI_SANDBOX_LACKS_SCOPE,
         "signals to other processes and abstract sockets (that takes Linux "
         "6.12, Landlock's version 6)"},
        {CGI_SANDBOX_LACKS_FILTER,
         "system calls, such as ptrace() and socket() (that takes seccomp "
         "filters, on x86_64 or aarch64)"}};
    const char *text = "";
    size_t i;

    for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (lacks & parts[i].part) {
            text = apr_pstrcat(p, text, *text ? ", nor from " : "",
                               parts[i].text, NULL);
        }
    }
    return text;
}
