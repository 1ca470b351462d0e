/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What makes cgi-warm of cgi-launcher: the plug-in with its interpreter, and
 * the last steps of a child that goes on as a script without execve().
 */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_strings.h"

#include "base/shebang.h"
#include "launcher/launcher.h"
#include "warm/plugin.h"

/* Seconds that an interpreter has to load its modules. */
#define ENTER_MAX 60
/* As many times the memory of the warm interpreter must RLimitMEM be. */
#define MEM_FACTOR 2

/* Free memory is taken in pieces of so many bytes at most, all pieces of a
 * size together being no more than the second. Up to the third, each
 * multiple of what the C library counts in is a size of its own. */
#define HOLE_MAX 65536
#define HOLES_MAX (1024 * 1024)
#define SMALL_MAX 1024

#ifndef MADV_COLLAPSE /* Linux 6.1 */
#define MADV_COLLAPSE 25
#endif
/* Of most processors. */
#define HUGE_PAGE (2 * 1024 * 1024)

static const cgi_warm_plugin_t *plugin;
static const launcher_warm_t *options;
static struct stat program; /* the interpreter's file */
static void (*serve_all)(void);
static jmp_buf begin; /* of a script, in host_serve() */
static cgi_warm_script_t script;
static struct prctl_mm_map layout; /* of this process; start_code 0: unknown */
/* Descriptors, shared memory before the modules were loaded. */
static int fds_before, shared_before;
static char refusal[200];

/* A file of the interpreter's, as it was when it was loaded. */
typedef struct loaded_t {
    struct loaded_t *next;
    struct timespec changed;
    off_t size;
    dev_t device;
    ino_t inode;
    char path[];
} loaded_t;

static loaded_t *all_loaded; /* with watch=on */
static int is_stale;

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    if (!dir) {
        return -1;
    }
    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* Of this process's memory: proc(5), /proc/pid/maps. */
typedef struct {
    unsigned long from, to, inode;
    char permissions[5];
} piece_t;

/* @return 0: there is no other */
static int next_piece(FILE *maps, piece_t *piece)
{
    return maps && fscanf(maps, "%lx-%lx %4s %*s %*s %lu%*[^\n]", &piece->from,
                          &piece->to, piece->permissions, &piece->inode) == 4;
}

/* Pieces of memory that processes share, and write to. */
static int count_shared(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    piece_t piece;
    int n = 0;

    while (next_piece(maps, &piece)) {
        n += piece.permissions[1] == 'w' && piece.permissions[3] == 's';
    }
    if (maps) {
        fclose(maps);
    }
    return n;
}

/* Where the kernel finds what ps shows: proc(5), /proc/pid/stat. */
static void read_layout(void)
{
    unsigned long long v[52] = {0};
    char text[2048], *at;
    FILE *file = fopen("/proc/self/stat", "re");
    size_t n;
    int i;

    if (!file) {
        return;
    }
    n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    at = strrchr(text, ')');
    at = at ? strchr(at + 2, ' ') : NULL; /* after the state, which is 3 */
    for (i = 4; at && i < 52; i++) {
        v[i] = strtoull(at, &at, 10);
    }
    layout.start_code = v[26];
    layout.end_code = v[27];
    layout.start_stack = v[28];
    layout.start_data = v[45];
    layout.end_data = v[46];
    layout.start_brk = v[47];
    layout.exe_fd = (unsigned int)-1;
}

/* Take what is free between the pieces that are in use: each script would
 * write there, and copy a page for every piece. Now it gets new pages, side by
 * side. */
static void fill_holes(void)
{
    size_t size = HOLE_MAX, step = 2 * sizeof(size_t), n;
    char *end = malloc(size), *piece;

    while (end && size >= step) {
        for (n = 0; n < HOLES_MAX / size && (piece = malloc(size)); n++) {
            if (piece > end) {
                free(piece);
                break;
            }
        }
        size -= size > SMALL_MAX ? size / 8 : step;
    }
    free(end);
}

/* The heap goes on where huge pages can. */
static void align_heap(void)
{
    (void)sbrk((intptr_t)(-(uintptr_t)sbrk(0) % HUGE_PAGE));
}

/* Put what is loaded into huge pages, which fork() and the end of a process go
 * through quicker. Of what a script writes to, a small page is still copied.
 */
static void join_pages(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    piece_t piece;

    while (next_piece(maps, &piece)) {
        if (!strcmp(piece.permissions, "rw-p") && !piece.inode) {
            (void)madvise((void *)piece.from, piece.to - piece.from,
                          MADV_COLLAPSE);
        }
    }
    if (maps) {
        fclose(maps);
    }
}

