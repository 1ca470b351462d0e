/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The word RunScripts in the directives Options and AllowOverride.
 *
 * Core knows the word as an old alias for MultiViews and ExecCGI together
 * and must therefore never see it. httpd calls every module that has a
 * directive of that name, core last, and reads the directive's arguments
 * anew for each: so our setters, called first, write the other words back
 * to the directive. What is wrong with the other words stays in the line, for
 * core to complain about in its own words.
 */

#include <string.h>
#include <strings.h>

#include "apr_strings.h"

#include "http_core.h"
#include "http_log.h"

#include "runscripts/runscripts.h"

APLOG_USE_MODULE(runscripts);

#define WORD "RunScripts"

/* In what core keeps of AllowOverride, a bit of ours beside its OR_*: httpd
 * hands it on to whoever reads a directive of a .htaccess file, in all its
 * sections. */
#define OVERRIDE_DENIES (1 << 24)
/* In pconf: the sections with AllowOverride, as override_t. */
#define OVERRIDES_KEY "runscripts-overrides"

/* A section with AllowOverride, for core and for us. */
typedef struct override_t {
    core_dir_config *core;
    const runscripts_dir_t *dir;
} override_t;

/* One argument of Options. */
typedef struct option_word_t {
    char action; /* '+', '-' or 0 */
    const char *name;
} option_word_t;

/* The arguments as they are in the file, also if the directive has been
 * through here before. */
static const char *original_args(const cmd_parms *cmd, const char *args)
{
    return cmd->directive->data ? cmd->directive->data : args;
}

static void replace_args(cmd_parms *cmd, const char *original,
                         const char *args)
{
    cmd->directive->data = (void *)(apr_uintptr_t)original;
    cmd->directive->args = args;
}

static apr_array_header_t *split_options(apr_pool_t *p, const char *args)
{
    apr_array_header_t *words = apr_array_make(p, 4, sizeof(option_word_t));

    while (*args) {
        const char *w = ap_getword_conf(p, &args);
        option_word_t *word = apr_array_push(words);

        word->action = (*w == '+' || *w == '-') ? *w : '\0';
        word->name = word->action ? w + 1 : w;
    }
    return words;
}

/* Will core refuse this sequence of words, whatever they mean? These are
 * its rules for mixing, and for All and None.
 * @return NULL if not, else its sentence about mixing, or "" */
static const char *sequence_error(const apr_array_header_t *words)
{
    static const char mixed[] =
        "Either all Options must start with + or -, or no Option may.";
    const option_word_t *word = (const option_word_t *)words->elts;
    int relative = 0, all_or_none = 0;
    int i;

    for (i = 0; i < words->nelts; i++) {
        if (word[i].action) {
            if (i > 0 && !relative && !all_or_none) {
                return mixed;
            }
            relative = 1;
        }
        else if (relative) {
            return mixed;
        }
        if (!strcasecmp(word[i].name, "None") ||
            !strcasecmp(word[i].name, "All")) {
            if (i > 0 || relative) {
                return "";
            }
            all_or_none = 1;
        }
    }
    return NULL;
}

static int names_word(const apr_array_header_t *words)
{
    int i;

    for (i = 0; i < words->nelts; i++) {
        if (!strcasecmp(APR_ARRAY_IDX(words, i, option_word_t).name, WORD)) {
            return 1;
        }
    }
    return 0;
}

/* RunScript, RunScripts=on and the like: core would only say "Illegal". */
static int is_misspelt(const char *name)
{
    return !strncasecmp(name, "RunS", 4) && strcasecmp(name, WORD);
}

/* The words without RunScripts, for core. A list of RunScripts alone still
 * turns the other options off. */
