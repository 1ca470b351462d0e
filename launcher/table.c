/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The list of running scripts, in memory that httpd's parent keeps: what a
 * launcher that was killed has left behind, the next one finds there.
 *
 * Each launcher of a generation has a part of the list, by its number, and
 * takes over what its predecessor had. A claim (wire.h) may come to any of
 * them, so that an entry can have an owner other than its part's.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/launcher.h"

/* Scripts of one launcher at the same time; a page is used when it is
 * needed. */
#define ENTRIES_MAX 16384

typedef struct part_t {
    int high; /* entries from here on were never used */
    unsigned int serial;
    launcher_entry_t entry[ENTRIES_MAX];
    launcher_tmp_t tmp[ENTRIES_MAX]; /* apart: few have one */
} part_t;

static part_t *parts;
static int own; /* number of this launcher */

int launcher_table_open(int fd, int number)
{
    size_t size = sizeof(part_t) * CGI_LAUNCHERS_MAX;

    own = number;
    /* All launchers do this, to the same end. Where files may not be as large
     * (ulimit -f), each has a list for itself. */
    (void)signal(SIGXFSZ, SIG_IGN);
    if (fd >= 0 && ftruncate(fd, (off_t)size)) {
        if (errno != EFBIG) {
            launcher_die("making the list of scripts");
        }
        fd = -1;
    }
    (void)signal(SIGXFSZ, SIG_DFL);
    parts = mmap(NULL, size, PROT_READ | PROT_WRITE,
                 fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
    if (parts == MAP_FAILED) {
        launcher_die("reading the list of scripts");
    }
    return parts[own].high > 0;
}

void launcher_table_forget(void)
{
    (void)munmap(parts, sizeof(part_t) * CGI_LAUNCHERS_MAX);
    parts = NULL;
}

launcher_entry_t *launcher_table_add(pid_t worker, unsigned int kill_ms)
{
    static pid_t session;
    part_t *part = &parts[own];
    launcher_entry_t *entry;
    int i = 0;

    if (!session) {
        session = getsid(0);
    }

    while (i < part->high && part->entry[i].pid) {
        i++;
    }
    if (i == ENTRIES_MAX) {
        return NULL;
    }
    if (i == part->high) {
        part->high++;
    }
    entry = &part->entry[i];
    entry->session = session;
    entry->serial = ++part->serial;
    entry->worker = worker;
    entry->kill_ms = kill_ms;
    entry->ended = 0;
    entry->owner = own;
    return entry;
}

void launcher_table_remove(launcher_entry_t *entry, pid_t pid)
{
    if (entry->pid == pid && launcher_table_is_own(entry)) {
        entry->pid = 0;
    }
}

static part_t *part_of(const launcher_entry_t *entry)
{
    part_t *part = parts;

    while (entry < part->entry || entry >= part->entry + ENTRIES_MAX) {
        part++;
    }
    return part;
}

launcher_tmp_t *launcher_table_tmp(const launcher_entry_t *entry)
{
    part_t *part = part_of(entry);

    return &part->tmp[entry - part->entry];
}

int launcher_table_place(const launcher_entry_t *entry)
{
    part_t *part = part_of(entry);

    return (int)(part - parts) * ENTRIES_MAX + (int)(entry - part->entry);
}

int launcher_table_is_own(const launcher_entry_t *entry)
{
    return __atomic_load_n(&entry->owner, __ATOMIC_SEQ_CST) == own;
}

int launcher_table_is_alive(const launcher_entry_t *entry)
{
    pid_t session = getsid(entry->pid);

    if (session < 0) {
        /* Its first process has ended. Others of its group may not have;
         * until then nobody else gets that number. */
        return !kill(-entry->pid, 0) || errno == EPERM;
    }
    return session == entry->session;
}

launcher_entry_t *launcher_table_next(launcher_entry_t *entry)
{
    int p = 0, i = 0;

    if (entry) {
        p = (int)(part_of(entry) - parts);
        i = (int)(entry - parts[p].entry) + 1;
    }
    for (; p < CGI_LAUNCHERS_MAX; p++, i = 0) {
        for (; i < parts[p].high; i++) {
            if (parts[p].entry[i].pid) {
                return &parts[p].entry[i];
            }
        }
    }
    return NULL;
}

/* The script that a worker has asked for. */
static launcher_entry_t *find(pid_t pid, pid_t worker)
{
    launcher_entry_t *entry = NULL;

    while ((entry = launcher_table_next(entry)) &&
           (entry->pid != pid || entry->worker != worker)) {
    }
    return entry;
}

launcher_entry_t *launcher_table_claim(pid_t pid, pid_t worker)
{
    launcher_entry_t *entry = find(pid, worker);
    int owner = entry ? entry->owner : own;

    return owner != own && __atomic_compare_exchange_n(
                               &entry->owner, &owner, own, 0, __ATOMIC_SEQ_CST,
                               __ATOMIC_SEQ_CST)
               ? entry
               : NULL;
}

void launcher_table_end(pid_t pid, pid_t worker)
{
    launcher_entry_t *entry = find(pid, worker);

    if (entry) {
        entry->ended = 1;
    }
}
