/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * A CGI program that waits, then answers: see waiters.c. The query is
 * MS+NUMBER. It sleeps until CLOCK_MONOTONIC says MS milliseconds, and then
 * prints NUMBER in 1 + NUMBER % 50 lines.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(void)
{
    const char *query = getenv("QUERY_STRING");
    struct timespec until;
    unsigned long number, i;
    long long ms;

    if (!query || sscanf(query, "%lld+%lu", &ms, &number) != 2) {
        return 1;
    }
    until.tv_sec = (time_t)(ms / 1000);
    until.tv_nsec = (long)(ms % 1000) * 1000000L;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
           EINTR) {
    }
    printf("Content-Type: text/plain\n\n");
    for (i = 0; i <= number % 50; i++) {
        printf("%lu\n", number);
    }
    return fflush(stdout) != 0;
}
