/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The parts of the program cgi-launcher: main.c takes messages, spawn.c
 * starts, tend.c looks after what runs, table.c remembers, walls.c gives up
 * what root could do, confine.c shuts scripts in, cgroup.c keeps them
 * together, become.c knows the users of routes, and system.c is below all.
 */
#ifndef CGI_LAUNCHER_H
#define CGI_LAUNCHER_H

#include <sys/types.h>

#include "apr_pools.h"
#include "apr_time.h"

#include "base/identity.h"
#include "base/wire.h"

/* An identity, with its groups as the kernel takes them. */
typedef struct launcher_become_t {
    const cgi_identity_t *identity;
    gid_t *groups;
    int ngroups;
} launcher_become_t;

/** A script's temporary directory. */
typedef struct launcher_tmp_t {
    unsigned int identity; /* as whom it was made; 0: as the launcher's user */
    char path[320];        /* "": there is none */
    char root[1024];       /* root directory in which that path is; or "" */
} launcher_tmp_t;

/* ---- system.c ---- */

/** Complain with errno, and end the launcher. */
void launcher_die(const char *what) __attribute__((noreturn));

/** The time, by a clock that nobody sets. */
apr_time_t launcher_now(void);

/** Tell the worker at the other end of a control socket. A note that can't
 * be sent has nobody to read it: the worker is gone. */
void launcher_note(int fd, cgi_note_e kind, int value, cgi_stage_e stage);

/** Write the log line by line: those of scripts go there, too. */
void launcher_open_log(void);

/** Forget what was written: a copy of this process becomes a script. */
void launcher_wipe_log(void);

/** Have another process, which nobody of its user can look into, write to the
 * log what this one says from now on: a line says whose it is, and no more
 * than lines can be written. */
void launcher_log_apart(void);

/** Read a message that came as a file in memory.
 * @return its bytes, from pool; or NULL: it is another kind of file, reading
 *         which could wait for somebody, or not of that size */
void *launcher_read_file(int fd, apr_size_t size, apr_pool_t *pool);

/** Close all descriptors but the standard three. */
void launcher_close_inherited(void);

/* ---- become.c: whom the privileged launcher may make a script of ---- */

/** Become the privileged launcher, or a user's: read the identities. Ends the
 * launcher when they can't be read. */
void launcher_read_identities(int fd, apr_pool_t *pool);

/** As a user's launcher, which is that user already: forget all identities
 * that are not exactly what this process is, or have another root directory.
 * @param groups that it has, the primary one first */
void launcher_keep_own(const gid_t *groups, int ngroups);

/** Is this the privileged launcher, or a user's? */
int launcher_has_identities(void);

/** Who an identity is. @return NULL: 0, or no number of one */
const launcher_become_t *launcher_identity(unsigned int number);

/** Become another user, in another root directory.
 * @return 0; or the cgi_stage_e that has failed, and errno */
int launcher_become(const launcher_become_t *who, const char *root);

/* ---- table.c: running scripts, known after their launcher has died ---- */

/** One script. */
typedef struct launcher_entry_t {
    /* 0: free. The kernel writes it with the fork itself: at no time does a
     * script run that is not here. */
    pid_t pid;
    /* That of the launcher that has made it. A script that has not called
     * setsid() is still there; its number is not another process's, then. */
    pid_t session;
    pid_t worker; /* that has asked for it */
    unsigned int kill_ms;
    unsigned int serial; /* no earlier entry in this place had it */
    int owner;           /* number of the launcher that tends it */
    int ended; /* 1: its worker has said that it gave the lease back */
} launcher_entry_t;

/** Open the list. @param fd memory of httpd's parent; or -1: of our own
 * @param number of this launcher, below CGI_LAUNCHERS_MAX
 * @return 1: a launcher of this number, which has died, has used it */
int launcher_table_open(int fd, int number);

/** Prepare an entry; it counts once its pid is set.
 * @return NULL: there are too many scripts */
launcher_entry_t *launcher_table_add(pid_t worker, unsigned int kill_ms);

/** The worker has given the lease back: who tends the script sees it here, if
 * the launcher that held the lease was killed before it saw the hang-up. */
void launcher_table_end(pid_t pid, pid_t worker);

/** The script has ended; unless another launcher tends it by now. */
void launcher_table_remove(launcher_entry_t *entry, pid_t pid);

/** Where the script's temporary directory is remembered. */
launcher_tmp_t *launcher_table_tmp(const launcher_entry_t *entry);

/** Number of an entry's place in the list, which no other has. */
int launcher_table_place(const launcher_entry_t *entry);