static const char *without_word(apr_pool_t *p, const apr_array_header_t *words)
{
    const option_word_t *word = (const option_word_t *)words->elts;
    const char *args = "";
    int i;

    for (i = 0; i < words->nelts; i++) {
        if (strcasecmp(word[i].name, WORD)) {
            char sign[2] = {word[i].action, '\0'};

            args = apr_pstrcat(p, args, *args ? " " : "", sign, word[i].name,
                               NULL);
        }
    }
    return *args || word[0].action ? args : "None";
}

static void apply_word(runscripts_option_t *option, const option_word_t *word)
{
    if (word->action == '-') {
        option->remove = 1;
        option->add = 0;
        option->on = 0;
    }
    else if (word->action == '+') {
        option->add = 1;
        option->remove = 0;
        option->on = 1;
    }
    else {
        option->on = 1;
    }
}

const char *runscripts_options_set(cmd_parms *cmd, void *dir_,
                                   const char *args)
{
    runscripts_dir_t *dir = dir_;
    const char *original = original_args(cmd, args);
    apr_array_header_t *words = split_options(cmd->temp_pool, original);
    const option_word_t *word = (const option_word_t *)words->elts;
    int named = names_word(words);
    const char *error;
    int i;

    for (i = 0; i < words->nelts; i++) {
        if (is_misspelt(word[i].name)) {
            return apr_psprintf(cmd->pool,
                                "Illegal option %s, must be RunScripts",
                                word[i].name);
        }
    }
    if (words->nelts == 0) {
        return NULL;
    }
    if ((error = sequence_error(words)) != NULL) {
        /* Core might say first that RunScripts is not allowed. */
        return named && *error ? error : NULL;
    }

    for (i = 0; i < words->nelts; i++) {
        int is_ours = !strcasecmp(word[i].name, WORD);

        if (i == 0 && !word[i].action) {
            dir->option.unset = 0;
            dir->option.on = 0;
        }
        if (!is_ours && strcasecmp(word[i].name, "All")) {
            continue;
        }
        if (cmd->override & OVERRIDE_DENIES) {
            return apr_psprintf(cmd->pool, "Option %s not allowed here",
                                is_ours ? WORD : "All");
        }
        apply_word(&dir->option, &word[i]);
    }
    dir->option.hide = dir->option.on;
    if (ap_check_cmd_context(cmd, NOT_IN_FILES)) {
        dir->option.narrow = 1;
    }
    if (named) {
        replace_args(cmd, original, without_word(cmd->pool, words));
    }
    return NULL;
}

/* Take RunScripts out of the list "A,B,C".
 * @return 1 if it was in it. */
static int remove_from_list(apr_pool_t *p, const char *list,
                            const char **others)
{
    char *rest = apr_pstrdup(p, list);
    char *name, *state;
    int found = 0;

    *others = "";
    for (name = apr_strtok(rest, ",", &state); name;
         name = apr_strtok(NULL, ",", &state)) {
        if (!strcasecmp(name, WORD)) {
            found = 1;
        }
        else {
            *others = apr_pstrcat(p, *others, **others ? "," : "", name, NULL);
        }
    }
    return found;
}

static int is_in_list(const char *list, const char *name)
{
    size_t len = strlen(name);

    while (strncasecmp(list, name, len) ||
           (list[len] != ',' && list[len] != '\0')) {
        list = strchr(list, ',');
        if (!list) {
            return 0;
        }
        list++;
    }
    return 1;
}

/* Core has yet to read the line: what it keeps can't be changed now. */
static void remember_override(const cmd_parms *cmd,
                              const runscripts_dir_t *dir)
{
    void *list = NULL;
    override_t *override;

    apr_pool_userdata_get(&list, OVERRIDES_KEY, cmd->pool);
    if (!list) {
        list = apr_array_make(cmd->pool, 8, sizeof(override_t));
        apr_pool_userdata_setn(list, OVERRIDES_KEY, NULL, cmd->pool);
    }
    override = apr_array_push(list);
    override->core = ap_get_core_module_config(cmd->context);
    override->dir = dir;
}

