/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What a launcher is started with. Run in the parent.
 */
#ifndef CGI_WORDS_H
#define CGI_WORDS_H

#include "httpd.h"

#include "cgi/warm.h"

/** In a command line: the launcher's number, to be filled in. */
#define CGI_WORDS_NUMBER 4

typedef struct cgi_words_t {
    const char *path;       /* the program; only for the command line */
    const char *cgroup;     /* of its scripts; or NULL */
    int table;              /* memory in which it lists its scripts */
    int privileged;         /* 1: it gets identities, and stays root, or
                               becomes the user of its interpreter */
    const cgi_warm_t *warm; /* its interpreter, or NULL; then */
    int ready_fd;           /* memory in which it says that it has it */
} cgi_words_t;

/** Find the launcher program. Run in the parent, at check_config.
 * @param configured value of CGILauncher, or NULL: the program is looked for
 *        beside the module's own file, then in the install directory
 * @return its path; or NULL, logged with the places where it looked
 */
const char *cgi_words_find(apr_pool_t *p, server_rec *s,
                           const char *configured);

/** A launcher's command line, ended by NULL; without its number. All words are
 * copies: a restart may load this module elsewhere, with its literals.
 * @param cold_at with an interpreter, where it says, "0" or "1", whether there
 *        is to be none */
const char **cgi_words_make(const cgi_words_t *w, int *cold_at, apr_pool_t *p);

/** Its environment, ended by NULL; or NULL: httpd's. */
const char *const *cgi_words_environment(const cgi_words_t *w, apr_pool_t *p);

#endif /* CGI_WORDS_H */
