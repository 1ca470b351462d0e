/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * One large HTTP/1.1 transfer with little work on the client's side.
 *
 *     xfer get HOST PORT PATH
 *     xfer put HOST PORT PATH BYTES length|chunked
 *
 * Prints "STATUS BODY-BYTES SECONDS FIRST-BYTES-OF-BODY". The body is counted
 * after the chunked coding is removed; a connection that ends too early is
 * an error (exit status 1), so that a truncated response is never a fast one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

typedef struct {
    int status;
    int chunked;
    long long length; /* of Content-Length, -1 = none */
    long long body;   /* bytes of body seen */
    long long left;   /* bytes until the next event in the body */
    int done;
    char line[16384]; /* header block, or a chunk's size line */
    size_t line_len;
    char head[32]; /* start of the body */
    size_t head_len;
    enum { HEADER, SIZE, DATA, DATA_END, TRAILER } state;
} response_t;

static void die(const char *what)
{
    fprintf(stderr, "xfer: %s\n", what);
    exit(1);
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int connect_to(const char *host, const char *port)
{
    struct sockaddr_in a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&a, 0, sizeof(a));
    a.sin_family = AF_INET;
    a.sin_port = htons((uint16_t)atoi(port));
    if (fd < 0 || inet_pton(AF_INET, host, &a.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&a, sizeof(a))) {
        die("can't connect");
    }
    return fd;
}

/* The header block is whole: read what says where the body ends. */
static void parse_header(response_t *rs)
{
    char *p;

    rs->length = -1;
    if (sscanf(rs->line, "HTTP/1.%*d %d", &rs->status) != 1) {
        die("no status line");
    }
    for (p = rs->line; (p = strchr(p, '\n')) != NULL;) {
        p++;
        if (!strncasecmp(p, "Content-Length:", 15)) {
            rs->length = atoll(p + 15);
        }
        else if (!strncasecmp(p, "Transfer-Encoding:", 18)) {
            rs->chunked = 1;
        }
    }
    rs->line_len = 0;
    if (rs->status == 100) {
        rs->state = HEADER;
        return;
    }
    rs->state = rs->chunked ? SIZE : DATA;
    rs->left = rs->chunked ? 0 : rs->length;
    rs->done = !rs->chunked && !rs->length;
}

static size_t take_data(response_t *rs, const char *p, size_t n)
{
    size_t k;

    if (rs->left >= 0 && (long long)n > rs->left) {
        n = (size_t)rs->left;
    }
    for (k = 0; k < n && rs->head_len < sizeof(rs->head) - 1; k++) {
        rs->head[rs->head_len++] = p[k] < ' ' ? ' ' : p[k];
    }
    rs->body += (long long)n;
    if (rs->left >= 0 && !(rs->left -= (long long)n)) {
        if (rs->chunked) {
            rs->state = DATA_END;
        }
        else {
            rs->done = 1;
        }
    }
    return n;
}

static void take_line(response_t *rs, char c)
{
    if (rs->line_len >= sizeof(rs->line) - 1) {
        die("line too long");
    }
    rs->line[rs->line_len++] = c;
    rs->line[rs->line_len] = '\0';
    if (c != '\n') {
        return;
    }
    if (rs->state == HEADER) {
        if (rs->line_len >= 4 &&
            !memcmp(rs->line + rs->line_len - 4, "\r\n\r\n", 4)) {
            parse_header(rs);
        }
        return;
    }
    if (rs->state == SIZE) {
        rs->left = strtoll(rs->line, NULL, 16);
        rs->state = rs->left ? DATA : TRAILER;
    }
    else if (rs->state == DATA_END) {
        rs->state = SIZE;
    }
    else if (rs->line_len == 2) {
        rs->done = 1;
    }
    rs->line_len = 0;
}

static void take(response_t *rs, const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && !rs->done) {
        if (rs->state == DATA) {
            i += take_data(rs, p + i, n - i);
        }
        else {
            take_line(rs, p[i++]);
        }
    }
}

/* Read what is there. 0 at the end of the connection. */
static int receive(int fd, response_t *rs)
{
    static char buffer[256 * 1024];
    ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

    if (n < 0) {
        die("connection broken");
    }
    take(rs, buffer, (size_t)n);
    return n > 0;
}

static void send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

        if (k < 0) {
            die("upload refused");
        }
        p += k;
        n -= (size_t)k;
    }
}

/* A script that answers before the end of the body must not block us: the
 * scripts of this benchmark don't, so writing and reading are in turn. */
static void upload(int fd, long long bytes, int chunked)
{
    static char piece[16 + CHUNK];
    size_t head = 0;

    memset(piece, 'x', sizeof(piece));
    if (chunked) {
        head = (size_t)sprintf(piece, "%x\r\n", CHUNK);
        memcpy(piece + head + CHUNK, "\r\n", 2);
        for (; bytes >= CHUNK; bytes -= CHUNK) {
            send_all(fd, piece, head + CHUNK + 2);
        }
        if (bytes) {
            die("BYTES must be a multiple of 65536");
        }
        send_all(fd, "0\r\n\r\n", 5);
        return;
    }
    for (; bytes > 0; bytes -= CHUNK) {
        send_all(fd, piece, bytes < CHUNK ? (size_t)bytes : CHUNK);
    }
}

int main(int argc, char **argv)
{
    static response_t rs;
    char request[4096];
    double begin;
    int put, chunked, fd;

    put = argc == 7 && !strcmp(argv[1], "put");
    if (!put && !(argc == 5 && !strcmp(argv[1], "get"))) {
        fprintf(stderr, "usage: xfer get HOST PORT PATH\n       xfer put HOST "
                        "PORT PATH BYTES length|chunked\n");
        return 2;
    }
    chunked = put && !strcmp(argv[6], "chunked");
    begin = seconds_now();
    fd = connect_to(argv[2], argv[3]);
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: %s:%s\r\n",
             put ? "POST" : "GET", argv[4], argv[2], argv[3]);
    if (chunked) {
        strcat(request, "Transfer-Encoding: chunked\r\n");
    }
    else if (put) {
        sprintf(request + strlen(request), "Content-Length: %s\r\n", argv[5]);
    }
    strcat(request, "\r\n");
    send_all(fd, request, strlen(request));
    if (put) {
        upload(fd, atoll(argv[5]), chunked);
    }
    while (!rs.done && receive(fd, &rs)) {
        ;
    }
    /* Without length and chunks the end of the connection is the end. */
    if (!rs.done && (rs.state != DATA || rs.chunked || rs.length >= 0)) {
        die("response cut short");
    }
    printf("%d %lld %.4f %s\n", rs.status, rs.body, seconds_now() - begin,
           rs.head);
    return 0;
}
