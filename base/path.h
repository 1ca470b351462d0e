/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The path of a route's script: put together from templates, and contained
 * in the part of it that the administrator wrote, whatever a URL says.
 */
#ifndef ROUTE_PATH_H
#define ROUTE_PATH_H

#include "base/template.h"

typedef struct route_path_t {
    const route_template_t *script;
    const route_template_t *dir;    /* dir=, or NULL */
    const route_template_t *chroot; /* chroot=, or NULL */
    route_names_e names;
} route_path_t;

/** What it is for one request. */
typedef struct route_place_t {
    const char *script;   /* absolute, as seen from outside of chroot= */
    const char *chroot;   /* its part that is the root directory, or "" */
    const char *work_dir; /* dir= of a script that is absolute by itself, as
                             seen from chroot=; or NULL */
    apr_size_t fixed;     /* bytes of script that are chroot= and dir= */
} route_place_t;

/**
 * Check the templates by themselves, at start-up.
 * @return NULL, or a rule: "dir= must ..."
 */
const char *route_path_check(apr_pool_t *p, const route_path_t *path);

/**
 * The beginning of a template that is certain, up to a "/" that is not part
 * of it; all of it when it has no references.
 */
const char *route_path_fixed(apr_pool_t *p, const route_template_t *t);

/** The directory below which every script lies; or the only script. */
const char *route_path_root(apr_pool_t *p, const route_path_t *path);

/**
 * Put the values of a match in.
 * @param place filled in, from p, when NULL is returned
 * @return NULL, or why the values are refused (a static string)
 */
const char *route_path_expand(apr_pool_t *p, const route_path_t *path,
                              const route_match_t *m, const char *host,
                              route_place_t *place);

#endif /* ROUTE_PATH_H */
