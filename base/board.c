/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apr_strings.h"

#include "base/board.h"
#include "base/clock.h"
#include "base/life.h"

/* Places of the table that are looked at for a script. */
#define PROBES_MAX 32
/* A slot that changes while it is read is read again so often. */
#define READS_MAX 8

typedef struct slot_t {
    uint32_t owner;    /* number of a process; 0: free */
    int32_t entry;     /* in the table */
    uint64_t serial;   /* of the request; 0: its texts are being written */
    uint64_t unwanted; /* serial of the request that is to end */
    apr_time_t begun;
    int32_t phase, pid, worker;
    int64_t bytes_in, bytes_out;
    char module[CGI_BOARD_METHOD], method[CGI_BOARD_METHOD];
    char client[CGI_BOARD_CLIENT], host[CGI_BOARD_HOST], uri[CGI_BOARD_URI];
    char script[CGI_BOARD_NAME], route[CGI_BOARD_NAME];
} __attribute__((aligned(64))) slot_t;

/* Values of entry_t.state. */
enum { ENTRY_FREE, ENTRY_MADE };

typedef struct entry_t {
    uint64_t key;   /* 0: free */
    uint32_t state; /* of the texts */
    char module[CGI_BOARD_METHOD];
    char script[CGI_BOARD_NAME], route[CGI_BOARD_NAME];
    cgi_tally_t tally;
} __attribute__((aligned(8))) entry_t;

typedef struct launcher_t {
    int32_t pid, privileged, earlier;
    apr_time_t started;
} launcher_t;

/* In shared memory; what follows it is found by the pointers below. */
typedef struct head_t {
    uint64_t serial; /* the last that was given away */
    uint32_t used;   /* slots from there on were never used */
    cgi_pulse_t pulse;
    launcher_t launcher[CGI_BOARD_LAUNCHERS];
} __attribute__((aligned(8))) head_t;

struct cgi_board_t {
    cgi_life_t life;
    int joined;
    pid_t pid; /* of this process, which would else be a system call */
    int nslots, nentries;
    apr_time_t made;
    head_t *head;
    slot_t *slot;
    entry_t *entry; /* the first is for those that find no other */
};

/* The slot that this thread had last: mostly it is free again. */
static __thread int last_slot = -1;

/* ---- making and joining ---- */

static apr_size_t aligned(apr_size_t size)
{
    return (size + 63) & ~(apr_size_t)63;
}

