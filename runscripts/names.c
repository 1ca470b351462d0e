/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Suffixes of scripts, and names of files that are never served. */

#include "runscripts.h"

#include "apr_strings.h"

#include <string.h>
#include <strings.h>

static const char *default_suffix = ".doit";
static const char *default_nph_suffix = ".nph";

static const apr_array_header_t suffixes = {NULL, sizeof(char *), 1, 1,
                                            (char *)&default_suffix};
static const apr_array_header_t nph_suffixes = {NULL, sizeof(char *), 1, 1,
                                                (char *)&default_nph_suffix};

const apr_array_header_t *runscripts_suffixes(const runscripts_dir_t *dir)
{
    return dir->suffixes ? dir->suffixes : &suffixes;
}

const apr_array_header_t *runscripts_nph_suffixes(const runscripts_dir_t *dir)
{
    return dir->nph_suffixes ? dir->nph_suffixes : &nph_suffixes;
}

const char *runscripts_suffixes_check(apr_pool_t *p,
                                      const apr_array_header_t *list)
{
    char *const *suffix = (char *const *)list->elts;
    int i, j;

    if (list->nelts == 0) {
        return "needs at least one suffix, such as .doit";
    }
    for (i = 0; i < list->nelts; i++) {
        if (suffix[i][0] != '.' || suffix[i][1] == '\0') {
            return apr_psprintf(p,
                                "suffix \"%s\" must be a dot and at least "
                                "one more character",
                                suffix[i]);
        }
        if (strchr(suffix[i], '/')) {
            return apr_psprintf(p, "suffix \"%s\" must not contain a slash",
                                suffix[i]);
        }
        for (j = 0; j < i; j++) {
            if (strcmp(suffix[i], suffix[j]) == 0) {
                return apr_psprintf(p, "suffix \"%s\" must be given once only",
                                    suffix[i]);
            }
        }
    }
    return NULL;
}

static int has_suffix(const char *name, const apr_array_header_t *list,
                      int (*compare)(const char *, const char *))
{
    size_t len = strlen(name);
    int i;

    for (i = 0; i < list->nelts; i++) {
        const char *suffix = APR_ARRAY_IDX(list, i, const char *);
        size_t suffix_len = strlen(suffix);

        /* the last character tells most names apart */
        if (len >= suffix_len &&
            ((name[len - 1] ^ suffix[suffix_len - 1]) & ~0x20) == 0 &&
            compare(name + len - suffix_len, suffix) == 0) {
            return 1;
        }
    }
    return 0;
}

runscripts_kind_e runscripts_name_kind(const runscripts_dir_t *dir,
                                       const char *name)
{
    if (has_suffix(name, runscripts_suffixes(dir), strcmp)) {
        return strncmp(name, "nph-", 4) == 0 ? RUNSCRIPTS_NPH
                                             : RUNSCRIPTS_SCRIPT;
    }
    if (has_suffix(name, runscripts_nph_suffixes(dir), strcmp)) {
        return RUNSCRIPTS_NPH;
    }
    return RUNSCRIPTS_PLAIN;
}

int runscripts_name_hidden(const runscripts_dir_t *dir, const char *name)
{
    size_t len = strlen(name);

    if (len == 0) {
        return 0;
    }
    if (name[len - 1] == '~' || name[len - 1] == '#') {
        return 1;
    }
    /* In either case: on a file system that folds case, foo.DOIT is the
     * source of foo.doit. */
    return has_suffix(name, runscripts_suffixes(dir), strcasecmp) ||
           has_suffix(name, runscripts_nph_suffixes(dir), strcasecmp);
}
