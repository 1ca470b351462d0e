/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/life.h"
#include "base/limit.h"

/* Who waits looks again for what nobody could tell: a process was killed. */
#define AGAIN apr_time_from_sec(1)
/* The same for the first in the queue while a script is being ended. */
#define AGAIN_ENDING apr_time_from_msec(20)
/* A script whose worker is gone has ended so long after its SIGKILL was due;
 * for the launcher's own grace, and a machine that is busy. */
#define ENDING_MARGIN apr_time_from_sec(1)
/* Without a SIGKILL (kill=0) nothing is known but its number, and that may
 * some day be another's. */
#define ENDING_MAX apr_time_from_sec(3600)
#define REPORT_INTERVAL apr_time_from_sec(10)
#define RETRY_AFTER_MAX 120

/* Values of place_t.owner besides the number of a process, from 1. */
#define OWNER_NONE 0u
#define OWNER_ENDING UINT32_MAX /* the worker is done, the script is not */

/* Values of place_t.pid besides a process id. */
#define PID_NONE 0
#define PID_ASKED (-1) /* a launcher is about to start it */

/* All times are of the monotonic clock, in microseconds. */
typedef struct place_t {
    uint32_t owner; /* written last: only then the rest is valid */
    int32_t pid;
    uint32_t kill_ms;
    apr_time_t time; /* taken at; of an ending one, free at the latest at */
} place_t;

typedef struct entry_t {
    uint32_t owner; /* written last */
    uint64_t ticket;
} entry_t;

/* In shared memory; places and entries follow. */
typedef struct counter_t {
    pthread_mutex_t mutex;
    uint64_t next_ticket;
    apr_interval_time_t average; /* time for which a place is held; 0: none */
    unsigned int refused;        /* since the last report */
    apr_time_t reported;
} counter_t;

/* One limit, with this process's pointers into shared memory. */
typedef struct scope_t {
    counter_t *counter;
    place_t *place;
    entry_t *entry;
    int *wake; /* an eventfd for each entry */
    int nplaces, nentries;
} scope_t;

struct cgi_limits_t {
    pid_t maker;     /* the parent */
    cgi_life_t life; /* whose file is the memory */
    void *memory;
    apr_size_t size;
    int joined; /* 1: this process has joined */
    int nscopes;
    scope_t *scope;
};

/* ---- making and joining ---- */

static apr_size_t aligned(apr_size_t size)
{
    return (size + 63) & ~(apr_size_t)63;
}

static apr_status_t destroy(void *data)
{
    cgi_limits_t *l = data;
    int i, k;

    /* httpd destroys its pools in a worker's exit() too, when threads may
     * still be at work. */
    if (getpid() != l->maker) {
        return APR_SUCCESS;
    }
    for (i = 0; i < l->nscopes; i++) {
        for (k = 0; k < l->scope[i].nentries; k++) {
            if (l->scope[i].wake[k] >= 0) {
                close(l->scope[i].wake[k]);
            }
        }
    }
    if (l->memory != MAP_FAILED) {
        munmap(l->memory, l->size);
    }
    if (l->life.fd >= 0) {
        close(l->life.fd);
    }
    return APR_SUCCESS;
}

/* A process may be killed while it holds the mutex: robust. */
static apr_status_t make_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attr;
    int rv = pthread_mutexattr_init(&attr);

    if (!rv) {
        rv = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
        if (!rv) {
            rv = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
        }
        if (!rv) {
            rv = pthread_mutex_init(mutex, &attr);
        }
        pthread_mutexattr_destroy(&attr);
    }
    return rv;
}

