/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * The limit: how many programs can this machine start, read to the end and
 * wait for in a second, with no HTTP, no server and no relay around it?
 *
 *     spawnloop SECONDS PROCESSES PROGRAM [ARG ...]
 *
 * Each of PROCESSES runs one program after the other. Prints the number per
 * second of all together. The environment is one of the usual size of a CGI
 * request, so that the programs have the same work to do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char *const environment[] = {
    "GATEWAY_INTERFACE=CGI/1.1",
    "SERVER_PROTOCOL=HTTP/1.1",
    "SERVER_SOFTWARE=Apache/2.4 (Debian)",
    "SERVER_SIGNATURE=",
    "SERVER_NAME=127.0.0.1",
    "SERVER_ADDR=127.0.0.1",
    "SERVER_PORT=8080",
    "REMOTE_ADDR=127.0.0.1",
    "REMOTE_PORT=45678",
    "REQUEST_SCHEME=http",
    "REQUEST_METHOD=GET",
    "REQUEST_URI=/cgi-bin/hello",
    "QUERY_STRING=",
    "SCRIPT_NAME=/cgi-bin/hello",
    "SCRIPT_FILENAME=/tmp/bench/site/cgi-bin/hello",
    "CONTEXT_PREFIX=/cgi-bin/",
    "CONTEXT_DOCUMENT_ROOT=/tmp/bench/site/cgi-bin/",
    "DOCUMENT_ROOT=/tmp/bench/site",
    "SERVER_ADMIN=you@example.org",
    "HTTP_HOST=127.0.0.1:8080",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    NULL};

static void die(const char *what, int error)
{
    fprintf(stderr, "spawnloop: %s: %s\n", what, strerror(error));
    exit(2);
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Start the program, read its output to the end, wait for it. */
static void run_once(char **argv)
{
    posix_spawn_file_actions_t actions;
    char buffer[4096];
    int out[2], status, rv;
    size_t total = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(out, O_CLOEXEC)) {
        die("pipe2", errno);
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    rv = posix_spawn(&pid, argv[0], &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (rv) {
        die(argv[0], rv);
    }
    close(out[1]);
    while ((n = read(out[0], buffer, sizeof(buffer))) > 0) {
        total += (size_t)n;
    }
    close(out[0]);
    if (waitpid(pid, &status, 0) != pid) {
        die("waitpid", errno);
    }
    if (status || !total) {
        die(argv[0], ECHILD);
    }
}

int main(int argc, char **argv)
{
    double seconds, begin, taken = 0;
    long jobs, i, total = 0;
    int result[2];

    if (argc < 4 || (seconds = atof(argv[1])) <= 0 ||
        (jobs = atol(argv[2])) <= 0) {
        fprintf(stderr, "usage: spawnloop SECONDS PROCESSES PROGRAM ...\n");
        return 2;
    }
    if (pipe2(result, O_CLOEXEC)) {
        die("pipe2", errno);
    }
    begin = seconds_now();
    for (i = 0; i < jobs; i++) {
        pid_t pid = fork();

        if (pid < 0) {
            die("fork", errno);
        }
        if (!pid) {
            long count = 0;

            while (seconds_now() - begin < seconds) {
                run_once(argv + 3);
                count++;
            }
            _exit(write(result[1], &count, sizeof(count)) != sizeof(count));
        }
    }
    for (i = 0; i < jobs; i++) {
        int status;
        long count;

        if (wait(&status) < 0 || status ||
            read(result[0], &count, sizeof(count)) != sizeof(count)) {
            die("worker", ECHILD);
        }
        total += count;
    }
    taken = seconds_now() - begin;
    printf("%.1f\n", (double)total / taken);
    return 0;
}
