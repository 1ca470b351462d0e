/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"

#include "base/shebang.h"

/* execve(2): blanks around the program and its one word do not count. */
static char *trim(char *text)
{
    size_t len;

    text += strspn(text, " \t");
    len = strlen(text);
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        text[--len] = '\0';
    }
    return text;
}

/* The first line without "#!"; or NULL: there is none, or it is cut off. */
static char *first_line(const char *path, apr_pool_t *p)
{
    char buf[CGI_SHEBANG_MAX];
    const char *end;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        return NULL;
    }
    n = read(fd, buf, sizeof(buf));
    close(fd);
    if (n < 3 || buf[0] != '#' || buf[1] != '!' ||
        !(end = memchr(buf, '\n', (size_t)n)) ||
        memchr(buf, '\0', (size_t)(end - buf))) {
        return NULL;
    }
    return apr_pstrmemdup(p, buf + 2, (apr_size_t)(end - buf - 2));
}

static const char *value_of(const char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (; *env; env++) {
        if (!strncmp(*env, name, len) && (*env)[len] == '=') {
            return *env + len + 1;
        }
    }
    return NULL;
}

/* As execvp(3) looks for it; a relative directory of PATH would be the
 * script's. */
static const char *look_up(const char *name, const char *dirs, apr_pool_t *p)
{
    char *last, *list = apr_pstrdup(p, dirs ? dirs : "/bin:/usr/bin");
    const char *dir, *path;
    struct stat st;

    for (dir = apr_strtok(list, ":", &last); dir;
         dir = apr_strtok(NULL, ":", &last)) {
        if (*dir != '/') {
            return NULL;
        }
        path = apr_pstrcat(p, dir, "/", name, NULL);
        if (!access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode)) {
            return path;
        }
    }
    return NULL;
}

const char *cgi_shebang_read(cgi_shebang_t *result, const char *path,
                             const char *const *env, apr_pool_t *p)
{
    char *line = first_line(path, p), *arg;

    if (!line) {
        return "its first line names no interpreter";
    }
    line = trim(line);
    arg = line + strcspn(line, " \t");
    if (*arg) {
        *arg++ = '\0';
        arg = trim(arg);
    }
    result->program = result->argv0 = line;
    result->arg = *arg ? arg : NULL;
    if (*line != '/') {
        return "its first line names no absolute path";
    }
    if (strcmp(line, "/usr/bin/env") && strcmp(line, "/bin/env")) {
        return NULL;
    }
    if (!*arg || strpbrk(arg, " \t=/") || *arg == '-') {
        return "its first line calls env with more than a program's name";
    }
    result->program = look_up(arg, value_of(env, "PATH"), p);
    result->argv0 = arg;
    result->arg = NULL;
    return result->program ? NULL : "env does not find its interpreter";
}
