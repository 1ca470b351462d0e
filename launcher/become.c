/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Whom the privileged launcher may make a script of.
 */

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/launcher.h"

/* What the privileged launcher may make of a script; else NULL. */
static launcher_become_t *become_list;
static int nbecome;

/* All groups of an identity. */
static void read_groups(launcher_become_t *who, apr_pool_t *pool)
{
    const cgi_identity_t *id = who->identity;
    int i, n = 0;

    while (id->groups && id->groups[n]) {
        n++;
    }
    who->ngroups = n + 1;
    who->groups = apr_palloc(pool, (size_t)who->ngroups * sizeof(gid_t));
    who->groups[0] = id->gid;
    for (i = 0; i < n; i++) {
        who->groups[i + 1] = (gid_t)strtoul(id->groups[i], NULL, 10);
    }
}

void launcher_read_identities(int fd, apr_pool_t *pool)
{
    cgi_identity_t *identities;
    off_t size = lseek(fd, 0, SEEK_END);
    void *data;
    int i;

    if (size <= 0 ||
        !(data = launcher_read_file(fd, (apr_size_t)size, pool)) ||
        cgi_identity_decode(&identities, &nbecome, data, (apr_size_t)size,
                            pool)) {
        errno = EINVAL;
        launcher_die("reading the identities");
    }
    become_list =
        apr_pcalloc(pool, (size_t)(nbecome + 1) * sizeof(launcher_become_t));
    for (i = 0; i < nbecome; i++) {
        become_list[i].identity = &identities[i];
        read_groups(&become_list[i], pool);
    }
}

static int is_own(const launcher_become_t *who, const gid_t *groups,
                  int ngroups)
{
    return who->identity->uid == getuid() && who->identity->gid == getgid() &&
           !who->identity->root && who->ngroups == ngroups &&
           !memcmp(who->groups, groups, (size_t)ngroups * sizeof(*groups));
}

void launcher_keep_own(const gid_t *groups, int ngroups)
{
    int i;

    for (i = 0; i < nbecome; i++) {
        if (!is_own(&become_list[i], groups, ngroups)) {
            become_list[i].identity = NULL;
        }
    }
}

int launcher_has_identities(void)
{
    return become_list != NULL;
}

const launcher_become_t *launcher_identity(unsigned int number)
{
    return number && number <= (unsigned int)nbecome &&
                   become_list[number - 1].identity
               ? &become_list[number - 1]
               : NULL;
}

int launcher_become(const launcher_become_t *who, const char *root)
{
    if (*root && (chdir(root) || chroot("."))) {
        return CGI_STAGE_ROOT;
    }
    if (setgroups((size_t)who->ngroups, who->groups) ||
        setgid(who->identity->gid) || setuid(who->identity->uid)) {
        return CGI_STAGE_USER;
    }
    return 0;
}