void runscripts_override_apply(apr_pool_t *pconf)
{
    void *data = NULL;
    const apr_array_header_t *list;
    int i;

    apr_pool_userdata_get(&data, OVERRIDES_KEY, pconf);
    list = data;
    for (i = 0; list && i < list->nelts; i++) {
        const override_t *override = &APR_ARRAY_IDX(list, i, override_t);

        if (!override->dir->allow_override) {
            override->core->override |= OVERRIDE_DENIES;
        }
    }
}

const char *runscripts_override_set(cmd_parms *cmd, void *dir_,
                                    const char *args)
{
    runscripts_dir_t *dir = dir_;
    const char *original = original_args(cmd, args);
    const char *rest = original, *changed = "";
    int found = 0;

    if (dir->allow_override < 0) {
        /* As core does it: a list without Options= restricts nothing. */
        dir->allow_override = 1;
    }
    while (*rest) {
        const char *w = ap_getword_conf(cmd->temp_pool, &rest);

        if (!strcasecmp(w, "Options")) {
            dir->allow_override = 1;
        }
        else if (!strncasecmp(w, "Options=", 8) && w[8]) {
            const char *others;
            int named = remove_from_list(cmd->temp_pool, w + 8, &others);

            found |= named;
            dir->allow_override = named || is_in_list(w + 8, "All");
            w = apr_pstrcat(cmd->temp_pool,
                            "Options=", *others ? others : "None", NULL);
        }
        changed =
            apr_pstrcat(cmd->pool, changed, *changed ? " " : "", w, NULL);
    }
    if (found) {
        replace_args(cmd, original, changed);
    }
    remember_override(cmd, dir);
    return NULL;
}

void runscripts_options_restore(ap_directive_t *tree)
{
    for (; tree; tree = tree->next) {
        if (tree->data && (!strcasecmp(tree->directive, "Options") ||
                           !strcasecmp(tree->directive, "AllowOverride"))) {
            tree->args = tree->data;
            tree->data = NULL;
        }
        runscripts_options_restore(tree->first_child);
    }
}

void runscripts_options_init(runscripts_dir_t *dir)
{
    dir->option.on = 0;
    dir->option.unset = 1;
    dir->option.add = 0;
    dir->option.remove = 0;
    dir->option.narrow = 0;
    dir->option.hide = 0;
    dir->allow_override = -1;
}

/* Core's rules for one bit of Options. And where the option is turned off for
 * one file or by a condition, in a directory that has it, that file is no
 * script then, but its source still isn't for everyone: hide stays. */
static void merge_option(runscripts_option_t *out,
                         const runscripts_option_t *b,
                         const runscripts_option_t *a)
{
    unsigned char hide = b->hide && (a->narrow || (a->unset && !a->remove));

    if (a->unset) {
        out->unset = b->unset;
        out->add = (b->add && !a->remove) || a->add;
        out->remove = (b->remove && !a->add) || a->remove;
        out->on = (b->on && !out->remove) || out->add;
        out->narrow = b->narrow | a->narrow;
    }
    else {
        *out = *a;
        out->narrow |= b->narrow;
    }
    out->hide = out->on | hide;
}

int runscripts_options_keep(const runscripts_dir_t *base,
                            const runscripts_dir_t *add)
{
    const runscripts_option_t *a = &add->option;

    return (a->unset && !a->add && !a->remove) ||
           !memcmp(a, &base->option, sizeof(*a));
}

int runscripts_options_replace(const runscripts_dir_t *base,
                               const runscripts_dir_t *add)
{
    const runscripts_option_t *a = &add->option, *b = &base->option;

    return !a->unset && a->hide == a->on && !b->hide && !b->narrow;
}

void runscripts_options_merge(runscripts_dir_t *out,
                              const runscripts_dir_t *base,
                              const runscripts_dir_t *add)
{
    merge_option(&out->option, &base->option, &add->option);
}
