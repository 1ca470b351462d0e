/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the parts of mod_runscripts share.
 *
 *   mod_runscripts.c       configuration, hooks, "which script is this URL?"
 *   runscripts/options.c   the word RunScripts in Options and AllowOverride
 *   runscripts/names.c     suffixes, and names that are never served
 *   runscripts/type.c      media type of a cover sheet
 *   runscripts/speling.c   keeps such names out of mod_speling's answers
 */
#ifndef RUNSCRIPTS_H
#define RUNSCRIPTS_H

#include "httpd.h"
#include "http_config.h"

#include "cgi/cgi_exec.h"

/** The handler of a request that was mapped to a script. */
#define RUNSCRIPTS_HANDLER "runscripts"

/** One bit of what core keeps for Options in a section. Like core's, it is
 * written while the section is read and when sections are merged. */
typedef struct runscripts_option_t {
    unsigned char on;     /* the bit, as far as this section knows */
    unsigned char unset;  /* 1: no list without + or - has been seen */
    unsigned char add;    /* 1: +RunScripts */
    unsigned char remove; /* 1: -RunScripts */
    unsigned char narrow; /* 1: Options stands in <Files> or <If> */
    unsigned char hide;   /* 1: sources are not served: the option is on, or
                           * off for one file or by a condition only */
} runscripts_option_t;

/** An ending of file names, and its length. */
typedef struct runscripts_suffix_t {
    const char *text;
    size_t len;
} runscripts_suffix_t;

/** The configuration of one directory (section, .htaccess, or merged). */
typedef struct runscripts_dir_t {
    cgi_exec_dir_t exec; /* must be the first: the engine's directives */
    runscripts_option_t option;
    /** AllowOverride of this section: may a .htaccess file below turn
     * RunScripts on? 1, 0, or -1: this section does not say. Not merged: what
     * core keeps of the line carries it. */
    int allow_override;
    /** RunScriptsSuffix, RunScriptsNPHSuffix: runscripts_suffix_t; or NULL:
     * unset. */
    const apr_array_header_t *suffixes;
    const apr_array_header_t *nph_suffixes;
} runscripts_dir_t;

/** What a file name says about a file. */
typedef enum {
    RUNSCRIPTS_PLAIN = 0, /* not a script */
    RUNSCRIPTS_SCRIPT,    /* ends in a suffix of RunScriptsSuffix */
    RUNSCRIPTS_NPH        /* ends in a suffix of RunScriptsNPHSuffix */
} runscripts_kind_e;

/* ---- options.c ---- */

/** Directive setter, RAW_ARGS: takes RunScripts out of the words of Options
 * before core reads them. */
const char *runscripts_options_set(cmd_parms *cmd, void *dir,
                                   const char *args);

/** The same for AllowOverride Options=... */
const char *runscripts_override_set(cmd_parms *cmd, void *dir,
                                    const char *args);

/** Let .htaccess files be read by what AllowOverride says of RunScripts. In
 * the parent, when the configuration has been read. */
void runscripts_override_apply(apr_pool_t *pconf);

/** Give the directives that were changed for core their words back, so that
 * mod_info and DUMP_CONFIG show what the administrator wrote. */
void runscripts_options_restore(ap_directive_t *tree);

/** Set all members to "unset". */
void runscripts_options_init(runscripts_dir_t *dir);

/** Would a merge of the option give just base, or just add? (For speed: few
 * sections with Options are about this one.) @return 1 or 0 */
int runscripts_options_keep(const runscripts_dir_t *base,
                            const runscripts_dir_t *add);
int runscripts_options_replace(const runscripts_dir_t *base,
                               const runscripts_dir_t *add);

/** Merge as core merges Options; out may be neither. */
void runscripts_options_merge(runscripts_dir_t *out,
                              const runscripts_dir_t *base,
                              const runscripts_dir_t *add);

/* ---- names.c ---- */

/** Suffixes of plain and of NPH scripts that hold in dir: arrays of
 * runscripts_suffix_t, never NULL. */
const apr_array_header_t *runscripts_suffixes(const runscripts_dir_t *dir);
const apr_array_header_t *runscripts_nph_suffixes(const runscripts_dir_t *dir);

/** Add a suffix to an array of runscripts_suffix_t.
 * @return NULL, or what is wrong with it */
const char *runscripts_suffixes_add(apr_pool_t *p, apr_array_header_t *list,
                                    const char *text);

/** A suffix that is in both lists, or NULL. Each may be NULL. */
const char *runscripts_suffixes_common(const apr_array_header_t *one,
                                       const apr_array_header_t *two);

/** Kind of script that a name without directory stands for. */
runscripts_kind_e runscripts_name_kind(const runscripts_dir_t *dir,
                                       const char *name);

/** Is this the name or path of a file that is never served: a script's
 * source, or an editor's copy? @return 1 or 0. */
int runscripts_name_hidden(const runscripts_dir_t *dir, const char *name);

/* ---- type.c ---- */

/** Media type of a file by its first bytes: text/html, text/plain, or NULL:
 * it is no text, or can't be read. */
const char *runscripts_type_of(const char *path, apr_pool_t *p);

/* ---- speling.c ---- */

/** Put ourselves between httpd and mod_speling; for post_config. */
void runscripts_speling_guard(void);

/** Seen by httpd also where all else of this module is hidden. */
extern module AP_MODULE_DECLARE_DATA runscripts_module
    __attribute__((visibility("default")));

#endif /* RUNSCRIPTS_H */
