/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The request body on its way to the script's stdin.
 */
#ifndef CGI_INPUT_H
#define CGI_INPUT_H

#include "apr_buckets.h"

#include "cgi/request.h"
#include "cgi/scriptlog.h"

/** What the request body waits for. */
typedef enum {
    CGI_INPUT_DONE,        /* nothing (more) to pass on */
    CGI_INPUT_SPOOL,       /* the client: the whole body, into a file */
    CGI_INPUT_START,       /* the script's start */
    CGI_INPUT_FROM_CLIENT, /* the client */
    CGI_INPUT_TO_SCRIPT    /* room in the script's stdin */
} cgi_input_state_e;

typedef struct cgi_input_t {
    cgi_request_t *q;
    cgi_scriptlog_t *log;
    cgi_input_state_e state;
    int withheld;       /* 1: the script gets nothing of the body */
    int length_unknown; /* 1: streamed, and Content-Length may be wrong */
    int discard;        /* 1: the script does not want the rest */
    int more;       /* 1: a filter may hold more: do not wait for the client */
    int eos;        /* 1: the client has sent the whole body */
    int large;      /* 1: the body has filled a pipe */
    int piped;      /* 1: a piece of the body is on its way in a pipe */
    int timed;      /* 1: a filter has a time for the body, and looks at it
                       when it is asked only */
    int patient;    /* 1: poll() passes over small pieces of the body */
    int socket;     /* if so, of this one */
    apr_off_t left; /* to come; 0 or less: not known, or to be copied */
    apr_bucket_brigade *bb;       /* collected, not yet passed on */
    apr_off_t length;             /* bytes in there */
    apr_bucket_brigade *fresh_bb; /* empty between two uses */
    /* A file: of the whole body, or of what the script does not take while
     * the client does not take its output. Then from..to waits in there. */
    int file_fd;
    apr_off_t from, to;
} cgi_input_t;

/** Decide how the body goes. @return CGI_WENT_ON or CGI_FAILED */
cgi_outcome_e cgi_input_init(cgi_input_t *in, cgi_request_t *q,
                             cgi_scriptlog_t *log);

/** What the script gets as its stdin, as cgi_script_start() takes it. */
int cgi_input_fd(const cgi_input_t *in);

/** In CGI_INPUT_SPOOL: store what the client has sent.
 * @param fd where the client is polled for; -1: wait in the filters
 * @param moved bytes are added
 * @return CGI_ENDED: the body is complete */
cgi_outcome_e cgi_input_spool(cgi_input_t *in, int fd, apr_size_t *moved);

/** The script has started, and can read. */
void cgi_input_start(cgi_input_t *in);

/** The script has closed its stdin. */
void cgi_input_refused(cgi_input_t *in);

/** Move as much as can be moved without waiting.
 * @param fd stdin of the script, to be closed when this answers CGI_ENDED or
 *        discard has been set
 * @param waiting 1: nothing is answered yet: the client may want a 100
 * @param moved bytes are added */
cgi_outcome_e cgi_input_step(cgi_input_t *in, int fd, int waiting,
                             apr_size_t *moved);

/** The script takes nothing, since the client takes none of its output: store
 * what the client has sent, so that the client begins to read. */
cgi_outcome_e cgi_input_store(cgi_input_t *in, apr_size_t *moved);

/** Read what the client has sent already, for ScriptLog. */
void cgi_input_peek(cgi_input_t *in);

/** The script gets nothing more: free the data, close the file. */
void cgi_input_finish(cgi_input_t *in);

/* ---- readahead.c ---- */

/** Is core of the version that this was compiled for? Only then its filter's
 * buffer is sure to have the structure that this code knows. */
int cgi_input_knows_core(const module *core);

/** Fill httpd's buffer of the connection with size bytes or more, if they
 * have arrived, so that the filters above need not take them bit by bit.
 * @return what to ask of the filters */
apr_size_t cgi_input_read_ahead(cgi_input_t *in, apr_size_t size);

/** Is this a bucket of a body that cgi_input_splice() can move? */
int cgi_input_is_piped(const apr_bucket *b);

/** Move what such a bucket holds to fd, and shorten it.
 * @return as splice(): bytes; or -1 with errno, EINVAL if fd can't take it so
 */
ssize_t cgi_input_splice(apr_bucket *b, int fd);

#endif /* CGI_INPUT_H */
