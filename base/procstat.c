/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/procstat.h"

const char *cgi_procstat_read(pid_t pid, char buf[CGI_PROCSTAT_SIZE])
{
    char path[40];
    const char *name_end;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return NULL;
    }
    n = read(fd, buf, CGI_PROCSTAT_SIZE - 1);
    close(fd);
    buf[n > 0 ? n : 0] = '\0';
    name_end = strrchr(buf, ')');
    return name_end ? name_end + 1 : "";
}
