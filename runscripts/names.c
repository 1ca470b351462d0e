/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Suffixes of scripts, and names of files that are never served.
 */

#include <string.h>
#include <strings.h>

#include "apr_strings.h"

#include "runscripts/runscripts.h"

static const runscripts_suffix_t default_suffix = {".doit", 5};
static const runscripts_suffix_t default_nph_suffix = {".nph", 4};

static const apr_array_header_t suffixes = {NULL, sizeof(runscripts_suffix_t),
                                            1, 1, (char *)&default_suffix};
static const apr_array_header_t nph_suffixes = {
    NULL, sizeof(runscripts_suffix_t), 1, 1, (char *)&default_nph_suffix};

const apr_array_header_t *runscripts_suffixes(const runscripts_dir_t *dir)
{
    return dir->suffixes ? dir->suffixes : &suffixes;
}

const apr_array_header_t *runscripts_nph_suffixes(const runscripts_dir_t *dir)
{
    return dir->nph_suffixes ? dir->nph_suffixes : &nph_suffixes;
}

static int contains(const apr_array_header_t *list, const char *text)
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, runscripts_suffix_t).text, text)) {
            return 1;
        }
    }
    return 0;
}

const char *runscripts_suffixes_add(apr_pool_t *p, apr_array_header_t *list,
                                    const char *text)
{
    runscripts_suffix_t *suffix;

    if (text[0] != '.' || text[1] == '\0') {
        return apr_psprintf(p,
                            "suffix \"%s\" must be a dot and at least one "
                            "more character",
                            text);
    }
    if (strchr(text, '/')) {
        return apr_psprintf(p, "suffix \"%s\" must not contain a slash", text);
    }
    if (contains(list, text)) {
        return apr_psprintf(p, "suffix \"%s\" must be given once only", text);
    }
    suffix = apr_array_push(list);
    suffix->text = text;
    suffix->len = strlen(text);
    return NULL;
}

const char *runscripts_suffixes_common(const apr_array_header_t *one,
                                       const apr_array_header_t *two)
{
    int i;

    for (i = 0; one && two && i < one->nelts; i++) {
        const char *text = APR_ARRAY_IDX(one, i, runscripts_suffix_t).text;

        if (contains(two, text)) {
            return text;
        }
    }
    return NULL;
}

static inline int has_suffix(const char *name, size_t len,
                             const apr_array_header_t *list,
                             int (*compare)(const char *, const char *))
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        const runscripts_suffix_t *suffix =
            &APR_ARRAY_IDX(list, i, runscripts_suffix_t);

        /* The last letter first, but for its case: most names end in
         * another. */
        if (len >= suffix->len &&
            !((name[len - 1] ^ suffix->text[suffix->len - 1]) & ~0x20) &&
            !compare(name + len - suffix->len, suffix->text)) {
            return 1;
        }
    }
    return 0;
}

runscripts_kind_e runscripts_name_kind(const runscripts_dir_t *dir,
                                       const char *name)
{
    size_t len = strlen(name);

    if (has_suffix(name, len, runscripts_suffixes(dir), strcmp)) {
        return RUNSCRIPTS_SCRIPT;
    }
    if (has_suffix(name, len, runscripts_nph_suffixes(dir), strcmp)) {
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
    return has_suffix(name, len, runscripts_suffixes(dir), strcasecmp) ||
           has_suffix(name, len, runscripts_nph_suffixes(dir), strcasecmp);
}