static apr_status_t make_wakers(scope_t *scope)
{
    int i;

    for (i = 0; i < scope->nentries; i++) {
        scope->wake[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (scope->wake[i] < 0) {
            return errno;
        }
    }
    return APR_SUCCESS;
}

apr_status_t cgi_limits_create(cgi_limits_t **limits,
                               const apr_array_header_t *list, int processes,
                               apr_pool_t *p)
{
    cgi_limits_t *l = apr_pcalloc(p, sizeof(*l));
    apr_status_t rv;
    char *at;
    int i, k;

    l->maker = getpid();
    l->life.processes = processes;
    l->size = aligned((apr_size_t)processes * sizeof(*l->life.checked));
    l->nscopes = list->nelts;
    l->scope = apr_pcalloc(p, (apr_size_t)l->nscopes * sizeof(*l->scope));
    for (i = 0; i < l->nscopes; i++) {
        cgi_limit_t *limit = APR_ARRAY_IDX(list, i, cgi_limit_t *);
        scope_t *scope = &l->scope[i];

        limit->number = i;
        scope->nplaces = limit->max;
        scope->nentries = limit->queue;
        scope->wake =
            apr_palloc(p, (apr_size_t)limit->queue * sizeof(*scope->wake));
        for (k = 0; k < limit->queue; k++) {
            scope->wake[k] = -1;
        }
        l->size += aligned(sizeof(counter_t)) +
                   aligned((apr_size_t)limit->max * sizeof(place_t)) +
                   aligned((apr_size_t)limit->queue * sizeof(entry_t));
    }

    l->memory = MAP_FAILED;
    l->life.fd = memfd_create("cgi-limits", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    apr_pool_cleanup_register(p, l, destroy, apr_pool_cleanup_null);
    /* No worker can take the memory away from the others. */
    if (l->life.fd < 0 || ftruncate(l->life.fd, (off_t)l->size) ||
        fcntl(l->life.fd, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        return errno;
    }
    l->memory =
        mmap(NULL, l->size, PROT_READ | PROT_WRITE, MAP_SHARED, l->life.fd, 0);
    if (l->memory == MAP_FAILED) {
        return errno;
    }
    at = l->memory; /* all zero: free */
    l->life.checked = (apr_time_t *)(void *)at;
    at += aligned((apr_size_t)processes * sizeof(*l->life.checked));
    for (i = 0; i < l->nscopes; i++) {
        scope_t *scope = &l->scope[i];

        scope->counter = (counter_t *)(void *)at;
        at += aligned(sizeof(counter_t));
        scope->place = (place_t *)(void *)at;
        at += aligned((apr_size_t)scope->nplaces * sizeof(place_t));
        scope->entry = (entry_t *)(void *)at;
        at += aligned((apr_size_t)scope->nentries * sizeof(entry_t));
        if ((rv = make_mutex(&scope->counter->mutex)) != APR_SUCCESS ||
            (rv = make_wakers(scope)) != APR_SUCCESS) {
            return rv;
        }
    }
    *limits = l;
    return APR_SUCCESS;
}

static void lock_scope(scope_t *scope)
{
    if (pthread_mutex_lock(&scope->counter->mutex) == EOWNERDEAD) {
        /* Every change takes effect with one store: none is half done. */
        pthread_mutex_consistent(&scope->counter->mutex);
    }
}

static void unlock_scope(scope_t *scope)
{
    pthread_mutex_unlock(&scope->counter->mutex);
}

static void set_owner(uint32_t *owner, uint32_t value)
{
    __atomic_store_n(owner, value, __ATOMIC_RELEASE);
}

/* ---- what follows is done under the scope's lock ---- */

/* The worker is done with a place; the script may not be. */
static void end_place(place_t *place, int ended, apr_time_t now)
{
    if (ended || place->pid == PID_NONE) {
        set_owner(&place->owner, OWNER_NONE);
        return;
    }
    place->time = now + (place->kill_ms
                             ? apr_time_from_msec((apr_time_t)place->kill_ms) +
                                   ENDING_MARGIN
                             : ENDING_MAX);
    set_owner(&place->owner, OWNER_ENDING);
}

/* Take from a process what it has left behind. */
static void clear_process(scope_t *scope, uint32_t process, apr_time_t now)
{
    int i;

    for (i = 0; i < scope->nplaces; i++) {
        if (scope->place[i].owner == process) {
            end_place(&scope->place[i], 0, now);
        }
    }
    for (i = 0; i < scope->nentries; i++) {
        if (scope->entry[i].owner == process) {
            set_owner(&scope->entry[i].owner, OWNER_NONE);
        }
    }
}

/* Does the owner of a place or an entry still live? If not, all is taken
 * from it. */
static int is_alive(cgi_limits_t *l, scope_t *scope, uint32_t process,
                    apr_time_t now)
{
    if (cgi_life_is_alive(&l->life, process, now)) {
        return 1;
    }
    clear_process(scope, process, now);
    return 0;
}

static int has_ended(const place_t *place, apr_time_t now)
{
    return place->time <= now ||
           (place->pid > 0 && kill(place->pid, 0) && errno == ESRCH);
}

static int free_place(const scope_t *scope)
{
    int i;

    for (i = 0; i < scope->nplaces; i++) {
        if (scope->place[i].owner == OWNER_NONE) {
            return i;
        }
    }
    return -1;
}

/* A free place, or -1: then none can be had by looking closer either. */
static int find_place(cgi_limits_t *l, scope_t *scope, apr_time_t now)
{
    int i = free_place(scope);

    if (i >= 0) {
        return i;
    }
    for (i = 0; i < scope->nplaces; i++) {
        place_t *place = &scope->place[i];

        if (place->owner != OWNER_NONE && place->owner != OWNER_ENDING) {
            (void)is_alive(l, scope, place->owner, now);
        }
        if (place->owner == OWNER_ENDING && has_ended(place, now)) {
            set_owner(&place->owner, OWNER_NONE);
        }
    }
    return free_place(scope);
}

/* Who has waited longest, or -1. */
static int first_waiting(cgi_limits_t *l, scope_t *scope, apr_time_t now)
{
    int i, first;

    do {
        first = -1;
        for (i = 0; i < scope->nentries; i++) {
            if (scope->entry[i].owner != OWNER_NONE &&
                (first < 0 ||
                 scope->entry[i].ticket < scope->entry[first].ticket)) {
                first = i;
            }
        }
    } while (first >= 0 &&
             !is_alive(l, scope, scope->entry[first].owner, now));
    return first;
}

static int free_entry(cgi_limits_t *l, scope_t *scope, apr_time_t now)
{
    int i;

    for (i = 0; i < scope->nentries; i++) {
        if (scope->entry[i].owner == OWNER_NONE) {
            return i;
        }
    }
    for (i = 0; i < scope->nentries; i++) {
        if (scope->entry[i].owner == OWNER_NONE ||
            !is_alive(l, scope, scope->entry[i].owner, now)) {
            return i;
        }
    }
    return -1;
}

static int any_ending(const scope_t *scope)
{
    int i;

    for (i = 0; i < scope->nplaces; i++) {
        if (scope->place[i].owner == OWNER_ENDING) {
            return 1;
        }
    }
    return 0;
}

static void take_place(cgi_turn_t *turn, scope_t *scope, int i, apr_time_t now)
{
    place_t *place = &scope->place[i];

    place->pid = PID_NONE;
    place->kill_ms = 0;
    place->time = now;
    set_owner(&place->owner, turn->limits->life.me);
    turn->place = i;
}

/* ---- the interface ---- */

static scope_t *scope_of(cgi_limits_t *l, const cgi_limit_t *limit)
{
    return &l->scope[limit->number];
}

/* Tell who waits there to look. A word too much does no harm. */
static void wake(const scope_t *scope, int entry)
{
    const uint64_t one = 1;

    if (entry >= 0) {
        (void)!write(scope->wake[entry], &one, sizeof(one));
    }
}

apr_status_t cgi_limits_join(cgi_limits_t *limits)
{
    apr_time_t now = cgi_clock_now();
    apr_status_t rv;
    int i;

    if (limits->joined) {
        return APR_SUCCESS;
    }
    if ((rv = cgi_life_join(&limits->life)) != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < limits->nscopes; i++) {
        scope_t *scope = &limits->scope[i];
        int first;

        lock_scope(scope);
        /* of the last with this number */
        clear_process(scope, limits->life.me, now);
        first = first_waiting(limits, scope, now);
        unlock_scope(scope);
        wake(scope, first);
    }
    limits->joined = 1;
    return APR_SUCCESS;
}

int cgi_limit_is_full(cgi_limits_t *limits, const cgi_limit_t *limit)
{
    scope_t *scope = scope_of(limits, limit);
    apr_time_t now = cgi_clock_now();
    int full;

    lock_scope(scope);
    full = (first_waiting(limits, scope, now) >= 0 ||
            find_place(limits, scope, now) < 0) &&
           free_entry(limits, scope, now) < 0;
    unlock_scope(scope);
    return full;
}

cgi_turn_e cgi_limit_enter(cgi_turn_t *turn, cgi_limits_t *limits,
                           const cgi_limit_t *limit)
{
    scope_t *scope = scope_of(limits, limit);
    apr_time_t now = cgi_clock_now();
    cgi_turn_e result = CGI_TURN_REFUSED;
    uint64_t stale;
    int i, first;

    turn->limits = limits;
    turn->limit = NULL;
    turn->place = turn->entry = turn->wake_fd = -1;
    turn->again = AGAIN;
    if (!limits->joined) {
        return CGI_TURN_REFUSED;
    }
    lock_scope(scope);
    first = first_waiting(limits, scope, now);
    if (first < 0 && (i = find_place(limits, scope, now)) >= 0) {
        take_place(turn, scope, i, now);
        result = CGI_TURN_RUN;
    }
    else if ((i = free_entry(limits, scope, now)) >= 0) {
        turn->entry = i;
        turn->wake_fd = scope->wake[i];
        /* A word for the last who waited there. */
        (void)!read(turn->wake_fd, &stale, sizeof(stale));
        scope->entry[i].ticket = scope->counter->next_ticket++;
        set_owner(&scope->entry[i].owner, limits->life.me);
        if (first < 0 && any_ending(scope)) {
            turn->again = AGAIN_ENDING;
        }
        result = CGI_TURN_WAIT;
    }
    unlock_scope(scope);
    if (result != CGI_TURN_REFUSED) {
        turn->limit = limit;
    }
    return result;
}

cgi_turn_e cgi_limit_advance(cgi_turn_t *turn)
{
    scope_t *scope = scope_of(turn->limits, turn->limit);
    apr_time_t now = cgi_clock_now();
    cgi_turn_e result = CGI_TURN_WAIT;
    uint64_t word;
    int i, next = -1;

    (void)!read(turn->wake_fd, &word, sizeof(word));
    turn->again = AGAIN;
    lock_scope(scope);
    if (first_waiting(turn->limits, scope, now) == turn->entry) {
        i = find_place(turn->limits, scope, now);
        if (i >= 0) {
            take_place(turn, scope, i, now);
            set_owner(&scope->entry[turn->entry].owner, OWNER_NONE);
            turn->entry = turn->wake_fd = -1;
            result = CGI_TURN_RUN;
            if (free_place(scope) >= 0 || any_ending(scope)) {
                next = first_waiting(turn->limits, scope, now);
            }
        }
        else if (any_ending(scope)) {
            turn->again = AGAIN_ENDING;
        }
    }
    unlock_scope(scope);
    wake(scope, next);
    return result;
}

void cgi_limit_asked(cgi_turn_t *turn, unsigned int kill_ms)
{
    if (turn->limit && turn->place >= 0) {
        scope_t *scope = scope_of(turn->limits, turn->limit);

        lock_scope(scope);
        scope->place[turn->place].kill_ms = kill_ms;
        scope->place[turn->place].pid = PID_ASKED;
        unlock_scope(scope);
    }
}

void cgi_limit_started(cgi_turn_t *turn, pid_t pid)
{
    if (turn->limit && turn->place >= 0) {
        scope_t *scope = scope_of(turn->limits, turn->limit);

        lock_scope(scope);
        scope->place[turn->place].pid = (int32_t)pid;
        unlock_scope(scope);
    }
}

void cgi_limit_leave(cgi_turn_t *turn, int ended)
{
    apr_time_t now = cgi_clock_now();
    scope_t *scope;
    int first;

    if (!turn->limit) {
        return;
    }
    scope = scope_of(turn->limits, turn->limit);
    lock_scope(scope);
    if (turn->place >= 0) {
        place_t *place = &scope->place[turn->place];
        apr_interval_time_t held = now - place->time;
        apr_interval_time_t *average = &scope->counter->average;

        *average = *average ? *average + (held - *average) / 8 : held;
        end_place(place, ended, now);
    }
    else {
        set_owner(&scope->entry[turn->entry].owner, OWNER_NONE);
    }
    first = first_waiting(turn->limits, scope, now);
    unlock_scope(scope);
    wake(scope, first);
    turn->limit = NULL;
    turn->place = turn->entry = turn->wake_fd = -1;
}

int cgi_limit_retry_after(cgi_limits_t *limits, const cgi_limit_t *limit)
{
    scope_t *scope = scope_of(limits, limit);
    apr_interval_time_t t;
    int i, ahead = 1;

    lock_scope(scope);
    for (i = 0; i < scope->nentries; i++) {
        ahead += scope->entry[i].owner != OWNER_NONE;
    }
    t = scope->counter->average * ahead / limit->max;
    unlock_scope(scope);
    t = apr_time_sec(t + APR_USEC_PER_SEC - 1);
    return t < 1 ? 1 : t > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (int)t;
}

void cgi_limit_usage(cgi_limits_t *limits, const cgi_limit_t *limit,
                     int *running, int *waiting)
{
    scope_t *scope = scope_of(limits, limit);
    apr_time_t now = cgi_clock_now();
    int i;

    *running = *waiting = 0;
    lock_scope(scope);
    (void)first_waiting(limits, scope, now); /* clears what is left behind */
    (void)find_place(limits, scope, now);
    for (i = 0; i < scope->nplaces; i++) {
        *running += scope->place[i].owner != OWNER_NONE;
    }
    for (i = 0; i < scope->nentries; i++) {
        *waiting += scope->entry[i].owner != OWNER_NONE;
    }
    unlock_scope(scope);
}

unsigned int cgi_limit_count_refused(cgi_limits_t *limits,
                                     const cgi_limit_t *limit)
{
    scope_t *scope = scope_of(limits, limit);
    counter_t *counter = scope->counter;
    apr_time_t now = cgi_clock_now();
    unsigned int due = 0;

    lock_scope(scope);
    counter->refused++;
    if (!counter->reported || now - counter->reported >= REPORT_INTERVAL) {
        due = counter->refused;
        counter->refused = 0;
        counter->reported = now;
    }
    unlock_scope(scope);
    return due;
}