/** Is it this launcher that tends it? */
int launcher_table_is_own(const launcher_entry_t *entry);

/** Is the script, or what is left of its process group, still there? */
int launcher_table_is_alive(const launcher_entry_t *entry);

/** The next entry, after one or from the beginning; or NULL. */
launcher_entry_t *launcher_table_next(launcher_entry_t *entry);

/** Become the owner of another launcher's script.
 * @param worker whose script it must be
 * @return NULL: there is none */
launcher_entry_t *launcher_table_claim(pid_t pid, pid_t worker);

/* ---- tend.c: scripts that run, until nothing is left of them ---- */

/** What the poll set tells of, by what its pointers begin with. */
typedef enum {
    LAUNCHER_QUEUE,
    LAUNCHER_SIGNAL,
    LAUNCHER_SCRIPT, /* its lease has ended */
    LAUNCHER_WORKER  /* it has ended */
} launcher_event_e;

typedef struct launcher_script_t launcher_script_t;

/** Before all others. @return the poll set's descriptor; or -1 and errno */
int launcher_tend_open(apr_pool_t *pool);

/** Watch a descriptor. @param data begins with a launcher_event_e
 * @return 0, or -1 and errno */
int launcher_watch(int fd, unsigned int events, void *data);

void launcher_unwatch(int fd);

/** How many scripts run or are ending: all, or those of a worker. */
unsigned int launcher_tend_count(void);
unsigned int launcher_tend_count_of(pid_t worker);

/** The process that made a control socket. A lease ends with it, too: somebody
 * else may have been given its end. @return 0: it has ended, or is unknown */
pid_t launcher_tend_worker(int control_fd);

/** Has the worker given the lease back? */
int launcher_is_given_back(int control_fd);

/** A script that is about to be started.
 * @param foreign 1: a launcher that has died has started it
 * @return to be given to launcher_tend_begin() or free(); NULL: no memory */
launcher_script_t *launcher_tend_new(launcher_entry_t *entry, int foreign);

/** Its process is there: from now on it is looked after.
 * @param control_fd is its own from now on; -1: nobody has claimed it yet */
void launcher_tend_begin(launcher_script_t *script, int control_fd);

/** Take over what a launcher of this number has left behind. */
void launcher_tend_left(void);

/** A worker's script has lost its launcher: hold the lease for it. Or it may
 * have: a claim whose lease has ended already says that the script has.
 * @param fds its control socket is -1 afterwards if it was taken */
void launcher_tend_claim(pid_t pid, int fds[CGI_FD_MAX]);

/** The poll set has told of one; LAUNCHER_SCRIPT, LAUNCHER_WORKER. */
void launcher_tend_hang_up(launcher_script_t *script);
typedef struct launcher_worker_t launcher_worker_t;
void launcher_tend_worker_end(launcher_worker_t *worker);

/** SIGCHLD has come. */
void launcher_tend_reap(void);

/** Act on deadlines. @return the time until the next one, or -1 */
apr_interval_time_t launcher_tend_timers(void);

/** Send TERM to all, and KILL when their time has passed. */
void launcher_tend_end_all(void);

/* ---- cgroup.c: all that a script has started. Without CGICgroup, nothing is
 * done, and an entry's cgroup is empty ---- */

/** Use this directory of cgroup version 2, and move there. Ends the launcher
 * when that can't be done. */
void launcher_cgroup_open(const char *dir);

/** Is there a CGICgroup? */
int launcher_cgroup_is_on(void);

/** Make the cgroup of a script that is about to be started.
 * @return 0, or -1 and errno */
int launcher_cgroup_make(const launcher_entry_t *entry);

/** As fork(), with a child that is in the cgroup from its first step on.
 * @param pid *pid gets the child's number, with the fork itself
 * @return as fork(); -1 and ENOSYS too where the kernel or a filter has no
 *         clone3(): the child of another call must enter */
pid_t launcher_cgroup_fork(const launcher_entry_t *entry, pid_t *pid);

/** In the child, before it becomes somebody else.
 * @return 0, or -1 and errno */
int launcher_cgroup_enter(const launcher_entry_t *entry);

/** Has all ended that was in it? */
int launcher_cgroup_is_empty(const launcher_entry_t *entry);

/** Signal what is in it and in no process group of the script; with SIGKILL,
 * all that is in it. */
void launcher_cgroup_signal(const launcher_entry_t *entry, int sig);

/** Kill what is in it, and remove it. Does not wait. */
void launcher_cgroup_remove(const launcher_entry_t *entry);

/* ---- walls.c ---- */