apr_status_t cgi_board_create(cgi_board_t **board, int processes, int slots,
                              int entries, apr_pool_t *p)
{
    cgi_board_t *b = apr_pcalloc(p, sizeof(*b));
    const apr_size_t checked =
        aligned((apr_size_t)processes * sizeof(*b->life.checked));
    const apr_size_t all_slots = aligned((apr_size_t)slots * sizeof(slot_t));
    const apr_size_t size = checked + aligned(sizeof(head_t)) + all_slots +
                            aligned((apr_size_t)entries * sizeof(entry_t));
    char *at;

    b->made = cgi_clock_now();
    b->life.processes = processes;
    b->nslots = slots;
    b->nentries = entries;
    b->life.fd = memfd_create("cgi-status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* No worker can take the memory away from the others. Nothing is cleaned
     * up with the pool: that is the process's, and may outlive this code. */
    if (b->life.fd < 0 || ftruncate(b->life.fd, (off_t)size) ||
        fcntl(b->life.fd, F_ADD_SEALS,
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        return errno;
    }
    at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, b->life.fd, 0);
    if (at == (char *)MAP_FAILED) {
        return errno;
    }
    /* all zero: empty; pages come with their first use */
    b->life.checked = (apr_time_t *)(void *)at;
    at += checked;
    b->head = (head_t *)(void *)at;
    at += aligned(sizeof(head_t));
    b->slot = (slot_t *)(void *)at;
    at += all_slots;
    b->entry = (entry_t *)(void *)at;
    *board = b;
    return APR_SUCCESS;
}

static uint32_t load(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* How many slots may be in use. */
static int used_slots(const cgi_board_t *b)
{
    uint32_t used = load(&b->head->used);

    return used < (uint32_t)b->nslots ? (int)used : b->nslots;
}

/* ---- the table ---- */

/* FNV-1a, of 64 bits. */
static uint64_t hash(uint64_t h, const char *text)
{
    do {
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    } while (*text++);
    return h;
}

static void copy_begin(char *to, apr_size_t size, const char *text)
{
    const apr_size_t len = strnlen(text, size - 1);

    memcpy(to, text, len);
    to[len] = '\0';
}

static void copy_end(char *to, apr_size_t size, const char *text)
{
    apr_size_t len = strlen(text);

    copy_begin(to, size, len < size ? text : text + (len - size + 1));
}

static void describe(entry_t *e, const cgi_board_facts_t *facts)
{
    copy_begin(e->module, sizeof(e->module), facts->module);
    copy_end(e->script, sizeof(e->script), facts->script);
    copy_begin(e->route, sizeof(e->route), facts->route);
    store(&e->state, ENTRY_MADE);
}

/* The number of the script's entry; 0 if the table is full. Who makes one may
 * be killed before it has its texts: the next one writes them. */
static int find_entry(cgi_board_t *b, const cgi_board_facts_t *facts)
{
    const unsigned int n = (unsigned int)b->nentries - 1;
    uint64_t key =
        hash(hash(hash(0xcbf29ce484222325u, facts->module), facts->route),
             facts->script);
    unsigned int i;

    key += !key;
    for (i = 0; i < PROBES_MAX && i < n; i++) {
        entry_t *e = &b->entry[1 + (key + i) % n];
        uint64_t found = __atomic_load_n(&e->key, __ATOMIC_ACQUIRE);

        if (!found) {
            (void)__atomic_compare_exchange_n(
                &e->key, &found, key, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
            found = found ? found : key;
        }
        if (found == key) {
            if (load(&e->state) != ENTRY_MADE) {
                describe(e, facts);
            }
            return (int)(e - b->entry);
        }
    }
    return 0;
}

/* ---- a request ---- */

static int try_slot(cgi_board_t *b, int i)
{
    uint32_t nobody = 0;

    return !__atomic_load_n(&b->slot[i].owner, __ATOMIC_RELAXED) &&
           __atomic_compare_exchange_n(&b->slot[i].owner, &nobody, b->life.me,
                                       0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Pages look at slots below this one only. */
static int mark_used(cgi_board_t *b, int i)
{
    const uint32_t end = (uint32_t)i + 1;
    uint32_t used = load(&b->head->used);

    while (used < end &&
           !__atomic_compare_exchange_n(&b->head->used, &used, end, 1,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    }
    return i;
}

/* The lowest that is free, so that a page has few to look at. */
static int take_slot(cgi_board_t *b)
{
    int i;

    if (!b->life.me) {
        return -1;
    }
    if (last_slot >= 0 && last_slot < b->nslots && try_slot(b, last_slot)) {
        return mark_used(b, last_slot);
    }
    for (i = 0; i < b->nslots; i++) {
        if (try_slot(b, i)) {
            return last_slot = mark_used(b, i);
        }
    }
    return -1;
}

static void fill(slot_t *s, pid_t worker, const cgi_board_facts_t *facts,
                 apr_time_t now)
{
    s->begun = now;
    s->phase = s->pid = 0;
    s->worker = worker;
    s->bytes_in = s->bytes_out = 0;
    copy_begin(s->module, sizeof(s->module), facts->module);
    copy_begin(s->method, sizeof(s->method), facts->method);
    copy_begin(s->client, sizeof(s->client), facts->client);
    copy_begin(s->host, sizeof(s->host), facts->host);
    copy_begin(s->uri, sizeof(s->uri), facts->uri);
    copy_end(s->script, sizeof(s->script), facts->script);
    copy_begin(s->route, sizeof(s->route), facts->route);
}

void cgi_board_begin(cgi_board_t *b, cgi_board_place_t *place,
                     const cgi_board_facts_t *facts, apr_time_t now)
{
    slot_t *s;

    place->entry = find_entry(b, facts);
    place->slot = take_slot(b);
    place->serial = __atomic_add_fetch(&b->head->serial, 1, __ATOMIC_RELAXED);
    if (place->slot < 0) {
        return;
    }
    s = &b->slot[place->slot];
    s->entry = place->entry;
    fill(s, b->pid, facts, now);
    __atomic_store_n(&s->serial, place->serial, __ATOMIC_RELEASE);
}

void cgi_board_progress(cgi_board_t *b, const cgi_board_place_t *place,
                        const cgi_board_progress_t *progress)
{
    slot_t *s;

    if (place->slot >= 0) {
        s = &b->slot[place->slot];
        __atomic_store_n(&s->phase, progress->phase, __ATOMIC_RELAXED);
        __atomic_store_n(&s->pid, (int32_t)progress->pid, __ATOMIC_RELAXED);
        __atomic_store_n(&s->bytes_in, progress->bytes_in, __ATOMIC_RELAXED);
        __atomic_store_n(&s->bytes_out, progress->bytes_out, __ATOMIC_RELAXED);
    }
}

int cgi_board_is_unwanted(const cgi_board_t *b, const cgi_board_place_t *place)
{
    return place->slot >= 0 &&
           __atomic_load_n(&b->slot[place->slot].unwanted, __ATOMIC_ACQUIRE) ==
               place->serial;
}

static void free_slot(slot_t *s)
{
    __atomic_store_n(&s->serial, 0, __ATOMIC_RELEASE);
    store(&s->owner, 0);
}

void cgi_board_end(cgi_board_t *b, cgi_board_place_t *place,
                   const cgi_sample_t *sample, apr_time_t now)
{
    cgi_tally_add(&b->entry[place->entry].tally, sample, now);
    cgi_pulse_add(&b->head->pulse, cgi_result_is_error(sample->result), now);
    if (place->slot >= 0) {
        free_slot(&b->slot[place->slot]);
        place->slot = -1;
    }
}

/* A process has left a slot behind. It becomes this process's first: of those
 * who look one buries, and should it be killed, another does. */
static void bury(cgi_board_t *b, slot_t *s, uint32_t owner, apr_time_t now)
{
    cgi_sample_t sample = {CGI_RESULT_KILLED, -1, 0, 0, 0};
    int entry;

    if (!b->life.me ||
        !__atomic_compare_exchange_n(&s->owner, &owner, b->life.me, 0,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        return;
    }
    if (__atomic_load_n(&s->serial, __ATOMIC_ACQUIRE)) {
        entry = s->entry >= 0 && s->entry < b->nentries ? s->entry : 0;
        sample.total = s->begun > 0 && s->begun < now ? now - s->begun : 0;
        cgi_tally_add(&b->entry[entry].tally, &sample, now);
        cgi_pulse_add(&b->head->pulse, 1, now);
    }
    free_slot(s);
}

apr_status_t cgi_board_join(cgi_board_t *b)
{
    apr_time_t now = cgi_clock_now();
    apr_status_t rv;
    int i;

    if (b->joined) {
        return APR_SUCCESS;
    }
    if ((rv = cgi_life_join(&b->life)) != APR_SUCCESS) {
        return rv;
    }
    b->joined = 1;
    b->pid = getpid();
    for (i = 0; i < used_slots(b); i++) {
        if (load(&b->slot[i].owner) == b->life.me) {
            bury(b, &b->slot[i], b->life.me, now); /* of the last such one */
        }
    }
    return APR_SUCCESS;
}

void cgi_board_list_launcher(cgi_board_t *b, int n, pid_t pid, int privileged,
                             int earlier, apr_time_t started)
{
    launcher_t *l;

    if (n >= 0 && n < CGI_BOARD_LAUNCHERS) {
        l = &b->head->launcher[n];
        l->privileged = privileged;
        l->earlier = earlier;
        l->started = started;
        __atomic_store_n(&l->pid, (int32_t)pid, __ATOMIC_RELEASE);
    }
}

/* ---- for the page ---- */

/* Copy a text that may be anything. */
#define TEXT(to, from)                                                        \
    do {                                                                      \
        memcpy(to, from, sizeof(to));                                         \
        (to)[sizeof(to) - 1] = '\0';                                          \
    } while (0)

/* @return 0: it is free, or does not keep still */
static int read_slot(const slot_t *s, cgi_board_request_t *request)
{
    int i;

    for (i = 0; i < READS_MAX; i++) {
        request->serial = __atomic_load_n(&s->serial, __ATOMIC_ACQUIRE);
        if (!request->serial) {
            return 0;
        }
        request->progress.phase = __atomic_load_n(&s->phase, __ATOMIC_RELAXED);
        request->progress.pid = __atomic_load_n(&s->pid, __ATOMIC_RELAXED);
        request->progress.bytes_in =
            __atomic_load_n(&s->bytes_in, __ATOMIC_RELAXED);
        request->progress.bytes_out =
            __atomic_load_n(&s->bytes_out, __ATOMIC_RELAXED);
        request->begun = s->begun;
        request->worker = s->worker;
        TEXT(request->module, s->module);
        TEXT(request->method, s->method);
        TEXT(request->client, s->client);
        TEXT(request->host, s->host);
        TEXT(request->uri, s->uri);
        TEXT(request->script, s->script);
        TEXT(request->route, s->route);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&s->serial, __ATOMIC_RELAXED) == request->serial) {
            return 1;
        }
    }
    return 0;
}

apr_array_header_t *cgi_board_requests(cgi_board_t *b, apr_time_t now,
                                       apr_pool_t *p)
{
    apr_array_header_t *list =
        apr_array_make(p, 16, sizeof(cgi_board_request_t));
    cgi_board_request_t request;
    uint32_t owner;
    int i;

    memset(&request, 0, sizeof(request));
    for (i = 0; i < used_slots(b); i++) {
        owner = load(&b->slot[i].owner);
        if (!owner) {
            continue;
        }
        if (!cgi_life_is_alive(&b->life, owner, now)) {
            bury(b, &b->slot[i], owner, now);
        }
        else if (read_slot(&b->slot[i], &request)) {
            request.slot = i;
            APR_ARRAY_PUSH(list, cgi_board_request_t) = request;
        }
    }
    return list;
}

apr_array_header_t *cgi_board_entries(cgi_board_t *b, apr_pool_t *p)
{
    apr_array_header_t *list =
        apr_array_make(p, 16, sizeof(cgi_board_entry_t));
    int i;

    for (i = 0; i < b->nentries; i++) {
        const entry_t *e = &b->entry[i];
        cgi_board_entry_t *to;

        if (i ? load(&e->state) != ENTRY_MADE
              : !cgi_counts_requests(&e->tally.counts)) {
            continue;
        }
        to = apr_array_push(list);
        TEXT(to->module, e->module);
        TEXT(to->script, e->script);
        TEXT(to->route, e->route);
        to->tally = &e->tally;
    }
    return list;
}

apr_array_header_t *cgi_board_launchers(const cgi_board_t *b, apr_pool_t *p)
{
    apr_array_header_t *list =
        apr_array_make(p, 4, sizeof(cgi_board_launcher_t));
    int i;

    for (i = 0; i < CGI_BOARD_LAUNCHERS; i++) {
        const launcher_t *l = &b->head->launcher[i];
        pid_t pid = __atomic_load_n(&l->pid, __ATOMIC_ACQUIRE);

        if (pid > 0) {
            cgi_board_launcher_t *to = apr_array_push(list);

            to->pid = pid;
            to->privileged = l->privileged != 0;
            to->earlier = l->earlier != 0;
            to->started = l->started;
        }
    }
    return list;
}

const cgi_pulse_t *cgi_board_pulse(const cgi_board_t *b)
{
    return &b->head->pulse;
}

apr_time_t cgi_board_made(const cgi_board_t *b)
{
    return b->made;
}

int cgi_board_unwant(cgi_board_t *b, int slot, uint64_t serial)
{
    if (slot < 0 || slot >= b->nslots || !serial ||
        __atomic_load_n(&b->slot[slot].serial, __ATOMIC_ACQUIRE) != serial) {
        return 0;
    }
    __atomic_store_n(&b->slot[slot].unwanted, serial, __ATOMIC_RELEASE);
    return 1;
}
