/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What all of the launcher needs of the system: its end with a word, a clock,
 * notes to workers, files in memory, descriptors.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "launcher/launcher.h"

void launcher_die(const char *what)
{
    fprintf(stderr, "cgi-launcher: %s: %s\n", what, strerror(errno));
    exit(1);
}

apr_time_t launcher_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec((apr_time_t)now.tv_sec) + now.tv_nsec / 1000;
}

/* A note that can't be sent has nobody to read it: the worker is gone. */
void launcher_note(int fd, cgi_note_e kind, int value, cgi_stage_e stage)
{
    cgi_note_t note = {(int)kind, value, (int)stage};

    (void)!send(fd, &note, sizeof(note), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static char log_buffer[BUFSIZ];

void launcher_open_log(void)
{
    setvbuf(stderr, log_buffer, _IOLBF, sizeof(log_buffer));
}

void launcher_wipe_log(void)
{
    explicit_bzero(log_buffer, sizeof(log_buffer));
}

/* Lines of standard input, one by one; a long one is several. */
static void relay(void)
{
    char line[1024], *at;

    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        for (at = line; *at; at++) {
            if ((unsigned char)*at < ' ' || *at == 127) {
                *at = '?';
            }
        }
        fprintf(stderr, "cgi-warm of user %lu: %s\n", (unsigned long)getuid(),
                line);
    }
}

void launcher_log_apart(void)
{
    int pair[2];
    pid_t pid;

    if (pipe2(pair, O_CLOEXEC) || (pid = fork()) < 0) {
        launcher_die("sending the log to another process");
    }
    if (!pid) {
        dup2(pair[0], 0);
        launcher_close_inherited();
        relay();
        _exit(0);
    }
    dup2(pair[1], 2);
    close(pair[0]);
    close(pair[1]);
}

/* Read a file in memory: of another kind, reading could wait for somebody,
 * and every request with it. */
void *launcher_read_file(int fd, apr_size_t size, apr_pool_t *pool)
{
    char *data;
    apr_size_t have = 0;

    if (size > CGI_WIRE_MAX || fcntl(fd, F_GET_SEALS) < 0) {
        return NULL;
    }
    data = apr_palloc(pool, size);
    if (!data) {
        return NULL;
    }
    while (have < size) {
        ssize_t n = pread(fd, data + have, size - have, (off_t)have);

        if (n <= 0) {
            return NULL;
        }
        have += (apr_size_t)n;
    }
    return data;
}

/* All but the standard three. Before Linux 5.9 they are looked for. */
void launcher_close_inherited(void)
{
    DIR *dir;
    const struct dirent *entry;
    int fd;

#ifdef SYS_close_range
    if (!syscall(SYS_close_range, 3u, ~0u, 0u)) {
        return;
    }
#endif
    dir = opendir("/proc/self/fd");
    if (dir) {
        while ((entry = readdir(dir))) {
            fd = atoi(entry->d_name);
            if (fd > 2 && fd != dirfd(dir)) {
                close(fd);
            }
        }
        closedir(dir);
        return;
    }
    for (fd = (int)sysconf(_SC_OPEN_MAX) - 1; fd > 2; fd--) {
        close(fd);
    }
}
