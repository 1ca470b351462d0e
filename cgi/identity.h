/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Scripts that run as another user or in another root directory, and what
 * the privileged launcher lets a worker say about them. Pure.
 *
 * The launcher reads the identities from httpd's parent, at its start. A
 * message of a worker then names one by its number. Everything in the
 * message is held against that identity: ids and interpreter are never taken
 * from a worker, paths only where the configuration leaves them open.
 */
#ifndef CGI_IDENTITY_H
#define CGI_IDENTITY_H

#include <sys/types.h>

#include "wire.h"

/** A path that the configuration fixes, or whose beginning it fixes. */
typedef struct cgi_identity_path_t {
    const char *fixed; /* "": nothing, with open = 0 */
    int open;          /* 1: a request chooses what follows */
} cgi_identity_path_t;

typedef struct cgi_identity_t {
    uid_t uid;
    gid_t gid;
    const char *const *groups;      /* further groups, as numbers; or NULL */
    cgi_identity_path_t root;       /* chroot directory; "": none */
    cgi_identity_path_t script;     /* as seen from the root, like dir */
    cgi_identity_path_t dir;        /* working directory */
    int any_names;                  /* 1: open parts may have any characters
                                       (but never a segment .. or .) */
    const char *const *interpreter; /* words before the script; or NULL */
    const char *const *env_names;   /* variables of the configuration */
} cgi_identity_t;

/**
 * Write identities as bytes, for the launcher.
 * @param data *data gets them, allocated from p
 */
void cgi_identity_encode(const cgi_identity_t *identities, int n,
                         apr_pool_t *p, void **data, apr_size_t *size);

/**
 * Read them.
 * @param identities *identities gets an array of *n, with pointers into data
 * @return APR_SUCCESS or APR_EINVAL
 */
apr_status_t cgi_identity_decode(cgi_identity_t **identities, int *n,
                                 void *data, apr_size_t size, apr_pool_t *p);

/**
 * Hold a worker's message against an identity, and make of it what may run:
 * argv and path of the identity, the environment without names that are
 * neither CGI's nor the configuration's.
 * @param safe gets the result, allocated from p, sharing request's strings
 * @return NULL, or why it is refused
 */
const char *cgi_identity_check(const cgi_identity_t *identity,
                               const cgi_wire_request_t *request,
                               cgi_wire_request_t *safe, apr_pool_t *p);

#endif /* CGI_IDENTITY_H */
