/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* link: base/limit.c base/life.c */

/* The counters of CGILimit, between processes that are killed. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"

#include "base/limit.h"
#include "tap.h"

static apr_pool_t *pool;

/* Counters for one limit, of so many processes. */
static cgi_limits_t *make(cgi_limit_t *limit, int max, int queue,
                          int processes)
{
    apr_array_header_t *list = apr_array_make(pool, 1, sizeof(limit));
    cgi_limits_t *limits = NULL;

    memset(limit, 0, sizeof(*limit));
    limit->max = max;
    limit->queue = queue;
    limit->number = -1;
    APR_ARRAY_PUSH(list, cgi_limit_t *) = limit;
    if (cgi_limits_create(&limits, list, processes, pool) != APR_SUCCESS) {
        printf("Bail out! no counters\n");
        exit(1);
    }
    return limits;
}

static int readable(const cgi_turn_t *turn)
{
    struct pollfd pfd = {.fd = turn->wake_fd, .events = POLLIN};

    return poll(&pfd, 1, 0) == 1;
}

static void sleep_ms(unsigned int ms)
{
    usleep(ms * 1000);
}

/* A process that sleeps until it is killed. */
static pid_t sleeper(void)
{
    pid_t pid = fork();

    if (!pid) {
        pause();
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_one_process(void)
{
    cgi_limit_t limit;
    cgi_limits_t *limits = make(&limit, 2, 3, 4);
    cgi_turn_t a, b, w[3], x;
    int i;

    tap_ok(cgi_limit_enter(&a, limits, &limit) == CGI_TURN_REFUSED,
           "a process that has not joined gets no place");
    tap_ok(cgi_limits_join(limits) == APR_SUCCESS, "join");
    tap_ok(cgi_limit_enter(&a, limits, &limit) == CGI_TURN_RUN &&
               cgi_limit_enter(&b, limits, &limit) == CGI_TURN_RUN,
           "two places");
    tap_ok(!cgi_limit_is_full(limits, &limit), "not full: there is a queue");
    for (i = 0; i < 3; i++) {
        tap_ok(cgi_limit_enter(&w[i], limits, &limit) == CGI_TURN_WAIT &&
                   w[i].wake_fd >= 0 && w[i].again > 0,
               "waits: %d", i);
    }
    tap_ok(cgi_limit_is_full(limits, &limit), "full");
    tap_ok(cgi_limit_enter(&x, limits, &limit) == CGI_TURN_REFUSED && !x.limit,
           "one more is refused");
    cgi_limit_leave(&x, 1); /* holds nothing: does nothing */
    tap_ok(cgi_limit_advance(&w[0]) == CGI_TURN_WAIT, "no place: waits on");

    cgi_limit_leave(&b, 1);
    tap_ok(readable(&w[0]) && !readable(&w[1]) && !readable(&w[2]),
           "a free place wakes the first, and only that");
    tap_ok(cgi_limit_advance(&w[1]) == CGI_TURN_WAIT &&
               cgi_limit_advance(&w[2]) == CGI_TURN_WAIT,
           "the others can't overtake it");
    tap_ok(cgi_limit_enter(&x, limits, &limit) == CGI_TURN_REFUSED,
           "nor can who comes new");
    tap_ok(cgi_limit_advance(&w[0]) == CGI_TURN_RUN && w[0].entry < 0,
           "the first runs");
    tap_ok(cgi_limit_enter(&x, limits, &limit) == CGI_TURN_WAIT,
           "its entry of the queue is free");

    /* Two places at once: the second is told by the first. */
    cgi_limit_leave(&a, 1);
    cgi_limit_leave(&w[0], 1);
    tap_ok(readable(&w[1]) && !readable(&w[2]), "two places: one is woken");
    tap_ok(cgi_limit_advance(&w[1]) == CGI_TURN_RUN && readable(&w[2]),
           "who takes the first of them wakes the next");
    /* It hangs up instead of taking the place. */
    cgi_limit_leave(&w[2], 1);
    tap_ok(!w[2].limit && readable(&x), "who leaves the queue wakes the next");
    tap_ok(cgi_limit_advance(&x) == CGI_TURN_RUN, "it runs");
    cgi_limit_leave(&x, 1);
    cgi_limit_leave(&w[1], 1);

    tap_ok(cgi_limit_enter(&a, limits, &limit) == CGI_TURN_RUN &&
               cgi_limit_enter(&b, limits, &limit) == CGI_TURN_RUN,
           "all places are free in the end");
    tap_ok(cgi_limit_enter(&x, limits, &limit) == CGI_TURN_WAIT &&
               !readable(&x),
           "a word for the last one of an entry is not heard by the next");
}

static void test_ending(void)
{
    cgi_limit_t limit;
    cgi_limits_t *limits = make(&limit, 1, 1, 1);
    cgi_turn_t a, w;
    pid_t script = sleeper();

    cgi_limits_join(limits);
    cgi_limit_enter(&a, limits, &limit);
    cgi_limit_asked(&a, 60 * 1000);
    cgi_limit_started(&a, script);
    tap_ok(cgi_limit_enter(&w, limits, &limit) == CGI_TURN_WAIT, "waits");
    cgi_limit_leave(&a, 0);
    tap_ok(readable(&w), "the next is woken when a script is being ended");
    tap_ok(cgi_limit_advance(&w) == CGI_TURN_WAIT,
           "but has no place while that runs");
    tap_ok(w.again <= apr_time_from_msec(50), "and looks again soon");
    end(script);
    tap_ok(cgi_limit_advance(&w) == CGI_TURN_RUN, "its end frees the place");

    cgi_limit_asked(&w, 60 * 1000);
    cgi_limit_started(&w, 0);
    cgi_limit_leave(&w, 0);
    tap_ok(cgi_limit_enter(&a, limits, &limit) == CGI_TURN_RUN,
           "what was not started after all holds no place");
    cgi_limit_asked(&a, 1);
    cgi_limit_leave(&a, 0);
    tap_ok(cgi_limit_enter(&w, limits, &limit) == CGI_TURN_WAIT,
           "a script that nothing is known of may run");
    sleep_ms(1100);
    tap_ok(cgi_limit_advance(&w) == CGI_TURN_RUN,
           "until it must have been killed");

    script = sleeper();
    cgi_limit_asked(&w, 1);
    cgi_limit_started(&w, script);
    cgi_limit_leave(&w, 0);
    tap_ok(cgi_limit_is_full(limits, &limit) == 0 &&
               cgi_limit_enter(&w, limits, &limit) == CGI_TURN_WAIT,
           "a script that does not end");
    sleep_ms(1100);
    tap_ok(cgi_limit_advance(&w) == CGI_TURN_RUN,
           "holds its place no longer than until it must have been killed");
    end(script);
}

/* Another process: joins, takes so many turns, tells so, and waits to be
 * killed. The first of them, if it has a place, has started a script. */
static pid_t other_process(cgi_limits_t *limits, const cgi_limit_t *limit,
                           int turns, pid_t script)
{
    int ready[2];
    char c;
    pid_t pid;

    if (pipe(ready) || (pid = fork()) < 0) {
        printf("Bail out! no process\n");
        exit(1);
    }
    if (!pid) {
        cgi_turn_t turn[8];
        int i;

        if (cgi_limits_join(limits) != APR_SUCCESS) {
            _exit(1);
        }
        for (i = 0; i < turns; i++) {
            cgi_limit_enter(&turn[i], limits, limit);
            if (!i && script && turn[i].place >= 0) {
                cgi_limit_asked(&turn[i], 60 * 1000);
                cgi_limit_started(&turn[i], script);
            }
        }
        (void)!write(ready[1], "", 1);
        pause();
        _exit(0);
    }
    close(ready[1]);
    tap_ok(read(ready[0], &c, 1) == 1, "another process has its turns");
    close(ready[0]);
    return pid;
}

static void test_killed(void)
{
    cgi_limit_t limit;
    cgi_limits_t *limits = make(&limit, 3, 2, 4);
    cgi_turn_t a, b, w;
    pid_t script = sleeper();
    /* three places and the first entry of the queue */
    pid_t other = other_process(limits, &limit, 4, script);

    cgi_limits_join(limits);
    tap_ok(cgi_limit_enter(&w, limits, &limit) == CGI_TURN_WAIT, "waits");
    sleep_ms(150);
    tap_ok(cgi_limit_advance(&w) == CGI_TURN_WAIT,
           "the turns of a live process are its own");
    kill(other, SIGKILL);
    sleep_ms(150); /* not reaped: httpd's parent takes its time */
    tap_ok(cgi_limit_advance(&w) == CGI_TURN_RUN,
           "what a killed process held is free, and its wait is over");
    tap_ok(cgi_limit_enter(&a, limits, &limit) == CGI_TURN_RUN,
           "another of its places");
    tap_ok(cgi_limit_enter(&b, limits, &limit) == CGI_TURN_WAIT,
           "but not that of its script, which runs on");
    end(script);
    tap_ok(cgi_limit_advance(&b) == CGI_TURN_RUN, "until that has ended");
    waitpid(other, NULL, 0);
}

static void test_join(void)
{
    cgi_limit_t limit;
    cgi_limits_t *limits = make(&limit, 1, 0, 1);
    cgi_turn_t a;
    pid_t other = other_process(limits, &limit, 1, 0);

    tap_ok(cgi_limits_join(limits) == APR_ENOMEM,
           "no more processes than was said");
    tap_ok(cgi_limit_enter(&a, limits, &limit) == CGI_TURN_REFUSED,
           "such a one gets no place");
    end(other);
    tap_ok(cgi_limits_join(limits) == APR_SUCCESS, "one has ended");
    tap_ok(cgi_limit_enter(&a, limits, &limit) == CGI_TURN_RUN,
           "who takes its number takes nothing else from it");
}

static void test_two_limits(void)
{
    apr_array_header_t *list = apr_array_make(pool, 2, sizeof(cgi_limit_t *));
    cgi_limit_t one = {.max = 1}, two = {.max = 1, .queue = 1};
    cgi_limits_t *limits;
    cgi_turn_t a, b, c;

    APR_ARRAY_PUSH(list, cgi_limit_t *) = &one;
    APR_ARRAY_PUSH(list, cgi_limit_t *) = &two;
    tap_ok(cgi_limits_create(&limits, list, 2, pool) == APR_SUCCESS &&
               cgi_limits_join(limits) == APR_SUCCESS,
           "two limits");
    tap_ok(cgi_limit_enter(&a, limits, &one) == CGI_TURN_RUN &&
               cgi_limit_enter(&b, limits, &two) == CGI_TURN_RUN,
           "each has its own places");
    tap_ok(cgi_limit_enter(&c, limits, &one) == CGI_TURN_REFUSED &&
               cgi_limit_enter(&c, limits, &two) == CGI_TURN_WAIT,
           "and its own queue");
    cgi_limit_leave(&a, 1);
    tap_ok(!readable(&c) && cgi_limit_advance(&c) == CGI_TURN_WAIT,
           "a place of one is none of the other");
}

static void test_numbers(void)
{
    cgi_limit_t limit;
    cgi_limits_t *limits = make(&limit, 1, 8, 1);
    cgi_turn_t a, w[8];
    int i;

    cgi_limits_join(limits);
    tap_ok(cgi_limit_retry_after(limits, &limit) == 1,
           "at first, one second is a guess");
    cgi_limit_enter(&a, limits, &limit);
    sleep_ms(300);
    cgi_limit_leave(&a, 1);
    cgi_limit_enter(&a, limits, &limit);
    for (i = 0; i < 8; i++) {
        cgi_limit_enter(&w[i], limits, &limit);
    }
    i = cgi_limit_retry_after(limits, &limit);
    tap_ok(i >= 3 && i <= 4, "nine turns of 0.3 s take 3 s: %d", i);
    tap_ok(cgi_limit_count_refused(limits, &limit) == 1 &&
               cgi_limit_count_refused(limits, &limit) == 0,
           "the first refusal is to be told, the next not at once");
}

/* ---- many processes ---- */

typedef struct watch_t {
    int running;  /* scripts, as it were */
    int most;     /* that there were at once */
    int late;     /* waits that only their own clock ended */
    int unlucky;  /* refused, though there was room for all */
    int finished; /* turns */
} watch_t;

static watch_t *watch;

static void take_turns(cgi_limits_t *limits, const cgi_limit_t *limit,
                       int turns)
{
    while (turns-- > 0) {
        cgi_turn_t turn;
        cgi_turn_e rc = cgi_limit_enter(&turn, limits, limit);
        int n, most;

        while (rc == CGI_TURN_WAIT) {
            struct pollfd pfd = {.fd = turn.wake_fd, .events = POLLIN};

            if (!poll(&pfd, 1, (int)apr_time_as_msec(turn.again))) {
                __atomic_add_fetch(&watch->late, 1, __ATOMIC_SEQ_CST);
            }
            rc = cgi_limit_advance(&turn);
        }
        if (rc == CGI_TURN_REFUSED) {
            __atomic_add_fetch(&watch->unlucky, 1, __ATOMIC_SEQ_CST);
            continue;
        }
        n = __atomic_add_fetch(&watch->running, 1, __ATOMIC_SEQ_CST);
        most = __atomic_load_n(&watch->most, __ATOMIC_SEQ_CST);
        while (n > most && !__atomic_compare_exchange_n(&watch->most, &most, n,
                                                        0, __ATOMIC_SEQ_CST,
                                                        __ATOMIC_SEQ_CST)) {
            ;
        }
        usleep(100);
        __atomic_sub_fetch(&watch->running, 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&watch->finished, 1, __ATOMIC_SEQ_CST);
        cgi_limit_leave(&turn, 1);
    }
}

static pid_t worker(cgi_limits_t *limits, const cgi_limit_t *limit, int turns)
{
    pid_t pid = fork();

    if (!pid) {
        alarm(60);
        if (cgi_limits_join(limits) == APR_SUCCESS) {
            take_turns(limits, limit, turns);
        }
        _exit(0);
    }
    return pid;
}

static void test_many(void)
{
    enum { WORKERS = 8, TURNS = 200, PLACES = 3 };
    cgi_limit_t limit;
    cgi_limits_t *limits = make(&limit, PLACES, WORKERS, WORKERS);
    int i;

    memset(watch, 0, sizeof(*watch));
    for (i = 0; i < WORKERS; i++) {
        worker(limits, &limit, TURNS);
    }
    while (wait(NULL) > 0) {
        ;
    }
    tap_ok(watch->finished == WORKERS * TURNS && !watch->unlucky,
           "%d workers have all their turns: %d", WORKERS, watch->finished);
    tap_ok(watch->most == PLACES, "never more than %d at once: %d", PLACES,
           watch->most);
    tap_ok(watch->late == 0, "nobody was forgotten: %d", watch->late);
}

/* Killed at any moment, in the middle of a change too. */
static void test_kill_often(void)
{
    enum { KILLS = 150 };
    cgi_limit_t limit;
    cgi_limits_t *limits = make(&limit, 2, 4, 8);
    cgi_turn_t turn[2];
    pid_t steady[2];
    apr_time_t end = apr_time_now() + apr_time_from_sec(8);
    int i, status = -1, stuck = 0;

    memset(watch, 0, sizeof(*watch));
    for (i = 0; i < KILLS && !stuck && apr_time_now() < end; i++) {
        pid_t a = worker(limits, &limit, 1000000);
        pid_t b = worker(limits, &limit, 1000000);
        int before = watch->finished, ms = 0;

        /* However slow the machine: they are killed while they take turns. */
        while (watch->finished == before && ++ms < 1000) {
            usleep(1000);
        }
        stuck += ms == 1000;
        usleep((unsigned int)rand() % 3000);
        kill(a, SIGKILL);
        kill(b, SIGKILL);
        waitpid(a, NULL, 0);
        waitpid(b, NULL, 0);
    }
    tap_ok(!stuck && watch->finished >= i, "%d turns between %d kills",
           watch->finished, 2 * i);
    sleep_ms(150); /* the last ones' death has not been noticed */
    watch->finished = 0;
    for (i = 0; i < 2; i++) {
        steady[i] = worker(limits, &limit, 100);
    }
    for (i = 0; i < 2; i++) {
        waitpid(steady[i], &status, 0);
        tap_ok(WIFEXITED(status), "a worker after that comes to its end");
    }
    tap_ok(watch->finished == 200, "with all its turns: %d", watch->finished);
    sleep_ms(150);
    cgi_limits_join(limits);
    tap_ok(cgi_limit_enter(&turn[0], limits, &limit) == CGI_TURN_RUN &&
               cgi_limit_enter(&turn[1], limits, &limit) == CGI_TURN_RUN,
           "no place is lost");
}

/* A worker that somebody has taken over writes what it likes: the others
 * lose neither their memory nor themselves. */
static void test_forged(void)
{
    cgi_limit_t limit;
    cgi_limits_t *limits = make(&limit, 2, 2, 3);
    cgi_turn_t turn;
    struct stat st;
    char name[64], path[64];
    uint32_t *word;
    int fd, found = -1;

    cgi_limits_join(limits);
    for (fd = 3; fd < 200; fd++) {
        ssize_t n;

        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        n = readlink(name, path, sizeof(path) - 1);
        path[n < 0 ? 0 : n] = '\0';
        if (strstr(path, "memfd:cgi-limits")) {
            found = fd; /* the last one made */
        }
    }
    tap_ok(found >= 0 && !fstat(found, &st), "the memory's file is found");
    tap_ok(ftruncate(found, 0) && ftruncate(found, st.st_size * 2),
           "and can't be cut or grown");
    word = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                found, 0);
    tap_ok(word != MAP_FAILED, "but written to");
    tap_ok(cgi_limit_enter(&turn, limits, &limit) == CGI_TURN_RUN, "a place");
    cgi_limit_leave(&turn, 1);
    /* Places and entries are what follows the counter, at the end: after
     * them is nothing but zeros. Number 70000 is no process. */
    for (fd = 1; fd <= 32; fd++) {
        word[st.st_size / 4 - fd] = 70000;
    }
    tap_ok(cgi_limit_enter(&turn, limits, &limit) != CGI_TURN_REFUSED,
           "an owner that can't be is none");
    cgi_limit_leave(&turn, 1);
    munmap(word, (size_t)st.st_size);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    setvbuf(stdout, NULL, _IONBF, 0);
    watch = mmap(NULL, sizeof(*watch), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    alarm(120);
    test_one_process();
    test_ending();
    test_killed();
    test_join();
    test_two_limits();
    test_numbers();
    test_many();
    test_kill_often();
    test_forged();
    apr_pool_destroy(pool);
    return tap_done();
}
