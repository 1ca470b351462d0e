/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * Many connections, each with one request for a script that waits (waits.c):
 *     waiters HOST PORT PATH COUNT RATE SECONDS SPREAD
 * makes RATE connections a second. The first answer is due SECONDS after the
 * start, the last one SPREAD seconds later. It prints
 *     RIGHT FAILED WRONG LOST MEDIAN P99
 * with RIGHT answers that are what their own request asked for; FAILED
 * connections, and answers with another status than 200; WRONG answers with
 * another content; LOST ones, of which a part or nothing came before the
 * connection was closed or GRACE was over. MEDIAN and P99 say how many
 * microseconds after its time an answer was there.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define GRACE 30000000LL /* microseconds after the last one was due */
#define SIZE 2048        /* no answer is larger */
#define EVENTS 256

typedef enum { OPEN, RIGHT, FAILED, WRONG, LOST, RESULTS } result_e;

typedef struct {
    int fd;
    int sent; /* 1: the request is on its way */
    result_e result;
    unsigned long number;
    long long due; /* microseconds of CLOCK_MONOTONIC, whole milliseconds */
    long long late;
    size_t len;
    char in[SIZE];
} client_t;

static const char *host, *path;
static struct sockaddr_in address;
static int set;
static int closed_clients;

static long long now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void done(client_t *c, result_e result)
{
    c->result = result;
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
    closed_clients++;
}

static void begin(client_t *c)
{
    struct epoll_event event;

    memset(&event, 0, sizeof(event));
    event.events = EPOLLOUT;
    event.data.ptr = c;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0 ||
        (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) &&
         errno != EINPROGRESS) ||
        epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &event)) {
        perror("waiters");
        done(c, FAILED);
    }
}

/* The connection is there, or has failed. */
static void ask(client_t *c)
{
    struct epoll_event event;
    char request[512];
    int len = snprintf(request, sizeof(request),
                       "GET %s?%lld+%lu HTTP/1.1\r\nHost: %s\r\n\r\n", path,
                       c->due / 1000, c->number, host);

    memset(&event, 0, sizeof(event));
    event.events = EPOLLIN;
    event.data.ptr = c;
    c->sent = 1;
    if (len >= (int)sizeof(request) ||
        send(c->fd, request, (size_t)len, MSG_NOSIGNAL) != len ||
        epoll_ctl(set, EPOLL_CTL_MOD, c->fd, &event)) {
        done(c, FAILED);
    }
}

/* Put the chunks at in together. @return length; -1: not all are there */
static int join_chunks(const char *in, char *body)
{
    int len = 0;

    for (;;) {
        char *end;
        unsigned long size = strtoul(in, &end, 16);
        const char *data = strstr(end, "\r\n");

        if (end == in || !data || size > SIZE) {
            return -1;
        }
        data += 2;
        if (strlen(data) < size + 2) {
            return -1;
        }
        if (!size) {
            return len;
        }
        memcpy(body + len, data, size);
        len += (int)size;
        in = data + size + 2;
    }
}

/* The body, without its chunks. @return length; -1: not all is there */
static int body_of(const client_t *c, int closed, char *body)
{
    const char *end = strstr(c->in, "\r\n\r\n");
    const char *field;
    char head[SIZE];
    size_t length;

    if (!end) {
        return -1;
    }
    memcpy(head, c->in, (size_t)(end - c->in));
    head[end - c->in] = '\0';
    end += 4;
    length = c->len - (size_t)(end - c->in);
    if (strcasestr(head, "\r\nTransfer-Encoding: chunked")) {
        return join_chunks(end, body);
    }
    field = strcasestr(head, "\r\nContent-Length:");
    if (field ? length < strtoul(field + 17, NULL, 10) : !closed) {
        return -1;
    }
    memcpy(body, end, length);
    return (int)length;
}

