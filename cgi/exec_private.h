/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * One request on its way, as the parts of the engine share it. Only the
 * thread of the request touches it.
 */
#ifndef CGI_EXEC_PRIVATE_H
#define CGI_EXEC_PRIVATE_H

#include <sys/types.h>

#include "apr_buckets.h"

#include "http_log.h"

#include "cgi/cgi_exec.h"
#include "base/errlines.h"
#include "base/header.h"
#include "base/wire.h"

/** Where a request is. It only moves forward. */
typedef enum {
    CGI_PHASE_QUEUE,  /* waiting for a place, by CGILimit */
    CGI_PHASE_HEADER, /* waiting for the script's header block */
    CGI_PHASE_BODY,   /* sending the script's output on */
    CGI_PHASE_LINGER, /* response complete; the last words on stderr */
    CGI_PHASE_DONE
} cgi_phase_e;

/** What the request body waits for. */
typedef enum {
    CGI_BODY_DONE,        /* nothing (more) to pass on */
    CGI_BODY_START,       /* the script's start */
    CGI_BODY_FROM_CLIENT, /* more of it from the client */
    CGI_BODY_TO_SCRIPT    /* room in the script's stdin */
} cgi_body_state_e;

typedef struct cgi_scriptlog_t cgi_scriptlog_t;

typedef struct cgi_exec_t {
    request_rec *r;
    conn_rec *c;
    const cgi_exec_options_t *options;
    cgi_phase_e phase;
    int status; /* to return, once DONE */
    int nph;    /* raw: no header to parse, no filters */

    /* This side of the script; -1 when closed. */
    int control_fd, stdin_fd, stdout_fd, stderr_fd;

    /* What the launcher said. */
    pid_t pid;          /* 0: not started yet */
    int exited;         /* 1: wait_status is valid */
    int wait_status;    /* as of waitpid() */
    int status_unknown; /* 1: its launcher died before it did */
    int end_noted;      /* 1: the log knows */
    int fail_errno;     /* not 0: it could not be started */
    cgi_stage_e fail_stage;
    int attempts;  /* messages sent to a launcher */
    int claims;    /* times that its launcher died */
    int unclaimed; /* 1: and the next one has not said anything yet */
    int suexec;    /* 1: by way of suexec */

    /* CGILimit. */
    cgi_turn_t turn;
    apr_time_t queue_until, queue_again; /* while waiting */

    /* Request body. */
    cgi_body_state_e body;
    int discard;    /* 1: the script has closed its stdin */
    int body_more;  /* 1: a filter may hold more: do not wait for the client */
    int body_large; /* 1: it has filled a pipe */
    int body_piped; /* 1: a piece of it is on its way in a pipe */
    apr_off_t body_left; /* to come; 0 or less: not known, or to be copied */
    int body_eos;        /* 1: the client has sent all of it */
    apr_bucket_brigade *body_bb;  /* collected, not yet passed on */
    apr_off_t body_length;        /* bytes in there */
    apr_bucket_brigade *fresh_bb; /* empty between two uses */
    int spool_fd;                 /* the whole body, or -1 */
    apr_off_t spool_length;       /* its bytes */
    int body_withheld;  /* 1: of whatever there is the script gets none */
    int length_unknown; /* 1: streamed, and its header may be wrong */

    /* The client's connection. */
    int client_fd;   /* -1: can't be polled */
    int client_gone; /* 1: it has closed its side */

    /* Response. */
    char *head; /* collects the header block */
    apr_size_t head_len, head_size, head_scanned;
    apr_bucket_brigade *out_bb;
    apr_off_t out_pending; /* bytes in out_bb */
    apr_off_t length_left; /* of the script's Content-Length; -1: none */
    apr_off_t total;       /* bytes of body so far */
    int drop_body;         /* 1: what the script prints is not sent */
    int streaming;         /* 1: something was flushed already */
    int stdout_large;      /* 1: it has been full, and was enlarged */
    const char *redirect;  /* local redirect, to follow at the end */
    apr_file_t *sendfile;  /* the body at the end; or NULL: the script's */
    const char *sendfile_name;

    cgi_errlines_t *errlines;    /* made when there is anything */
    cgi_scriptlog_t *script_log; /* NULL: no ScriptLog */

    /* Times in microseconds of cgi_clock_now(); 0: none. */
    apr_time_t started, last_activity;
    apr_time_t last_given; /* a byte of the body, or the start */
    apr_time_t hold_until; /* small output waits so long for its end */
    apr_time_t linger_until;
    apr_time_t start_by; /* a launcher must have taken the script */
    apr_time_t exit_by;  /* stdout has ended: the exit status is due */
    int exit_late;       /* 1: and has been waited for once more */
    int lingers;         /* 1: the client was not kept waiting for it */
    apr_time_t
        gone_at; /* when the client closed its side, if it is in doubt */
    apr_time_t sent_at; /* when something last went to the client */
} cgi_exec_t;

