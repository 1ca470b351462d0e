/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The script of a request: its descriptors on this side, its process, and
 * what the launcher says of it.
 */
#ifndef CGI_SCRIPT_H
#define CGI_SCRIPT_H

#include <sys/types.h>

#include "base/wire.h"
#include "cgi/request.h"

typedef struct cgi_script_t {
    /* The worker's ends; -1 when closed. control_fd is the lease: when it
     * closes, the launcher ends the script. */
    int control_fd, stdin_fd, stdout_fd, stderr_fd;
    pid_t pid;          /* 0: not started yet */
    int exited;         /* 1: wait_status is valid */
    int wait_status;    /* as of waitpid() */
    int status_unknown; /* 1: the launcher died before the script ended */
    int fail_errno;     /* not 0: it could not be started */
    cgi_stage_e fail_stage;
    int attempts;  /* messages sent to a launcher */
    int claims;    /* times that its launcher died */
    int unclaimed; /* 1: the next launcher has not answered a claim yet */
    int suexec;    /* 1: suexec starts the script */
    int warm;      /* number of the CGIWarm whose launchers have it, or 0 */
} cgi_script_t;

/** What a launcher has said, as bits. */
enum {
    CGI_SAID_PROCESS = 1, /* pid is known */
    CGI_SAID_STARTED = 2, /* the process runs the script, if no step failed */
    CGI_SAID_EXITED = 4,  /* wait_status is known */
    CGI_SAID_END = 8      /* nothing more will be said */
};

/** How a script that ended has ended. */
typedef enum {
    CGI_END_UNKNOWN,
    CGI_END_ZERO,
    CGI_END_STATUS,
    CGI_END_CRASH
} cgi_end_e;

void cgi_script_init(cgi_script_t *script);

/* ---- start.c ---- */

/** Open what all requests of a worker share. Run at child_init. */
void cgi_script_child_init(void);

/** Make the pipes and ask a launcher to start the script. If that launcher
 * died before the script began, ask the next one.
 * @param stdin_fd CGI_STDIN_PIPE, CGI_STDIN_NOTHING, or a file, which stays
 *        the caller's
 * @return CGI_WENT_ON or CGI_FAILED */
cgi_outcome_e cgi_script_start(cgi_script_t *script, cgi_request_t *q,
                               int stdin_fd);

/** From SIGTERM to SIGKILL, in milliseconds. */
unsigned int cgi_script_kill_ms(const cgi_request_t *q);

/** May the next launcher be asked: has this one died before the script began?
 */
int cgi_script_may_start_again(const cgi_script_t *script);

/** What follows "#!" in the script's first line, as far as this process may
 * read it; or NULL. */
const char *cgi_script_hashbang(const cgi_request_t *q);

/** The launcher is gone and the script runs: ask the next one to look after
 * it. @return 1: script->control_fd is open again */
int cgi_script_claim(cgi_script_t *script, const cgi_request_t *q);

/** Has no launcher taken the script yet? */
int cgi_script_is_waiting(const cgi_script_t *script);

/** The launcher could not start the script: say why. @return CGI_FAILED */
cgi_outcome_e cgi_script_start_failed(cgi_script_t *script, cgi_request_t *q);

/* ---- script.c ---- */

/** Take in what the launcher has said. When it is gone and the script runs,
 * the next one is asked to look after it. @return bits of CGI_SAID_... */
int cgi_script_listen(cgi_script_t *script, const cgi_request_t *q);

/** Close one of the script's descriptors, and set it to -1. */
void cgi_script_close(int *fd);

/** Would a read from fd return at once: data, or the end? */
int cgi_script_is_ready(int fd);

/** How many bytes wait in a pipe; -1: the kernel does not say. */
int cgi_script_unread(int fd);

/** How the script has ended. */
cgi_end_e cgi_script_end(const cgi_script_t *script);

/** The same in words. */
const char *cgi_script_how_ended(const cgi_script_t *script, cgi_request_t *q);

/** Log that a script ended badly, after a good response. */
void cgi_script_log_end(const cgi_script_t *script, cgi_request_t *q);

/** Has the script's process ended, or is it about to end? */
int cgi_script_is_exiting(const cgi_script_t *script);

/** The request is over: close all descriptors, so that the launcher ends the
 * script, or the next one if it has just been killed. */
void cgi_script_release(cgi_script_t *script, const cgi_request_t *q);

/* ---- suexec.c: scripts that run as their owner; see also suexec.h ---- */

/** Let suexec start the script, where httpd says so.
 * @return CGI_WENT_ON or CGI_FAILED */
cgi_outcome_e cgi_suexec_wrap(cgi_script_t *script, cgi_request_t *q,
                              cgi_wire_request_t *request);

#endif /* CGI_SCRIPT_H */
