/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * With CGICgroup, a cgroup (version 2) for each script: what setsid() takes
 * out of the script's process group stays in it. Its name is known from the
 * list of scripts, so a launcher that follows a killed one finds it. httpd's
 * parent has made the directory in which they are. Each name is used once:
 * Linux 6.14 and later kill at once what clone3() makes in a cgroup that has
 * been killed.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/launcher.h"

/* <linux/sched.h>'s struct clone_args, which older headers do not have. */
typedef struct clone_args_t {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack,
        stack_size, tls, set_tid, set_tid_size, cgroup;
} clone_args_t;
#define CLONE3 435
#define INTO_CGROUP 0x200000000ULL
#define PARENT_SETTID 0x00100000ULL

#define NAME_MAX_SIZE 48

static int all = -1; /* the directory; or -1: no CGICgroup */

static void name_of(char name[NAME_MAX_SIZE], const launcher_entry_t *entry,
                    const char *file)
{
    snprintf(name, NAME_MAX_SIZE, "s%d.%u/%s", launcher_table_place(entry),
             entry->serial, file);
}

static int open_file(const launcher_entry_t *entry, const char *file,
                     int flags)
{
    char name[NAME_MAX_SIZE];

    name_of(name, entry, file);
    return openat(all, name, flags | O_CLOEXEC);
}

/* @return 0, or -1 and errno */
static int put(int fd, const char *text)
{
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    int error = errno;

    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return n < 0 ? -1 : 0;
}

/* Whoever moves a process must be allowed to write to a cgroup above both
 * its old place and its new one: so the launcher lives here, too. */
void launcher_cgroup_open(const char *dir)
{
    all = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (all < 0 || (mkdirat(all, "launchers", 0755) && errno != EEXIST) ||
        put(openat(all, "launchers/cgroup.procs", O_WRONLY | O_CLOEXEC),
            "0")) {
        launcher_die(dir);
    }
}

int launcher_cgroup_make(const launcher_entry_t *entry)
{
    char name[NAME_MAX_SIZE];

    name_of(name, entry, "");
    return all < 0 ? 0 : mkdirat(all, name, 0755);
}

int launcher_cgroup_is_on(void)
{
    return all >= 0;
}

int launcher_cgroup_enter(const launcher_entry_t *entry)
{
    return all < 0 ? 0 : put(open_file(entry, "cgroup.procs", O_WRONLY), "0");
}

pid_t launcher_cgroup_fork(const launcher_entry_t *entry, pid_t *pid)
{
    clone_args_t args;
    int fd = open_file(entry, "", O_PATH | O_DIRECTORY);
    pid_t child;
    int error;

    if (fd < 0) {
        return -1;
    }
    memset(&args, 0, sizeof(args));
    args.flags = INTO_CGROUP | PARENT_SETTID;
    args.parent_tid = (uint64_t)(uintptr_t)pid;
    args.exit_signal = SIGCHLD;
    args.cgroup = (uint64_t)fd;
    child = (pid_t)syscall(CLONE3, &args, sizeof(args));
    error = errno;
    close(fd);
    errno = error;
    return child;
}

int launcher_cgroup_is_empty(const launcher_entry_t *entry)
{
    char buf[256];
    int fd = all < 0 ? -1 : open_file(entry, "cgroup.events", O_RDONLY);
    ssize_t n;

    if (fd < 0) {
        return 1;
    }
    n = read(fd, buf, sizeof(buf) - 1);
    close(fd);
    buf[n > 0 ? n : 0] = '\0';
    return !strstr(buf, "populated 1");
}

/* Those that are in the script's process group have got the signal. */
static void signal_others(const launcher_entry_t *entry, int sig)
{
    int fd = open_file(entry, "cgroup.procs", O_RDONLY);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    long pid;

    if (!file) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    while (fscanf(file, "%ld", &pid) == 1) {
        if (pid > 1 && getpgid((pid_t)pid) != entry->pid) {
            (void)kill((pid_t)pid, sig);
        }
    }
    (void)fclose(file);
}

void launcher_cgroup_signal(const launcher_entry_t *entry, int sig)
{
    if (all < 0) {
        return;
    }
    if (sig == SIGKILL) {
        (void)put(open_file(entry, "cgroup.kill", O_WRONLY), "1");
    }
    else {
        signal_others(entry, sig);
    }
}

void launcher_cgroup_remove(const launcher_entry_t *entry)
{
    char name[NAME_MAX_SIZE];

    if (all >= 0) {
        launcher_cgroup_signal(entry, SIGKILL);
        name_of(name, entry, "");
        /* If that is too early, httpd's parent does it, when the generation
         * is over. */
        (void)unlinkat(all, name, AT_REMOVEDIR);
    }
}