static int is_right(const client_t *c, const char *body, int len)
{
    char line[32];
    int size = snprintf(line, sizeof(line), "%lu\n", c->number);
    int lines = 1 + (int)(c->number % 50), i;

    if (len != size * lines) {
        return 0;
    }
    for (i = 0; i < lines; i++) {
        if (memcmp(body + i * size, line, (size_t)size)) {
            return 0;
        }
    }
    return 1;
}

static void take(client_t *c)
{
    char body[SIZE];
    ssize_t n = recv(c->fd, c->in + c->len, SIZE - 1 - c->len, 0);
    int len;

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            done(c, LOST);
        }
        return;
    }
    c->len += (size_t)n;
    c->in[c->len] = '\0';
    len = body_of(c, n == 0, body);
    if (len < 0) {
        if (n == 0) {
            done(c, LOST);
        }
        else if (c->len == SIZE - 1) {
            done(c, WRONG);
        }
        return;
    }
    c->late = now() - c->due;
    done(c, strncmp(c->in, "HTTP/1.1 200 ", 13) ? FAILED
            : is_right(c, body, len)            ? RIGHT
                                                : WRONG);
}

static int by_value(const void *a, const void *b)
{
    const long long x = *(const long long *)a, y = *(const long long *)b;

    return (x > y) - (x < y);
}

static void report(const client_t *clients, int count)
{
    long long *late = calloc((size_t)count + 1, sizeof(*late));
    int seen[RESULTS] = {0}, i;

    if (!late) {
        exit(2);
    }
    for (i = 0; i < count; i++) {
        if (clients[i].result == RIGHT) {
            late[seen[RIGHT]] = clients[i].late;
        }
        seen[clients[i].result]++;
    }
    qsort(late, (size_t)seen[RIGHT], sizeof(*late), by_value);
    printf("%d %d %d %d %lld %lld\n", seen[RIGHT], seen[FAILED], seen[WRONG],
           seen[LOST] + seen[OPEN], late[seen[RIGHT] / 2],
           late[(long)seen[RIGHT] * 99 / 100]);
    free(late);
}

/* Until all are answered, or time is over. */
static void run(client_t *clients, int count, double rate, long long end)
{
    const long long start = now();
    struct epoll_event events[EVENTS];
    int begun = 0, i, n;

    while (closed_clients < count && now() < end) {
        while (begun < count &&
               (double)(now() - start) * rate >= begun * 1e6) {
            begin(&clients[begun++]);
        }
        n = epoll_wait(set, events, EVENTS, begun < count ? 1 : 100);
        for (i = 0; i < n; i++) {
            client_t *c = events[i].data.ptr;

            if (!c->sent) {
                ask(c);
            }
            else {
                take(c);
            }
        }
    }
}

int main(int argc, char **argv)
{
    client_t *clients;
    long long first, spread;
    int count, i;

    if (argc != 8) {
        fprintf(stderr, "usage: waiters HOST PORT PATH COUNT RATE SECONDS "
                        "SPREAD\n");
        return 2;
    }
    host = argv[1];
    path = argv[3];
    count = atoi(argv[4]);
    address.sin_family = AF_INET;
    address.sin_port = htons((unsigned short)atoi(argv[2]));
    if (count < 1 || inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        (set = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
        !(clients = calloc((size_t)count, sizeof(*clients)))) {
        fprintf(stderr, "waiters: bad arguments, or no memory\n");
        return 2;
    }
    first = now() + (long long)(atof(argv[6]) * 1e6);
    spread = (long long)(atof(argv[7]) * 1e6);
    for (i = 0; i < count; i++) {
        clients[i].fd = -1;
        clients[i].number =
            ((unsigned long)getpid() % 1000) * 1000000UL + (unsigned long)i;
        clients[i].due = (first + spread * i / count) / 1000 * 1000;
    }
    run(clients, count, atof(argv[5]), first + spread + GRACE);
    report(clients, count);
    return 0;
}