/** Log and return: `return cgi_fail(x, HTTP_..., rv, "...")`. The request is
 * over, and the script too. Before the response began, status is what the
 * client gets; after, the response is cut so that the client can tell. */
int cgi_fail(cgi_exec_t *x, int status, apr_status_t rv, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/** The same for what the client did: nothing for an administrator to do. */
int cgi_reject(cgi_exec_t *x, int status, apr_status_t rv, const char *fmt,
               ...) __attribute__((format(printf, 4, 5)));

/** The client has gone: nobody is there to be told. */
int cgi_client_left(cgi_exec_t *x);

/** What poll() says of fd at this moment: POLLIN, POLLHUP, or 0. */
int cgi_poll_fd(int fd);

/** Start the script, and its times. @return OK or a status */
int cgi_exec_begin(cgi_exec_t *x);

/** Close one of x's descriptors. */
void cgi_close_fd(int *fd);

/** The engine's part of a module's directory, for a directive to set. */
cgi_exec_dir_t *cgi_exec_dir_set(void *mconfig);

/* timers.c: how long anybody waits for anybody */

/** When to look again though nothing has happened; 0: never. */
apr_time_t cgi_timers_next(const cgi_exec_t *x);

/** Act on the times that are over. @return OK or a status */
int cgi_timers_step(cgi_exec_t *x);

/** For how long a script's first output is left for its end, since mostly
 * they come together. In microseconds. */
apr_time_t cgi_timers_hold(void);

/** A script has ended with its first output, so long after its start. */
void cgi_timers_note_quick(apr_time_t t);

/* variables.c */

/** Complete r->subprocess_env, which is what the script gets. The body must
 * have been set up. */
void cgi_variables_add(cgi_exec_t *x);

/* start.c: the message to the launcher */

/** Open what all requests of a worker share. Run at child_init. */
void cgi_start_child_init(void);

/** What follows "#!" in the script's first line, as far as this process may
 * read it; or NULL. */
const char *cgi_start_hashbang(cgi_exec_t *x);

/** Make the pipes, ask a launcher for the script. @return OK or a status */
int cgi_start(cgi_exec_t *x);

/** The launcher is gone and the script runs: ask the next one to look after
 * it. @return 1: x->control_fd is open again */
int cgi_start_claim(cgi_exec_t *x);

/** At start_by: fail if no launcher has taken the script.
 * @return OK or a status */
int cgi_start_check(cgi_exec_t *x);

/** The launcher says that it could not: log why. @return a status */
int cgi_start_failed(cgi_exec_t *x);

/** There are no means for another script now. @return 503 */
int cgi_start_overload(cgi_exec_t *x, apr_status_t rv, const char *what);

/* admit.c: CGILimit. Without one, cgi_admit() just starts the script. */

/** Make the counters, unless the other module has. Run in the parent, at
 * post_config. @return APR_SUCCESS, or the error, logged */
apr_status_t cgi_admit_init(apr_pool_t *pconf, server_rec *s);

/** Begin to count. Run in each worker, at child_init. */
void cgi_admit_child_init(server_rec *s);

/** Refuse before the body is read what can't be admitted after.
 * @return OK or a status */
int cgi_admit_early(cgi_exec_t *x);

/** Start the script if there is a place for it, else begin to wait:
 * CGI_PHASE_QUEUE. @return OK or a status */
int cgi_admit(cgi_exec_t *x);

/** In CGI_PHASE_QUEUE: start the script if it is its turn.
 * @param woken 1: turn.wake_fd was readable
 * @return OK or a status */
int cgi_admit_step(cgi_exec_t *x, int woken);

/** Give up the place, while control_fd is open. */
void cgi_admit_leave(cgi_exec_t *x);

/* body.c: from the client to the script's stdin */

/** Bytes of the pipes of a body, of either side, that fills one. There is a
 * limit for all of a user's pipes, so not for any other. */
#define CGI_LARGE_PIPE (256 * 1024)

/** Decide how the body goes, set up x->body. @return OK or a status. */
int cgi_body_init(cgi_exec_t *x);

/** Move as much as can be moved without waiting. @return OK or a status. */
int cgi_body_step(cgi_exec_t *x);

/** Take in what the client has sent already, for ScriptLog. */
void cgi_body_peek(cgi_exec_t *x);

/* readahead.c */

/** Fill httpd's buffer of the connection with size bytes or more, if they
 * have arrived, so that the filters above need not take them bit by bit.
 * @return what to ask of the filters */
apr_size_t cgi_body_read_ahead(cgi_exec_t *x, apr_size_t size);

/** Is this one of a body's buckets that can be passed on without a copy? */
int cgi_body_is_piped(const apr_bucket *b);

/** Move what such a bucket holds to fd, and shorten it.
 * @return as splice(): bytes; or -1 with errno, EINVAL if fd can't take it so
 */
ssize_t cgi_body_splice(apr_bucket *b, int fd);

/* response.c: from the script's stdout to the client */

/** Prepare for the script's output. @return OK or a status */
int cgi_response_init(cgi_exec_t *x);

/** Read stdout, where poll() has seen something: once, or to its end (then
 * it is closed) when all writers are gone. @return OK or a status */
int cgi_response_read(cgi_exec_t *x, int hung_up);

/** Send what is pending to the client now. @return OK or a status */
int cgi_response_flush(cgi_exec_t *x);

/** The client has closed its sending side. If it has closed all, it answers
 * whatever is sent with a reset: send something harmless, if nothing was.
 * @return 0: that can't be */
int cgi_response_probe(cgi_exec_t *x);

/** Is something to be sent that nothing more need come for? */
int cgi_response_is_due(const cgi_exec_t *x);

/** stdout has ended: finish the response. */
int cgi_response_end(cgi_exec_t *x);

/** Have leave what httpd still keeps back of a finished response. */
void cgi_response_push(cgi_exec_t *x);

/** Cut the response off: the client sees that it is not whole. */
void cgi_response_abort(cgi_exec_t *x);

/** Follow a local redirect (RFC 3875, 6.2.2), after the script's end. */
int cgi_response_redirect(cgi_exec_t *x);

/* sendfile.c: X-Sendfile */

/** Open the file that the script names in value, if it may, as x->sendfile.
 * @return OK or a status, logged */
int cgi_sendfile_open(cgi_exec_t *x, const char *value);

/** Add to the script's header what httpd knows of the file. */
void cgi_sendfile_header(cgi_exec_t *x);

/** Put the file into x->out_bb. */
void cgi_sendfile_body(cgi_exec_t *x);

/* suexec.c: scripts that run as their owner */

/** Let suexec start the script, where httpd says so. @return OK or a status,
 * logged */
int cgi_suexec_wrap(cgi_exec_t *x, cgi_wire_request_t *request);

/* stderrfile.c: CGIStderr FILE */

/** Open all files and programs of the configuration, in the parent.
 * @return OK or a status, logged */
int cgi_stderr_open_all(apr_pool_t *pconf, apr_pool_t *plog, server_rec *s);

/** What scripts get as their stderr; to be duplicated. -1: a pipe to here */
int cgi_stderr_fd(const cgi_exec_dir_t *dir);

/* scriptlog.c: ScriptLog. Without one, these do nothing. */

/** Begin to collect what the log wants to know. */
void cgi_scriptlog_begin(cgi_exec_t *x);

/** Take a part of the request body. */
void cgi_scriptlog_body(cgi_exec_t *x, const char *data, apr_size_t len);

/** Take a line of stderr. */
void cgi_scriptlog_stderr(cgi_exec_t *x, const char *line);

/** The request has failed. @param message must live as long as x */
void cgi_scriptlog_failed(cgi_exec_t *x, int status, const char *message);

/** The request is over: write, while x->head is there. */
void cgi_scriptlog_end(cgi_exec_t *x);

#endif /* CGI_EXEC_PRIVATE_H */
