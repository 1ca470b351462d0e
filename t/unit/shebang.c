/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The first line of a script, and the interpreter that it names. */
/* link: base/shebang.c */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/shebang.h"
#include "tap.h"

static apr_pool_t *pool;
static char dir[] = "/tmp/shebang.XXXXXX";
static const char *path; /* the script */

static void write_file(const char *name, const char *text, size_t size,
                       mode_t mode)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

    if (fd < 0 || write(fd, text, size) != (ssize_t)size) {
        perror(name);
        exit(2);
    }
    close(fd);
}

/* @param env PATH of the script, or NULL */
static const char *read_bytes(cgi_shebang_t *line, const char *text,
                              size_t size, const char *env)
{
    const char *list[] = {"OTHER=/nowhere", env ? env : "X=", NULL};

    memset(line, 0, sizeof(*line));
    write_file(path, text, size, 0644);
    return cgi_shebang_read(line, path, list, pool);
}

static void names(const char *text, const char *program, const char *argv0,
                  const char *arg, const char *env)
{
    cgi_shebang_t line;

    tap_is(read_bytes(&line, text, strlen(text), env), NULL, text);
    tap_is(line.program, program, "   the program");
    tap_is(line.argv0, argv0, "   its name");
    tap_is(line.arg, arg, "   its argument");
}

static void refuses_bytes(const char *text, size_t size, const char *reason,
                          const char *name)
{
    cgi_shebang_t line;

    tap_is(read_bytes(&line, text, size, "PATH=/bin"), reason, name);
}

static void refuses(const char *text, const char *reason)
{
    refuses_bytes(text, strlen(text), reason, text);
}

/* The kernel's rules: execve(2). */
static void lines(void)
{
    const char *none = "its first line names no interpreter";
    char text[CGI_SHEBANG_MAX + 2];

    names("#!/bin/a\n", "/bin/a", "/bin/a", NULL, NULL);
    names("#! \t/bin/a \t\nrest", "/bin/a", "/bin/a", NULL, NULL);
    names("#!/bin/a -b\n", "/bin/a", "/bin/a", "-b", NULL);
    names("#!/bin/a\t -b  c d \n", "/bin/a", "/bin/a", "-b  c d", NULL);
    names("#!/bin/a\r\n", "/bin/a\r", "/bin/a\r", NULL, NULL);
    names("#!/bin/env.sh a\n", "/bin/env.sh", "/bin/env.sh", "a", NULL);

    refuses("", none);
    refuses("#!", none);
    refuses("#!/bin/a", none);
    refuses("# !/bin/a\n", none);
    refuses(" #!/bin/a\n", none);
    refuses("\xef\xbb\xbf"
            "#!/bin/a\n",
            none);
    refuses("\n#!/bin/a\n", none);
    refuses_bytes("#!/bin/a\0\n", 10, none, "a NUL in the line");
    refuses("#!\n", "its first line names no absolute path");
    refuses("#!bin/a\n", "its first line names no absolute path");
    refuses("#!env a\n", "its first line names no absolute path");

    memset(text, 'x', sizeof(text));
    memcpy(text, "#!/", 3);
    text[CGI_SHEBANG_MAX - 1] = '\n';
    refuses_bytes(text, sizeof(text), NULL, "a line that just fits");
    text[CGI_SHEBANG_MAX - 1] = 'x';
    text[CGI_SHEBANG_MAX] = '\n';
    refuses_bytes(text, sizeof(text), none, "a line that the kernel cuts");
}

/* env(1), and execvp(3). */
static void env(void)
{
    const char *more = "its first line calls env with more than a program's "
                       "name";
    const char *lost = "env does not find its interpreter";
    const char *a = apr_pstrcat(pool, dir, "/a", NULL);
    const char *b = apr_pstrcat(pool, dir, "/b", NULL);
    const char *tool = apr_pstrcat(pool, b, "/tool", NULL);
    const char *both = apr_pstrcat(pool, "PATH=", a, ":", b, NULL);

    mkdir(a, 0755);
    mkdir(b, 0755);
    write_file(tool, "", 0, 0755);
    names("#!/usr/bin/env tool\n", tool, "tool", NULL, both);
    names("#!/bin/env  tool \n", tool, "tool", NULL, both);
    /* What can't be executed is passed over: a file, a directory. */
    write_file(apr_pstrcat(pool, a, "/tool", NULL), "", 0, 0644);
    names("#!/usr/bin/env tool\n", tool, "tool", NULL, both);
    unlink(apr_pstrcat(pool, a, "/tool", NULL));
    mkdir(apr_pstrcat(pool, a, "/tool", NULL), 0755);
    names("#!/usr/bin/env tool\n", tool, "tool", NULL, both);
    rmdir(apr_pstrcat(pool, a, "/tool", NULL));
    names("#!/usr/bin/env sh\n", "/bin/sh", "sh", NULL, NULL);

    refuses("#!/usr/bin/env tool\n", lost);
    refuses("#!/usr/bin/env\n", more);
    refuses("#!/usr/bin/env -S a b\n", more);
    refuses("#!/usr/bin/env -i\n", more);
    refuses("#!/usr/bin/env A=1 a\n", more);
    refuses("#!/usr/bin/env A=1\n", more);
    refuses("#!/usr/bin/env a b\n", more);
    refuses("#!/usr/bin/env ./a\n", more);
    refuses("#!/usr/bin/env /bin/sh\n", more);
    {
        cgi_shebang_t line;
        const char *relative = apr_pstrcat(pool, "PATH=.:", b, NULL);

        tap_is(read_bytes(&line, "#!/usr/bin/env tool\n", 20, relative), lost,
               "a relative directory is the script's");
    }
    unlink(tool);
    rmdir(a);
    rmdir(b);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    if (!mkdtemp(dir)) {
        perror(dir);
        return 2;
    }
    path = apr_pstrcat(pool, dir, "/script", NULL);
    lines();
    env();
    unlink(path);
    {
        const char *const none[] = {NULL};
        cgi_shebang_t line;

        tap_is(cgi_shebang_read(&line, path, none, pool),
               "its first line names no interpreter", "no file");
    }
    rmdir(dir);
    return tap_done();
}
