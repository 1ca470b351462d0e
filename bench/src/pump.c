/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * The limit for large transfers: one request at a time, next to no HTTP, a
 * program's pipe read and the socket written (or the other way round) in
 * pieces of 256 KiB. What it needs is what any server needs that copies.
 *
 *     pump PORT
 *
 * GET  /...?BYTES       the output of `head -c BYTES /dev/zero`
 * POST /...             the body to `wc -c`: with Content-Length by a pipe, in
 *                       chunks by an unlinked file in TMPDIR
 * GET, POST /splice...  the same without a copy: splice() instead of read()
 *                       and write(), a length only
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

#define PIECE (256 * 1024)
/* Written to a file at once; more was slower. */
#define FILE_PIECE (32 * 1024)

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

/* Between socket and pipe, with splice(); left: of how many bytes, -1: all
 * there are. */
static void move(int from, int to, long long left)
{
    while (left) {
        ssize_t n = splice(from, NULL, to, NULL,
                           left > 0 && left < PIECE ? (size_t)left : PIECE, 0);

        if (n <= 0) {
            return;
        }
        left -= left > 0 ? n : 0;
    }
}

/* A file without a name. */
static int open_file(void)
{
    const char *dir = getenv("TMPDIR");
    char name[4096];
    int fd;

    snprintf(name, sizeof(name), "%s/pumpXXXXXX", dir ? dir : "/tmp");
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0 || unlink(name)) {
        die(name);
    }
    return fd;
}

/* The body in chunks, of which n bytes are in piece, decoded to fd. Only what
 * xfer sends is understood: no extensions, no trailers. */
static void decode(int client, ssize_t n, int fd)
{
    enum { SIZE, DATA, DATA_END, LAST_LINE, DONE } state = SIZE;
    long long left = 0;

    while (state != DONE) {
        const char *p = piece, *end = piece + n;

        while (p < end) {
            if (state == DATA) {
                long long k = end - p < left ? end - p : left;

                k = k < FILE_PIECE ? k : FILE_PIECE;
                if (!put(fd, p, (size_t)k)) {
                    die("file");
                }
                p += k;
                left -= k;
                state = left ? DATA : DATA_END;
                continue;
            }
            if (*p == '\n') {
                state = state == LAST_LINE  ? DONE
                        : state == DATA_END ? SIZE
                        : left              ? DATA
                                            : LAST_LINE;
            }
            else if (state == SIZE && *p != '\r') {
                left = left * 16 + (*p <= '9' ? *p - '0' : *p - 'a' + 10);
            }
            p++;
        }
        n = state == DONE ? 0 : recv(client, piece, PIECE, 0);
        if (n <= 0) {
            return;
        }
    }
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
    int spliced = strstr(header, " /splice") != NULL;
    int chunked = strcasestr(header, "\r\nTransfer-Encoding:") != NULL;
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
    fcntl(in[1], F_SETPIPE_SZ, PIECE);
    if (chunked) {
        int file = open_file();

        decode(client, n, file);
        lseek(file, 0, SEEK_SET);
        close(in[0]);
        in[0] = file;
    }
    start(post ? wc : head, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    if (left && n) {
        put(in[1], piece, (size_t)n);
        left -= n;
    }
    if (spliced) {
        move(client, in[1], left);
        left = 0;
    }
    while (left > 0 && (n = recv(client, piece, PIECE, 0)) > 0 &&
           put(in[1], piece, (size_t)n)) {
        left -= n;
    }
    close(in[1]);
    if (put(client, answer, sizeof(answer) - 1)) {
        if (spliced) {
            move(out[0], client, -1);
        }
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
