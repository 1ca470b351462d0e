/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/life.h"

#define CHECK_INTERVAL apr_time_from_msec(100)

static void byte_of(struct flock *lock, uint32_t process)
{
    memset(lock, 0, sizeof(*lock));
    lock->l_type = F_WRLCK;
    lock->l_whence = SEEK_SET;
    lock->l_start = (off_t)process - 1;
    lock->l_len = 1;
}

apr_status_t cgi_life_join(cgi_life_t *life)
{
    const uint32_t processes = (uint32_t)life->processes;
    struct flock lock;
    uint32_t n, process;

    for (n = 0; n < processes; n++) {
        /* Not all begin their search at the same end. */
        process = ((uint32_t)getpid() + n) % processes + 1;
        byte_of(&lock, process);
        if (!fcntl(life->fd, F_SETLK, &lock)) {
            life->me = process;
            return APR_SUCCESS;
        }
    }
    return APR_ENOMEM;
}

int cgi_life_is_alive(const cgi_life_t *life, uint32_t process, apr_time_t now)
{
    apr_time_t *checked;
    struct flock lock;

    /* What is in shared memory a worker may have written for any reason. */
    if (process < 1 || process > (uint32_t)life->processes) {
        return 0;
    }
    checked = &life->checked[process - 1];
    if (process == life->me ||
        now - __atomic_load_n(checked, __ATOMIC_RELAXED) < CHECK_INTERVAL) {
        return 1;
    }
    byte_of(&lock, process);
    if (fcntl(life->fd, F_GETLK, &lock) || lock.l_type != F_UNLCK) {
        __atomic_store_n(checked, now, __ATOMIC_RELAXED);
        return 1;
    }
    return 0;
}