/** As root: become the user that httpd's workers run as, or that of a CGIWarm.
 * The parent has looked up the groups: with no user database needed here, the
 * program can be linked statically, and is smaller for it. Ends the launcher
 * when that can't be done.
 * @param uid or NULL: nobody else
 * @param root directory to change to first, or NULL
 * @param groups the primary one first
 * @param keep_kill 1: keep the right to end others' processes */
void launcher_drop_privileges(const char *uid, const char *root,
                              const gid_t *groups, int ngroups, int keep_kill);

/** As the privileged launcher: give up all rights but those that are needed,
 * setuid programs, and calls of the system; scripts, too. */
void launcher_wall_in(void);

/** Sockets that a script may make. */
typedef enum {
    LAUNCHER_NET_ANY,
    LAUNCHER_NET_TCP_UDP, /* of the internet's; and those of this machine */
    LAUNCHER_NET_NONE
} launcher_net_e;

/** In a script's process: give up the same calls, those by which it would
 * reach other processes of its user, and sockets.
 * @return 0, or -1 and errno */
int launcher_filter_script(launcher_net_e net);

/* ---- confine.c ---- */

/** Choose a temporary directory, if a rule asks for one: request->tmp, which
 * the script's process makes; and TMPDIR.
 * @param tmp gets what its removal takes
 * @return 0, or -1 and errno */
int launcher_sandbox_name_tmp(cgi_wire_request_t *request,
                              const launcher_become_t *who,
                              launcher_tmp_t *tmp, apr_pool_t *pool);

/** In the script's process, as its user, in its root directory: make the
 * temporary directory, and enter the sandbox.
 * @return 0; or -1 and errno, and stderr says what is the matter */
int launcher_sandbox_enter(const cgi_wire_request_t *request);

/** Remove the temporary directory, if there is one, and forget it. Does not
 * wait. @param who whose it is, or NULL: ours */
void launcher_sandbox_remove_tmp(const launcher_become_t *who,
                                 launcher_tmp_t *tmp);

/* ---- warm/interpreter.c, which is in the program cgi-warm only ---- */

typedef struct launcher_warm_t {
    const char *plugin;  /* shared object; NULL: cgi-launcher */
    const char *program; /* interpreter */
    const char **modules;
    int *ready; /* set while scripts may be sent, for httpd's workers */
    int cold;   /* 1: the interpreter is not to be tried again */
    int watch;  /* 1: its files may change */
} launcher_warm_t;

/** 1: this process has the interpreter, and its children may run scripts. */
extern int launcher_is_warm;

/** 1: it is a user's, by CGIWarm with user=. */
extern int launcher_is_users;

/** Load the plug-in and serve with it.
 * @param serve serves until the launcher is to end, and ends it
 * @return an English phrase: why there is no interpreter */
const char *launcher_warm_enter(const launcher_warm_t *warm,
                                void (*serve)(void)) __attribute__((weak));

/** Before a message is taken: has a file changed that the interpreter has
 * loaded? From then on scripts are executed, and workers ask others. */
int launcher_warm_is_stale(void) __attribute__((weak));

/** In the child, as the last step instead of execve(): run the script in the
 * interpreter. Returns when it must be executed after all; the worker knows
 * why, then. */
void launcher_warm_become(const cgi_wire_request_t *request, int control_fd)
    __attribute__((weak));

/** In a child that does not exec: the list of scripts is none of its
 * business. */
void launcher_table_forget(void);

/* ---- spawn.c ---- */

/** Let the launcher itself have as many descriptors as it may: each running
 * script holds one. Scripts get the limit that was there. */
void launcher_raise_descriptors(void);

/** Whom a message may make a script of.
 * @param safe gets what may run, sharing request's strings
 * @param who *who gets the identity, or NULL: that of the launcher
 * @return 0: it is refused, logged */
int launcher_authorize(const cgi_wire_request_t *request,
                       const int fds[CGI_FD_MAX], cgi_wire_request_t *safe,
                       const launcher_become_t **who, apr_pool_t *pool);

/** Lend children none of our memory for a while. */
void launcher_stop_lending(void);

/** Make the script's process, in a process group of its own. Does not wait
 * longer than a moment for anything that the script's owner can hold up.
 * @param entry the script's; entry->pid gets its number, with the fork itself
 * @return APR_SUCCESS, or the errno of fork(); later failures are told to
 *         the worker by the child */
apr_status_t launcher_make_process(launcher_entry_t *entry,
                                   const cgi_wire_request_t *request,
                                   const launcher_become_t *who,
                                   const int fds[CGI_FD_MAX]);

#endif /* CGI_LAUNCHER_H */