/* In the launcher and, once for each script, in its process. */
static const cgi_warm_script_t *host_serve(void)
{
    /* What is open now is shared with all scripts, offsets too; what runs now
     * is not there in a child. */
    if (count_entries("/proc/self/fd") > fds_before) {
        snprintf(refusal, sizeof(refusal),
                 "a module keeps a file open that it has opened when it was "
                 "loaded");
        return NULL;
    }
    if (count_entries("/proc/self/task") > 3) { /* . and .. */
        snprintf(refusal, sizeof(refusal),
                 "a module has started a thread when it was loaded");
        return NULL;
    }
    if (count_shared() > shared_before) {
        snprintf(refusal, sizeof(refusal),
                 "a module has made memory, or a lock, that all scripts "
                 "would share");
        return NULL;
    }
    alarm(0);
    (void)signal(SIGALRM, SIG_DFL);
    read_layout();
    fill_holes();
    join_pages();
    if (setjmp(begin)) {
        return &script;
    }
    launcher_is_warm = 1;
    __atomic_store_n(options->ready, 1, __ATOMIC_SEQ_CST);
    serve_all();
    exit(0);
}

static long host_ask(const char *const *argv, int fd, char *text, size_t size)
{
    int pair[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    *text = '\0';
    if (pipe2(pair, O_CLOEXEC)) {
        return -1;
    }
    pid = fork();
    if (!pid) {
        dup2(pair[1], fd);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(pair[1]);
    while (pid > 0 && len < size - 1 &&
           (n = read(pair[0], text + len, size - 1 - len)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    close(pair[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && !status ? (long)len
                                                                 : -1;
}

static void host_loaded(const char *path)
{
    struct stat st;
    loaded_t *file;

    if (!options->watch || stat(path, &st) ||
        !(file = malloc(sizeof(*file) + strlen(path) + 1))) {
        return;
    }
    file->changed = st.st_mtim;
    file->size = st.st_size;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    strcpy(file->path, path);
    file->next = all_loaded;
    all_loaded = file;
}

int launcher_warm_is_stale(void)
{
    const loaded_t *file;
    struct stat st;

    for (file = all_loaded; file && !is_stale; file = file->next) {
        is_stale = stat(file->path, &st) ||
                   st.st_mtim.tv_sec != file->changed.tv_sec ||
                   st.st_mtim.tv_nsec != file->changed.tv_nsec ||
                   st.st_size != file->size || st.st_dev != file->device ||
                   st.st_ino != file->inode;
    }
    if (is_stale) {
        __atomic_store_n(options->ready, 0, __ATOMIC_SEQ_CST);
    }
    return is_stale;
}

const char *launcher_warm_enter(const launcher_warm_t *warm,
                                void (*serve)(void))
{
    cgi_warm_host_t host = {warm->program, warm->modules, host_serve, host_ask,
                            host_loaded};
    const char *reason;
    void *object;

    options = warm;
    serve_all = serve;
    if (stat(warm->program, &program)) {
        return "that program is not there";
    }
    fds_before = count_entries("/proc/self/fd");
    shared_before = count_shared();
    align_heap();
    alarm(ENTER_MAX);
    object = dlopen(warm->plugin, RTLD_NOW | RTLD_GLOBAL);
    plugin = object ? dlsym(object, "cgi_warm_plugin") : NULL;
    if (!plugin) {
        reason = dlerror();
    }
    else if (plugin->version != CGI_WARM_VERSION) {
        reason = "its plug-in is of another version";
    }
    else {
        reason = plugin->enter(&host);
    }
    alarm(0);
    return *refusal ? refusal : reason ? reason : "its plug-in does not serve";
}

/* ---- in the child ---- */

static void say_cold(int control_fd, const char *reason)
{
    cgi_note_text_t told = {{CGI_NOTE_COLD, 0, 0}, ""};
    size_t len = strlen(reason);

    if (len > sizeof(told.text)) {
        len = sizeof(told.text);
    }
    memcpy(told.text, reason, len);
    (void)!send(control_fd, &told, sizeof(told.note) + len,
                MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A limit that a cold start would keep, and that is used up by what is
 * loaded, is no limit for the script. */
static int has_memory(void)
{
    struct rlimit limit;
    unsigned long pages = 0;
    char text[64] = "";
    int fd;

    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY) {
        return 1;
    }
    fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof(text) - 1) > 0) {
            pages = strtoul(text, NULL, 10);
        }
        close(fd);
    }
    return pages &&
           pages * MEM_FACTOR < limit.rlim_cur / (rlim_t)sysconf(_SC_PAGESIZE);
}

static int is_interpreter(const char *path)
{
    struct stat st;

    return !stat(path, &st) && st.st_dev == program.st_dev &&
           st.st_ino == program.st_ino;
}

/* Names in the same directory may be links to the same program; elsewhere it
 * may find other libraries. */
static int is_beside(const char *path)
{
    const char *a = strrchr(path, '/'), *b = strrchr(options->program, '/');

    return a && a - path == b - options->program &&
           !strncmp(path, options->program, (size_t)(a - path));
}

/* Find out what execve() would make of it. @return NULL, or why it is not
 * this interpreter's */
static const char *resolve(const cgi_wire_request_t *request, apr_pool_t *p)
{
    cgi_shebang_t line = {NULL, NULL, NULL};
    const char **argv, *reason;
    int i, n = 0, begun = 0;

    while (request->argv[n]) {
        n++;
    }
    argv = apr_pcalloc(p, ((apr_size_t)n + 4) * sizeof(*argv));
    if (is_interpreter(request->path)) { /* exec= of a route */
        memcpy(argv, request->argv, (size_t)n * sizeof(*argv));
        script.program = request->path;
        script.script_at = n - 1;
        script.argc = n;
    }
    else {
        if (access(request->path, X_OK)) {
            return "it is not executable";
        }
        reason = cgi_shebang_read(&line, request->path, request->env, p);
        if (reason) {
            return reason;
        }
        if (!is_interpreter(line.program)) {
            return "its interpreter is another one now";
        }
        script.program = line.program;
        argv[begun++] = line.argv0;
        if (line.arg) {
            argv[begun++] = line.arg;
        }
        script.script_at = begun;
        argv[begun++] = request->path;
        for (i = 1; i < n; i++) {
            argv[begun++] = request->argv[i];
        }
        script.argc = begun;
    }
    script.argv = argv;
    script.env = request->env;
    if (!is_beside(script.program)) {
        return "its interpreter is named by another directory";
    }
    return access(script.program, X_OK) ? "its interpreter is not executable"
                                        : NULL;
}

/* The strings in one piece of memory, as execve() leaves them. */
static const char *const *lay_out(const char *const *list, char **at)
{
    const char **copy;
    int i, n = 0;

    while (list[n]) {
        n++;
    }
    if (!(copy = calloc((size_t)n + 1, sizeof(*copy)))) {
        return NULL;
    }
    for (i = 0; i < n; i++) {
        copy[i] = *at;
        *at = stpcpy(*at, list[i]) + 1;
    }
    return copy;
}

static size_t size_of(const char *const *list)
{
    size_t size = 0;

    for (; *list; list++) {
        size += strlen(*list) + 1;
    }
    return size;
}

/* Copy what it gets to where it stays, and tell the kernel, for ps.
 * @return 0: there is no memory */
static int take_place(void)
{
    char *memory = malloc(size_of(script.argv) + size_of(script.env) + 1);
    char *at = memory;

    if (!memory || !(script.argv = lay_out(script.argv, &at))) {
        return 0;
    }
    layout.arg_start = (unsigned long)memory;
    layout.arg_end = layout.env_start = (unsigned long)at;
    if (!(script.env = lay_out(script.env, &at))) {
        return 0;
    }
    layout.env_end = (unsigned long)at;
    layout.brk = (unsigned long)sbrk(0);
    if (layout.start_code) {
        (void)prctl(PR_SET_MM, PR_SET_MM_MAP, &layout, sizeof(layout), 0);
    }
    environ = (char **)(void *)script.env;
    return 1;
}

/* execve() would name the process after what it was asked to execute. */
static void take_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    (void)prctl(PR_SET_NAME, slash ? slash + 1 : path, 0, 0, 0);
}

/* Interpreters ignore some; a program that is executed would inherit it. */
static void reset_signals(void)
{
    int sig;

    for (sig = 1; sig < NSIG; sig++) {
        (void)signal(sig, SIG_DFL);
    }
}

void launcher_warm_become(const cgi_wire_request_t *request, int control_fd)
{
    const char *reason;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    reason = is_stale ? "a file that is loaded has changed"
             : has_memory()
                 ? resolve(request, p)
                 : "RLimitMEM is too small for a loaded interpreter";
    if (!reason) {
        reason = plugin->check(&script);
    }
    if (reason || !take_place()) {
        say_cold(control_fd, reason ? reason : "there is no memory");
        reset_signals();
        return;
    }
    take_name(request->path);
    launcher_table_forget();
    launcher_close_inherited();
    /* As execve() does: root's launcher has become another user. */
    (void)prctl(PR_SET_DUMPABLE, 1);
    longjmp(begin, 1);
}
