/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * A plug-in of cgi-warm: an interpreter that is there before a script is asked
 * for. See doc/warm.md.
 *
 * A plug-in is a shared object that defines cgi_warm_plugin. cgi-warm loads
 * it in a process of the user of httpd's workers, or of another one by user=,
 * with nothing but PATH (and TZ, for that user) in the environment, and calls
 * enter() once. All the rest is cgi-warm's: messages,
 * process groups, limits, descriptors, what becomes of a script at its end.
 */
#ifndef CGI_WARM_PLUGIN_H
#define CGI_WARM_PLUGIN_H

#include <stddef.h>
#include <string.h>

/** Changes with each change of this file. */
#define CGI_WARM_VERSION 4

/** A script to run, as the interpreter would find it after execve(). All
 * strings live as long as the process. */
typedef struct cgi_warm_script_t {
    const char *program; /* absolute path by which the interpreter is named */
    const char *const *argv; /* of the interpreter's main(), ended by NULL */
    int argc;
    int script_at; /* argv[script_at] is the script; options stand before */
    const char *const *env; /* NAME=value, ended by NULL; environ already */
} cgi_warm_script_t;

/** For check(): does a variable of the script's environment begin so?
 * @param beginnings of NAME=value, ended by NULL */
static inline int cgi_warm_has_variable(const cgi_warm_script_t *script,
                                        const char *const *beginnings)
{
    const char *const *env, *const *at;

    for (env = script->env; *env; env++) {
        for (at = beginnings; *at; at++) {
            if (!strncmp(*env, *at, strlen(*at))) {
                return 1;
            }
        }
    }
    return 0;
}

typedef struct cgi_warm_host_t {
    const char *program;        /* absolute path of the interpreter */
    const char *const *modules; /* to load, ended by NULL */
    /** The interpreter is there: serve requests. Returns in a new process
     * made by fork(), with the script that is its business: descriptors 0, 1
     * and 2, environment, working directory and limits are the script's. Never
     * returns in the process that has called it. */
    const cgi_warm_script_t *(*serve)(void);
    /** Ask a program, such as the one that scripts name.
     * @param argv of the program, ended by NULL; argv[0] is its path
     * @param fd 1 or 2: what it writes there is wanted
     * @param text gets at most size - 1 bytes of that, and a NUL
     * @return bytes in text; or -1: it could not run, or its exit status was
     *         not 0 */
    long (*ask)(const char *const *argv, int fd, char *text, size_t size);
    /** Name a file whose text is part of what is loaded, before serve(): if it
     * changes, and CGIWarm has watch=on, all is loaded anew. */
    void (*loaded)(const char *path);
} cgi_warm_host_t;

typedef struct cgi_warm_plugin_t {
    int version; /* CGI_WARM_VERSION */
    /** Start the interpreter, load the modules, call host->serve(), run the
     * script that this returns, and end the process with exit() or as the
     * script ends. Threads must not run when serve() is called.
     * @return an English phrase: why the interpreter can't be used; scripts
     *         start without it, then */
    const char *(*enter)(const cgi_warm_host_t *host);
    /** In the new process, before serve() returns: may it run this script?
     * @return NULL; or an English phrase: why it must be started by execve(),
     *         which happens then */
    const char *(*check)(const cgi_warm_script_t *script);
} cgi_warm_plugin_t;

extern const cgi_warm_plugin_t cgi_warm_plugin
    __attribute__((visibility("default")));

#endif /* CGI_WARM_PLUGIN_H */
