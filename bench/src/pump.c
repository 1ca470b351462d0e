/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * The limit for large transfers: one request at a time, next to no HTTP, a
 * program's pipe read and the socket written (or the other way round) in
 * pieces of 64 KiB. What it needs is what any server needs that copies.
 *
 *     pump PORT
 *
 * GET  /...?BYTES  the output of `head -c BYTES /dev/zero`
 * POST /...        the body (Content-Length only) to `wc -c`
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#define PIECE 65536

static char piece[PIECE];

static void die(const char *what)
{
    fprintf(stderr, "pump: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* @return 0 when the other side is gone */
static int put(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);

        if (k < 0) {
            return 0;
        }
        p += k;
        n -= (size_t)k;
    }
    return 1;
}

/* Start a program with these as its stdin and stdout. */
static pid_t start(char *const argv[], int in, int out)
{
    posix_spawn_file_actions_t actions;
    char *const environment[] = {NULL};
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    if ((errno =
             posix_spawnp(&pid, argv[0], &actions, NULL, argv, environment))) {
        die(argv[0]);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

/* Read the header; what follows it of the body is in piece.
 * @return bytes of that, -1: no request */
static ssize_t read_header(int client, char *header, size_t size)
{
    size_t have = 0;
    char *end = NULL;

    while (!end) {
        ssize_t n = read(client, header + have, size - 1 - have);

        if (n <= 0) {
            return -1;
        }
        have += (size_t)n;
        header[have] = '\0';
        end = strstr(header, "\r\n\r\n");
    }
    have -= (size_t)(end + 4 - header);
    memcpy(piece, end + 4, have);
    return (ssize_t)have;
}

static void serve(int client)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    char header[8192], count[32] = "0";
    int in[2], out[2];
    char *head[] = {"head", "-c", count, "/dev/zero", NULL};
    char *wc[] = {"wc", "-c", NULL};
    ssize_t n = read_header(client, header, sizeof(header));
    int post = !strncmp(header, "POST", 4);
    const char *field = strcasestr(header, "\r\nContent-Length:");
    long long left = post && field ? atoll(field + 17) : 0;
    const char *query = strchr(header, '?');

    if (n < 0) {
        return;
    }
    if (query) {
        sscanf(query + 1, "%31[0-9]", count);
    }
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) {
        die("pipe2");
    }
    start(post ? wc : head, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    while (left > 0) {
        if (!n) {
            n = recv(client, piece, PIECE, 0);
        }
        if (n <= 0 || !put(in[1], piece, (size_t)n)) {
            break;
        }
        left -= n;
        n = 0;
    }
    close(in[1]);
    if (put(client, answer, sizeof(answer) - 1)) {
        while ((n = read(out[0], piece, PIECE)) > 0 &&
               put(client, piece, (size_t)n)) {
            ;
        }
    }
    close(out[0]);
    while (wait(NULL) > 0) {
        ;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons((uint16_t)(argc == 2 ? atoi(argv[1]) : 0));
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (argc != 2 || bind(listener, (struct sockaddr *)&a, sizeof(a)) ||
        listen(listener, 16)) {
        die("listening");
    }
    for (;;) {
        int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (client >= 0) {
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            serve(client);
            close(client);
        }
    }
}
