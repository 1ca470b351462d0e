/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* link: base/board.c base/life.c base/tally.c base/histogram.c */

/* What runs and what has run, between processes that are killed and some that
 * write nonsense. */

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/board.h"
#include "base/clock.h"
#include "tap.h"

static apr_pool_t *pool;

static cgi_board_t *make(int processes, int slots, int entries)
{
    cgi_board_t *b = NULL;

    if (cgi_board_create(&b, processes, slots, entries, pool)) {
        printf("Bail out! no board\n");
        exit(1);
    }
    return b;
}

static cgi_board_facts_t facts_of(const char *script)
{
    cgi_board_facts_t facts = {"unit", script, "", "GET", "/u", "h", "c"};

    return facts;
}

static void begin(cgi_board_t *b, cgi_board_place_t *place, const char *script)
{
    cgi_board_facts_t facts = facts_of(script);

    cgi_board_begin(b, place, &facts, cgi_clock_now());
}

static void end(cgi_board_t *b, cgi_board_place_t *place, cgi_result_e result)
{
    cgi_sample_t sample = {result, 1000, 2000, 3, 4};

    cgi_board_end(b, place, &sample, cgi_clock_now());
}

/* Run something in a worker; @return its exit status */
static int in_worker(int (*body)(cgi_board_t *b), cgi_board_t *b)
{
    int status = -1;
    pid_t pid = fork();

    if (!pid) {
        _exit(cgi_board_join(b) ? 99 : body(b));
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static cgi_board_request_t *requests(cgi_board_t *b, int *n)
{
    apr_array_header_t *list = cgi_board_requests(b, cgi_clock_now(), pool);

    *n = list->nelts;
    return (cgi_board_request_t *)list->elts;
}

static uint64_t counted(cgi_board_t *b, const char *script,
                        cgi_result_e result)
{
    apr_array_header_t *list = cgi_board_entries(b, pool);
    cgi_counts_t c;
    int i;

    for (i = 0; i < list->nelts; i++) {
        cgi_board_entry_t *e = &APR_ARRAY_IDX(list, i, cgi_board_entry_t);

        if (!strcmp(e->script, script)) {
            cgi_tally_all(e->tally, &c);
            return c.result[result];
        }
    }
    return 0;
}

static void test_request(void)
{
    cgi_board_t *b = make(4, 8, 8);
    cgi_board_progress_t progress = {3, 4711, 12, 34};
    cgi_board_request_t *r;
    cgi_board_place_t one, two, three;
    char *longest = apr_pstrcat(pool, "/begin/", NULL);
    uint64_t serial;
    int i, n;

    tap_ok(cgi_board_join(b) == APR_SUCCESS && !cgi_board_join(b),
           "a process joins, once");
    begin(b, &one, "/a");
    begin(b, &two, "/b");
    cgi_board_progress(b, &two, &progress);
    r = requests(b, &n);
    tap_ok(n == 2 && !strcmp(r[0].script, "/a") && r[0].worker == getpid() &&
               r[0].progress.phase == 0 && r[0].progress.pid == 0 &&
               !strcmp(r[1].script, "/b") && r[1].progress.phase == 3 &&
               r[1].progress.pid == 4711 && r[1].progress.bytes_in == 12 &&
               r[1].progress.bytes_out == 34 && !strcmp(r[1].client, "c"),
           "two requests run");
    tap_ok(!cgi_board_is_unwanted(b, &two) &&
               cgi_board_unwant(b, r[1].slot, r[1].serial) &&
               cgi_board_is_unwanted(b, &two) &&
               !cgi_board_is_unwanted(b, &one),
           "one is to end");
    serial = r[1].serial;
    end(b, &two, CGI_RESULT_ENDED);
    tap_ok(!cgi_board_unwant(b, r[1].slot, serial), "it has: too late");
    begin(b, &three, "/b");
    tap_ok(three.slot == r[1].slot &&
               !cgi_board_unwant(b, three.slot, serial) &&
               !cgi_board_is_unwanted(b, &three),
           "the next one in its slot is not meant");
    tap_ok(!cgi_board_unwant(b, -1, 1) && !cgi_board_unwant(b, 8, 1) &&
               !cgi_board_unwant(b, 0, 0),
           "nor a slot that there is not");
    end(b, &one, CGI_RESULT_OK);
    end(b, &three, CGI_RESULT_OK);
    (void)requests(b, &n);
    tap_ok(n == 0, "all have ended");
    tap_ok(counted(b, "/a", CGI_RESULT_OK) == 1 &&
               counted(b, "/b", CGI_RESULT_OK) == 1 &&
               counted(b, "/b", CGI_RESULT_ENDED) == 1,
           "and are counted");
    for (i = 0; i < 40; i++) {
        longest = apr_pstrcat(pool, longest, "long/", NULL);
    }
    longest = apr_pstrcat(pool, longest, "end", NULL);
    begin(b, &one, longest);
    r = requests(b, &n);
    tap_ok(n == 1 && strlen(r->script) == CGI_BOARD_NAME - 1 &&
               !strcmp(r->script + strlen(r->script) - 8, "long/end"),
           "of a long path the end is kept");
    end(b, &one, CGI_RESULT_OK);
}

static void test_full(void)
{
    cgi_board_t *b = make(4, 2, 3);
    cgi_board_place_t place[3];
    int i, n;

    (void)cgi_board_join(b);
    begin(b, &place[0], "/a");
    begin(b, &place[1], "/b");
    begin(b, &place[2], "/c");
    (void)requests(b, &n);
    tap_ok(n == 2 && place[2].slot == -1 &&
               !cgi_board_is_unwanted(b, &place[2]),
           "slots are full: the third is not listed");
    for (i = 0; i < 3; i++) {
        end(b, &place[i], CGI_RESULT_OK);
    }
    tap_ok(counted(b, "/a", CGI_RESULT_OK) == 1 &&
               counted(b, "/b", CGI_RESULT_OK) == 1 &&
               counted(b, "/c", CGI_RESULT_OK) == 0 &&
               counted(b, "", CGI_RESULT_OK) == 1,
           "the table is full: it is counted with the others");
}

static int leave_behind(cgi_board_t *b)
{
    cgi_board_place_t place;

    begin(b, &place, "/left");
    begin(b, &place, "/left");
    return 0;
}

static int look(cgi_board_t *b)
{
    int n;

    (void)requests(b, &n);
    return n;
}

static int nothing(cgi_board_t *b)
{
    (void)b;
    return 0;
}

static void test_death(void)
{
    cgi_board_t *b = make(4, 8, 8);
    int n;

    tap_ok(in_worker(leave_behind, b) == 0, "a worker dies in two requests");
    (void)requests(b, &n);
    tap_ok(counted(b, "/left", CGI_RESULT_KILLED) == 0,
           "who has no number buries nobody");
    usleep(110000); /* it was seen alive by nobody since */
    tap_ok(in_worker(look, b) == 0 &&
               counted(b, "/left", CGI_RESULT_KILLED) == 2,
           "the next who looks finds them killed");
    tap_ok(in_worker(look, b) == 0 &&
               counted(b, "/left", CGI_RESULT_KILLED) == 2,
           "and nobody does again");

    b = make(1, 8, 8);
    (void)in_worker(leave_behind, b);
    tap_ok(in_worker(nothing, b) == 0 &&
               counted(b, "/left", CGI_RESULT_KILLED) == 2,
           "who gets the number of a dead one clears its slots");
}

static int many(cgi_board_t *b)
{
    cgi_board_place_t place;
    int i;

    for (i = 0; i < 20000; i++) {
        begin(b, &place, i & 1 ? "/odd" : "/even");
        if (place.slot < 0) {
            return 1;
        }
        end(b, &place, CGI_RESULT_OK);
    }
    return 0;
}

static void test_together(void)
{
    cgi_board_t *b = make(8, 8, 8);
    pid_t pid[4];
    int i, status, bad = 0;

    for (i = 0; i < 4; i++) {
        if (!(pid[i] = fork())) {
            _exit(cgi_board_join(b) ? 99 : many(b));
        }
    }
    for (i = 0; i < 4; i++) {
        waitpid(pid[i], &status, 0);
        bad += status != 0;
    }
    tap_ok(!bad && cgi_board_entries(b, pool)->nelts == 2 &&
               counted(b, "/odd", CGI_RESULT_OK) == 40000 &&
               counted(b, "/even", CGI_RESULT_OK) == 40000,
           "four processes at once: none is lost, and none has two entries");
}

/* A worker that somebody has taken over writes anything anywhere. */
static unsigned int dice = 1;

static void scribble(cgi_board_t *b)
{
    /* what the pulse points at lies at the begin of the shared memory */
    unsigned char *at = (unsigned char *)cgi_board_pulse(b) - 16;
    int i;

    for (i = 0; i < 60000; i++) {
        dice = dice * 1103515245 + 12345;
        at[i] = (unsigned char)(dice >> 16);
    }
}

static int survive(cgi_board_t *b)
{
    apr_array_header_t *list;
    cgi_board_place_t place;
    uint32_t good[CGI_PULSE_SLICES], bad[CGI_PULSE_SLICES];
    uint64_t n[CGI_TALLY_LONGS];
    cgi_counts_t c;
    int i, round;

    for (round = 0; round < 50; round++) {
        scribble(b);
        begin(b, &place, "/a");
        list = cgi_board_requests(b, cgi_clock_now(), pool);
        for (i = 0; i < list->nelts; i++) {
            cgi_board_request_t *r =
                &APR_ARRAY_IDX(list, i, cgi_board_request_t);

            if (strlen(r->script) >= CGI_BOARD_NAME ||
                strlen(r->uri) >= CGI_BOARD_URI) {
                return 1;
            }
        }
        list = cgi_board_entries(b, pool);
        for (i = 0; i < list->nelts; i++) {
            cgi_board_entry_t *e = &APR_ARRAY_IDX(list, i, cgi_board_entry_t);

            cgi_tally_minute(e->tally, &c, cgi_clock_now());
            (void)cgi_histogram_quantile(&c.total, 990);
            (void)cgi_histogram_quantile(&c.first, 500);
            cgi_tally_minutes(e->tally, n, cgi_clock_now());
        }
        (void)cgi_board_launchers(b, pool);
        cgi_pulse_read(cgi_board_pulse(b), good, bad, cgi_clock_now());
        end(b, &place, CGI_RESULT_OK);
    }
    return 0;
}

/* A text without an end. */
static int endless(cgi_board_t *b)
{
    static const char needle[] = "/needle";
    const unsigned char *memory = (const unsigned char *)cgi_board_pulse(b);
    cgi_board_request_t *r;
    cgi_board_place_t place;
    int i, n, found = 0;

    begin(b, &place, needle);
    for (i = 0; i < 30000; i++) {
        if (!memcmp(memory + i, needle, sizeof(needle))) {
            memset((unsigned char *)memory + i, 'x', CGI_BOARD_NAME);
            found = 1;
        }
    }
    r = requests(b, &n);
    return !(found && n == 1 && strlen(r->script) == CGI_BOARD_NAME - 1);
}

static void test_hostile(void)
{
    tap_ok(in_worker(endless, make(64, 32, 8)) == 0,
           "a text without an end has one");
    tap_ok(in_worker(survive, make(64, 32, 8)) == 0,
           "nonsense in the memory harms nobody who reads it");
}

static void test_launchers(void)
{
    cgi_board_t *b = make(4, 8, 8);
    cgi_board_launcher_t *l;
    apr_array_header_t *list;

    cgi_board_list_launcher(b, 0, 100, 0, 0, 5);
    cgi_board_list_launcher(b, 1, 101, 1, 1, 6);
    cgi_board_list_launcher(b, 2, 102, 0, 0, 7);
    cgi_board_list_launcher(b, 0, 0, 0, 0, 0);
    cgi_board_list_launcher(b, CGI_BOARD_LAUNCHERS, 9, 0, 0, 0);
    cgi_board_list_launcher(b, -1, 9, 0, 0, 0);
    list = cgi_board_launchers(b, pool);
    l = (cgi_board_launcher_t *)list->elts;
    tap_ok(list->nelts == 2 && l[0].pid == 101 && l[0].privileged &&
               l[0].earlier && l[0].started == 6 && l[1].pid == 102,
           "launchers that there are");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    test_request();
    test_full();
    test_death();
    test_together();
    test_hostile();
    test_launchers();
    apr_pool_destroy(pool);
    return tap_done();
}
