/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGIWarm: interpreters that are there before a script is asked for. Which
 * launchers have one, and which scripts may go to them.
 */
#ifndef CGI_WARM_H
#define CGI_WARM_H

#include "cgi/script.h"

/** One CGIWarm. */
typedef struct cgi_warm_t {
    int number;          /* from 1 */
    const char *name;    /* as the directive has it, with its user */
    const char *program; /* absolute path of the interpreter */
    const char *plugin;  /* path of the shared object, by cgi_warm_find() */
    apr_array_header_t *modules; /* const char * */
    int watch;                   /* watch=on */
    dev_t device;                /* of the program */
    ino_t inode;
    const char *user; /* user=; or NULL: httpd's own */
    uid_t uid;        /* with user=, as are the next two */
    gid_t gid;
    const char *const *groups; /* further ones, as numbers; or NULL */
} cgi_warm_t;

/** Is it for scripts with this identity: that user with his groups, in no
 * root directory of their own?
 * @param identity or NULL: those of httpd's own user */
int cgi_warm_is_for(const cgi_warm_t *warm, const cgi_identity_t *identity);

/** Look for the programs that CGIWarm needs. In the parent, at check_config.
 * @param launcher path of cgi-launcher, beside which they are
 * @param warm cgi_warm_t *, or NULL
 * @return 0: one is missing, logged */
int cgi_warm_find(apr_pool_t *p, server_rec *s, const char *launcher,
                  const apr_array_header_t *warm);

/** May this script be asked of launchers with an interpreter? They have the
 * last word on it. Why not is logged at level trace1.
 * @param request its message, complete
 * @return number of the CGIWarm, from 1; or 0 */
int cgi_warm_choose(const cgi_script_t *script, const cgi_request_t *q,
                    const cgi_wire_request_t *request);

/** The program that has interpreters, beside cgi-launcher. */
const char *cgi_warm_program(apr_pool_t *p, const char *launcher);

#endif /* CGI_WARM_H */
