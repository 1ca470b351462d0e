/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * Server-sent events and their delay.
 *
 * As a CGI program (no arguments): one event every 10 ms, 200 in all, whose
 * data is the time of writing in nanoseconds.
 *     stamps read < STREAM
 * reads such a stream from its standard input as it arrives and prints
 * "EVENTS MEDIAN P99 MAX" of the delays, in microseconds.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 200
#define PERIOD_NS 10000000LL

static long long now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int put(const char *text)
{
    return write(1, text, strlen(text)) == (ssize_t)strlen(text);
}

static int produce(void)
{
    char line[64];
    int i;

    if (!put("Content-Type: text/event-stream\nCache-Control: no-cache\n"
             "X-Accel-Buffering: no\n\n")) {
        return 1;
    }
    for (i = 0; i < EVENTS; i++) {
        struct timespec pause = {0, PERIOD_NS};

        nanosleep(&pause, NULL);
        snprintf(line, sizeof(line), "data: %lld\n\n", now());
        if (!put(line)) {
            return 1;
        }
    }
    return 0;
}

static int by_value(const void *a, const void *b)
{
    const long long x = *(const long long *)a, y = *(const long long *)b;

    return (x > y) - (x < y);
}

static int consume(void)
{
    static long long delay[EVENTS];
    char line[4096];
    size_t len = 0;
    int n = 0;
    ssize_t got;

    while ((got = read(0, line + len, sizeof(line) - 1 - len)) > 0) {
        long long arrived = now();
        char *p = line, *end;

        len += (size_t)got;
        line[len] = '\0';
        while ((end = strchr(p, '\n')) != NULL) {
            if (!strncmp(p, "data: ", 6) && n < EVENTS) {
                delay[n++] = arrived - atoll(p + 6);
            }
            p = end + 1;
        }
        len -= (size_t)(p - line);
        memmove(line, p, len);
    }
    if (n != EVENTS) {
        fprintf(stderr, "stamps: %d of %d events arrived\n", n, EVENTS);
        return 1;
    }
    qsort(delay, (size_t)n, sizeof(delay[0]), by_value);
    printf("%d %lld %lld %lld\n", n, delay[n / 2] / 1000,
           delay[n * 99 / 100] / 1000, delay[n - 1] / 1000);
    return 0;
}

int main(int argc, char **argv)
{
    return argc == 2 && !strcmp(argv[1], "read") ? consume() : produce();
}
