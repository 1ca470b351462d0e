/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Scripts that run as another user or in another root directory, and what
 * the privileged launcher lets a worker say about them.
 *
 * The launcher reads the identities from httpd's parent, at its start. A
 * message of a worker then names one by its number, and says what the
 * references in its templates stand for. Paths, words of the command line,
 * ids and the values of SetEnv are put together by the launcher, never taken
 * from a worker.
 */
#ifndef CGI_IDENTITY_H
#define CGI_IDENTITY_H

#include <sys/types.h>

#include "base/wire.h"

/** Text with references: words, ended by NULL. "=text" is that text, "$n"
 * the value with the number n, from 0. NULL: there is no such text. */
typedef const char *const *cgi_identity_text_t;

/** What a value may be; one letter a value in cgi_identity_t.values. None
 * of them has a segment "." or ".." in it, or an end of line. */
typedef enum {
    CGI_VALUE_NAMES = 'n', /* segments of letters, digits, ".", "_" and "-",
                              none beginning with "." or "-" */
    CGI_VALUE_ANY = 'a',   /* any other characters */
    CGI_VALUE_HOST = 'h'   /* a host: one segment, not empty */
} cgi_identity_value_e;

/** A variable that the configuration sets. */
typedef struct cgi_identity_var_t {
    const char *name;
    cgi_identity_text_t value;
} cgi_identity_var_t;

typedef struct cgi_identity_t {
    uid_t uid; /* never 0 */
    gid_t gid;
    const char *const *groups;      /* further groups, as numbers; or NULL */
    const char *values;             /* cgi_identity_value_e of each value */
    cgi_identity_text_t root;       /* chroot directory, or NULL */
    cgi_identity_text_t script;     /* as seen from the root, like dir */
    cgi_identity_text_t dir;        /* or NULL: the script's directory */
    const char *const *interpreter; /* words before the script; or NULL */
    const cgi_identity_var_t *vars; /* ended by a name of NULL; a name may be
                                       there more than once; or NULL */
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
 * @return APR_SUCCESS; or APR_EINVAL: not such bytes, a user id of 0, or a
 *         reference to a value that there is not
 */
apr_status_t cgi_identity_decode(cgi_identity_t **identities, int *n,
                                 void *data, apr_size_t size, apr_pool_t *p);

/**
 * Check a worker's message against an identity, and make the message that may
 * run: root, dir, path and argv come from the identity. Of the environment
 * remain the variables of CGI, and those that the configuration sets, with the
 * configuration's values.
 * @param safe gets the result, allocated from p, sharing request's strings
 * @return NULL, or why it is refused
 */
const char *cgi_identity_check(const cgi_identity_t *identity,
                               const cgi_wire_request_t *request,
                               cgi_wire_request_t *safe, apr_pool_t *p);

#endif /* CGI_IDENTITY_H */
