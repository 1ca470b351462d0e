/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* A file below a directory, with and without openat2(). */
/* link: base/beneath.c */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "tap.h"

static char top[] = "/tmp/beneath-XXXXXX";

static const char *path(const char *name)
{
    static char paths[4][256];
    static int n;

    n = (n + 1) % 4;
    snprintf(paths[n], sizeof(paths[n]), "%s/%s", top, name);
    return paths[n];
}

static void put(const char *name, const char *text)
{
    int fd = open(path(name), O_WRONLY | O_CREAT, 0644);

    tap_ok(fd >= 0 && write(fd, text, 4) == 4, "%s is made", name);
    close(fd);
}

static void check(const char *name, const char *text, int error)
{
    int way;

    for (way = 0; way < 2; way++) {
        int fd = way ? cgi_beneath_walk(path("public"), name)
                     : cgi_beneath_open(path("public"), name);
        int err = errno;
        char got[5] = "";

        if (text) {
            tap_ok(fd >= 0 && read(fd, got, 4) == 4 && !strcmp(got, text),
                   "\"%s\" is read, way %d", name, way);
        }
        else {
            tap_ok(fd < 0 && (!error || err == error),
                   "\"%s\" is refused, way %d: %s", name, way, strerror(err));
        }
        if (fd >= 0) {
            close(fd);
        }
    }
}

/* While somebody puts a link in the place of a directory, and takes it away,
 * again and again. */
static void exchange(void)
{
    int i, way, secrets = 0, goods = 0;
    pid_t pid = fork();

    if (!pid) {
        for (;;) {
            rename(path("public/sub"), path("public/away"));
            rename(path("public/link"), path("public/sub"));
            rename(path("public/sub"), path("public/link"));
            rename(path("public/away"), path("public/sub"));
        }
    }
    for (i = 0; i < 20000; i++) {
        for (way = 0; way < 2; way++) {
            int fd = way ? cgi_beneath_walk(path("public"), "sub/file")
                         : cgi_beneath_open(path("public"), "sub/file");
            char got[5] = "";

            if (fd >= 0) {
                (void)!read(fd, got, 4);
                secrets += !strcmp(got, "evil");
                goods += !strcmp(got, "deep");
                close(fd);
            }
        }
    }
    kill(pid, 9);
    tap_ok(goods > 0, "the file is read, %d times", goods);
    tap_ok(secrets == 0, "and never the other one");
}

int main(void)
{
    char command[64], longest[400];

    if (!mkdtemp(top) || mkdir(path("public"), 0755) ||
        mkdir(path("public/sub"), 0755) || mkdir(path("secret"), 0755)) {
        return 2;
    }
    put("public/file", "file");
    put("public/sub/file", "deep");
    put("secret/file", "evil");
    if (symlink("../secret", path("public/link")) ||
        symlink("file", path("public/same"))) {
        return 2;
    }
    check("file", "file", 0);
    check("sub/file", "deep", 0);
    check("link/file", NULL, 0);
    check("same", NULL, ELOOP);
    check("none", NULL, ENOENT);
    check("file/x", NULL, ENOTDIR);
    check("../secret/file", NULL, EXDEV);
    check("sub/../../secret/file", NULL, EXDEV);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    check(longest, NULL, ENAMETOOLONG);
    tap_ok(cgi_beneath_open(path("nowhere"), "file") < 0, "no directory");
    exchange();
    snprintf(command, sizeof(command), "rm -rf %s", top);
    return system(command) ? 2 : tap_done();
}
