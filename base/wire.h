/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What httpd's workers and the launcher say to each other.
 *
 * A worker sends one message per script over a SOCK_SEQPACKET queue, with
 * the descriptors of cgi_wire_fd_e attached. A message larger than
 * CGI_WIRE_INLINE_MAX travels in an unlinked file as one more descriptor.
 * The launcher answers with notes over the control socket of that script.
 */
#ifndef CGI_WIRE_H
#define CGI_WIRE_H

#include <sys/resource.h>
#include <sys/types.h>

#include "apr_pools.h"

/** Descriptors attached to a message, in this order. The control socket is
 * first, so that it is there for the complaint when others are missing. */
typedef enum {
    CGI_FD_CONTROL, /* the lease: closed by the worker, the script ends */
    CGI_FD_STDIN,
    CGI_FD_STDOUT,
    CGI_FD_STDERR,
    CGI_FD_MESSAGE, /* only with a message in a file */
    CGI_FD_MAX
} cgi_wire_fd_e;

/** Resource limits that a message can carry. */
typedef enum {
    CGI_LIMIT_CPU,
    CGI_LIMIT_MEM,
    CGI_LIMIT_NPROC,
    CGI_LIMIT_NOFILE,
    CGI_LIMIT_MAX
} cgi_wire_limit_e;

/** Messages up to this many bytes travel in the queue itself. */
#define CGI_WIRE_INLINE_MAX (64 * 1024)
/** No message is larger: the kernel's own limit for arguments and
 * environment is 6 MiB at most. */
#define CGI_WIRE_MAX (8 * 1024 * 1024)

/** One script to start. Strings are bytes, as the kernel takes them. With an
 * identity, path, dir and argv of a message do not count. */
typedef struct cgi_wire_request_t {
    const char *path;           /* of the program to execute */
    const char *dir;            /* its working directory */
    const char *const *argv;    /* ended by NULL; at least argv[0] */
    const char *const *env;     /* ended by NULL; NAME=value */
    unsigned int identity;      /* 0: none; else its number, from 1 */
    const char *const *values;  /* of its references, ended by NULL; encoding
                                   takes NULL too: none */
    const char *root;           /* not sent, by cgi_identity_check(): chroot
                                   directory, or "" */
    const char *const *sandbox; /* rules of base/rules.h, ended by NULL; or
                                   NULL: none */
    const char *tmp;            /* not sent, by the launcher: a directory to
                                   make first; or NULL */
    unsigned int kill_ms;       /* from SIGTERM to SIGKILL; 0: never */
    unsigned int limits;        /* bit (1 << CGI_LIMIT_x): limit[x] is set */
    struct rlimit limit[CGI_LIMIT_MAX];
} cgi_wire_request_t;

/** Launchers that read the same queue; each has a number below this. */
#define CGI_LAUNCHERS_MAX 4

/** Exit status of a launcher whose interpreter is out of date: it wants to be
 * started again. No signal's number. */
#define CGI_EXIT_STALE 75

/** What is reported of a script. */
typedef enum {
    CGI_NOTE_PROCESS = 1, /* value: process id; by the script's own process,
                             before the script is executed */
    CGI_NOTE_STARTED,     /* value: process id; by the launcher, after it */
    CGI_NOTE_FAILED,      /* value: errno; stage: what failed */
    CGI_NOTE_EXITED,      /* value: status as of waitpid() */
    CGI_NOTE_COLD         /* a text follows: why a warm launcher executes the
                             script; by the script's own process */
} cgi_note_e;

/** Bytes of a note's text; the rest is cut off. */
#define CGI_NOTE_TEXT_MAX 240

/** With CGI_NOTE_EXITED: the launcher that could tell the status is dead. */
#define CGI_STATUS_UNKNOWN (-1)

/** The step at which a start failed. */
typedef enum {
    CGI_STAGE_MESSAGE, /* message or descriptors did not arrive whole */
    CGI_STAGE_FORK,
    CGI_STAGE_CGROUP,
    CGI_STAGE_LIMIT,
    CGI_STAGE_REFUSED, /* by the privileged launcher's rules */
    CGI_STAGE_ROOT,
    CGI_STAGE_USER,
    CGI_STAGE_DIR,
    CGI_STAGE_SANDBOX,
    CGI_STAGE_EXEC
} cgi_stage_e;

typedef struct cgi_note_t {
    int kind; /* cgi_note_e */
    int value;
    int stage; /* cgi_stage_e, with CGI_NOTE_FAILED */
} cgi_note_t;

/** A note with a text, which need not be ended by NUL. */
typedef struct cgi_note_text_t {
    cgi_note_t note;
    char text[CGI_NOTE_TEXT_MAX];
} cgi_note_text_t;

/** A worker's message, with a control socket and nothing else: the script of
 * this process has lost its launcher. The one that takes the message holds
 * the new lease. If the worker's end of the socket is closed already, the
 * worker says that it has given the lease back. */
typedef struct cgi_wire_claim_t {
    unsigned int magic;
    int pid;
} cgi_wire_claim_t;

/** Write a claim. */
void cgi_wire_claim(cgi_wire_claim_t *claim, pid_t pid);

/** Read one. @return the process; or 0: these bytes are no claim */
pid_t cgi_wire_claimed(const void *data, apr_size_t size);

/**
 * Write a request as bytes.
 * @param data *data gets the message, allocated from p
 * @param size *size gets its length
 * @return APR_SUCCESS; E2BIG when it would be larger than CGI_WIRE_MAX;
 *         APR_EINVAL when a string or argv[0] is missing
 */
apr_status_t cgi_wire_encode(const cgi_wire_request_t *request, apr_pool_t *p,
                             void **data, apr_size_t *size);

/**
 * Read a request from bytes that nobody vouches for.
 * @param request gets pointers into data, and arrays allocated from p
 * @return APR_SUCCESS, or APR_EINVAL when the bytes are no message
 */
apr_status_t cgi_wire_decode(cgi_wire_request_t *request, void *data,
                             apr_size_t size, apr_pool_t *p);

#endif /* CGI_WIRE_H */
