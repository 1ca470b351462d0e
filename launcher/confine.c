/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * CGISandbox, in the child that is about to become the script: Landlock for
 * files, TCP ports, signals and abstract sockets; see landlock(7). And the
 * script's temporary directory, from its making to its end.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_strings.h"

#include "base/rules.h"
#include "launcher/launcher.h"

/* ---- Landlock ----
 *
 * Its interface as of version 6, under names of our own: the headers that we
 * are built with may be older than the kernel. */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

typedef struct ruleset_t {
    uint64_t files, ports, scoped;
} ruleset_t;

typedef struct beneath_t {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed)) beneath_t;

typedef struct port_t {
    uint64_t allowed, port;
} port_t;

enum { RULE_BENEATH = 1, RULE_PORT = 2 };
enum { PORT_BIND = 1 << 0, PORT_CONNECT = 1 << 1 };
enum { SCOPE_ABSTRACT_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 };
enum {
    FILE_EXECUTE = 1 << 0,
    FILE_WRITE = 1 << 1,
    FILE_READ = 1 << 2,
    DIR_READ = 1 << 3,
    DIR_REMOVE_DIR = 1 << 4,
    DIR_REMOVE_FILE = 1 << 5,
    DIR_MAKE_DIR = 1 << 7,
    DIR_MAKE_FILE = 1 << 8,
    DIR_MAKE_SOCKET = 1 << 9,
    DIR_MAKE_FIFO = 1 << 10,
    DIR_MAKE_LINK = 1 << 12,
    ALL_1 = (1 << 13) - 1,
    DIR_REFER = 1 << 13,     /* version 2 */
    FILE_TRUNCATE = 1 << 14, /* version 3 */
    FILE_IOCTL_DEV = 1 << 15 /* version 5 */
};
#define READ (FILE_READ | DIR_READ)
#define EXECUTE (READ | FILE_EXECUTE)
#define WRITE                                                                 \
    (READ | FILE_WRITE | FILE_TRUNCATE | DIR_REMOVE_DIR | DIR_REMOVE_FILE |   \
     DIR_MAKE_DIR | DIR_MAKE_FILE | DIR_MAKE_SOCKET | DIR_MAKE_FIFO |         \
     DIR_MAKE_LINK | DIR_REFER)
/* The rest means nothing for a file, and is an error. */
#define OF_FILE                                                               \
    (FILE_EXECUTE | FILE_WRITE | FILE_READ | FILE_TRUNCATE | FILE_IOCTL_DEV)

/* What any program needs: see doc/sandbox.md. */
static const char *const system_execute[] = {
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", NULL};
static const char *const system_read[] = {
    /* the dynamic loader */
    "/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    /* names of hosts and services */
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf",
    "/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/networks",
    /* locale and time */
    "/etc/locale.alias", "/etc/locale.conf", "/etc/localtime", "/etc/timezone",
    /* certificates, without keys */
    "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ca-certificates",
    "/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust",
    "/etc/crypto-policies",
    /* devices; and what the kernel says of this process itself */
    "/dev/zero", "/dev/urandom", "/proc/self", NULL};
static const char *const system_write[] = {"/dev/null", NULL};

static uint64_t known_files(int abi)
{
    uint64_t known = ALL_1;

    known |= abi >= 2 ? DIR_REFER : 0u;
    known |= abi >= 3 ? FILE_TRUNCATE : 0u;
    known |= abi >= 5 ? FILE_IOCTL_DEV : 0u;
    return known;
}

/* @return 0, or -1 and errno */
static int allow(int ruleset, const char *path, uint64_t what)
{
    beneath_t rule = {what, open(path, O_PATH | O_CLOEXEC)};
    struct stat st;
    long rv;
    int err;

    if (rule.fd < 0) {
        return -1;
    }
    if (!fstat(rule.fd, &st) && !S_ISDIR(st.st_mode)) {
        rule.allowed &= OF_FILE;
    }
    rv = syscall(SYS_landlock_add_rule, ruleset, RULE_BENEATH, &rule,
                 (size_t)0);
    err = errno;
    close(rule.fd);
    errno = err;
    return rv ? -1 : 0;
}

/* These paths, as far as they exist. */
static void allow_all(int ruleset, const char *const *paths, uint64_t what)
{
    for (; *paths; paths++) {
        (void)allow(ruleset, *paths, what);
    }
}

static int allow_port(int ruleset, const char *number)
{
    port_t rule = {PORT_CONNECT, strtoul(number, NULL, 10)};

    return syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) ? -1
                                                                        : 0;
}

/* @return 0, or -1 and errno; *path is the one that is the matter, or NULL */
static int allow_rule(int ruleset, const char *rule, int abi,
                      const char **path)
{
    const uint64_t known = known_files(abi);

    *path = rule + 1;
    switch (*rule) {
    case CGI_SANDBOX_READ:
        return allow(ruleset, rule + 1, READ & known);
    case CGI_SANDBOX_WRITE:
        return allow(ruleset, rule + 1, WRITE & known);
    case CGI_SANDBOX_EXECUTE:
        return allow(ruleset, rule + 1, EXECUTE & known);
    case CGI_SANDBOX_MAY_READ:
        (void)allow(ruleset, rule + 1, READ & known);
        return 0;
    case CGI_SANDBOX_MAY_EXECUTE:
        (void)allow(ruleset, rule + 1, EXECUTE & known);
        return 0;
    case CGI_SANDBOX_PORT:
        *path = NULL;
        return abi < 4 ? 0 : allow_port(ruleset, rule + 1);
    default:
        *path = NULL;
        return 0;
    }
}

static int make_ruleset(const char *const *rules, int abi)
{
    ruleset_t set = {known_files(abi), 0, 0};

    if (abi >= 4 && cgi_sandbox_has(rules, CGI_SANDBOX_PORT)) {
        set.ports = PORT_BIND | PORT_CONNECT;
    }
    if (abi >= 6) {
        set.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
    }
    /* An older kernel takes what it does not know as long as it is zero. */
    return (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
}

/* A line of the script's error output. */
static int complain(const char *what)
{
    int err = errno;

    fprintf(stderr, "cgi-launcher: sandbox: %s: %s\n", what, strerror(err));
    errno = err;
    return -1;
}

static int restrict_self(const char *const *rules, const char *tmp, int abi)
{
    int set = make_ruleset(rules, abi);
    const char *path;

    if (set < 0) {
        return complain("Landlock");
    }
    allow_all(set, system_execute, EXECUTE & known_files(abi));
    allow_all(set, system_read, READ & known_files(abi));
    allow_all(set, system_write,
              (READ | FILE_WRITE | FILE_TRUNCATE) & known_files(abi));
    if (tmp && allow(set, tmp, WRITE & known_files(abi))) {
        return complain(tmp);
    }
    for (; *rules; rules++) {
        if (allow_rule(set, *rules, abi, &path)) {
            return complain(path ? path : "Landlock, a port");
        }
    }
    if (syscall(SYS_landlock_restrict_self, set, 0)) {
        return complain("Landlock");
    }
    close(set);
    return 0;
}

/* Asked once, by the launcher: it does not change. */
static int kernel_abi = -1;

int launcher_sandbox_enter(const cgi_wire_request_t *request)
{
    const char *const *rules = request->sandbox;
    launcher_net_e net =
        cgi_sandbox_has(rules, CGI_SANDBOX_NO_NET) ? LAUNCHER_NET_NONE
        : cgi_sandbox_has(rules, CGI_SANDBOX_PORT) ? LAUNCHER_NET_TCP_UDP
                                                   : LAUNCHER_NET_ANY;
    int abi = kernel_abi < 0 ? cgi_sandbox_abi() : kernel_abi;

    if (!cgi_sandbox_has(rules, CGI_SANDBOX_BEST_EFFORT) &&
        cgi_sandbox_lacks(rules, abi, 1)) {
        errno = ENOSYS;
        return complain("Landlock of this kernel");
    }
    if (request->tmp && mkdir(request->tmp, 0700)) {
        return complain(request->tmp);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        return complain("no_new_privs");
    }
    if (abi > 0 && restrict_self(rules, request->tmp, abi)) {
        return -1;
    }
    if (launcher_filter_script(net) &&
        !cgi_sandbox_has(rules, CGI_SANDBOX_BEST_EFFORT)) {
        return complain("filter of system calls");
    }
    return 0;
}

/* ---- the temporary directory ---- */

/* Of the launcher's user where TMPDIR says so; of others in /tmp, and of those
 * in a root directory of their own in its /tmp. */
static const char *tmp_base(int others)
{
    const char *dir = others ? NULL : getenv("TMPDIR");

    return dir && *dir == '/' && strlen(dir) < 256 ? dir : "/tmp";
}

int launcher_sandbox_name_tmp(cgi_wire_request_t *request,
                              const launcher_become_t *who,
                              launcher_tmp_t *tmp, apr_pool_t *pool)
{
    uint64_t number;
    const char **env;
    int i, n = 0, kept = 0;

    kernel_abi = kernel_abi < 0 ? cgi_sandbox_abi() : kernel_abi;
    if (!cgi_sandbox_has(request->sandbox, CGI_SANDBOX_TMP)) {
        return 0;
    }
    if (strlen(request->root) >= sizeof(tmp->root)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) !=
        (ssize_t)sizeof(number)) {
        return -1;
    }
    request->tmp = apr_psprintf(pool, "%s/cgi-%016" APR_UINT64_T_HEX_FMT,
                                tmp_base(who != NULL), (apr_uint64_t)number);
    tmp->identity = request->identity;
    apr_cpystrn(tmp->path, request->tmp, sizeof(tmp->path));
    apr_cpystrn(tmp->root, request->root, sizeof(tmp->root));

    while (request->env[n]) {
        n++;
    }
    env = apr_palloc(pool, ((apr_size_t)n + 2) * sizeof(*env));
    for (i = 0; i < n; i++) {
        if (strncmp(request->env[i], "TMPDIR=", 7) != 0) {
            env[kept++] = request->env[i];
        }
    }
    env[kept++] = apr_pstrcat(pool, "TMPDIR=", request->tmp, NULL);
    env[kept] = NULL;
    request->env = env;
    return 0;
}

/* So deep a walk goes down; what is deeper is moved up first. */
#define DEPTH_MAX 40
#define ROUNDS_MAX 100000

static unsigned int moved_up;

/* The script may have closed its own directories. */
static int open_dir(int at, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);

    if (fd < 0 && errno == EACCES && !fchmodat(at, name, 0700, 0)) {
        fd = openat(at, name, flags);
    }
    if (fd >= 0) {
        (void)fchmod(fd, 0700);
    }
    return fd;
}

/* Remove what is in a directory, and close it. */
static void empty(int fd, int top, int depth)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;
    char name[32];
    int below;

    while (dir && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            !unlinkat(fd, entry->d_name, 0) ||
            !unlinkat(fd, entry->d_name, AT_REMOVEDIR) ||
            (below = open_dir(fd, entry->d_name)) < 0) {
            continue;
        }
        if (depth < DEPTH_MAX) {
            empty(below, top, depth + 1);
            (void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
            continue;
        }
        apr_snprintf(name, sizeof(name), "deep-%u", moved_up + 1);
        moved_up += !renameat(fd, entry->d_name, top, name);
        close(below);
    }
    if (dir) {
        closedir(dir);
    }
}

/* In a process of its own. What still runs of the script, having left its
 * process group, may make this remove other files: only such as are in the
 * directory. */
static void empty_tree(const char *path)
{
    static const char *const no_rules[] = {NULL};
    unsigned int before;
    int top, rounds = 0;

    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (kernel_abi > 0 && restrict_self(no_rules, path, kernel_abi)) {
        return;
    }
    if ((top = open_dir(AT_FDCWD, path)) < 0) {
        return;
    }
    do {
        before = moved_up;
        empty(openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), top, 0);
    } while (moved_up != before && ++rounds < ROUNDS_MAX);
}

/* Where nothing can be written, it was never made, and can't be removed. */
static int is_there(const char *path)
{
    struct stat st;

    return !lstat(path, &st) || errno != ENOENT;
}

/* In a process of its own: as whom the script ran, and where. */
static void remove_tree(const launcher_become_t *who,
                        const launcher_tmp_t *tmp)
{
    pid_t pid;

    if (who && (launcher_become(who, tmp->root) || !is_there(tmp->path))) {
        return;
    }
    pid = fork();
    if (pid == 0) {
        empty_tree(tmp->path);
        _exit(0);
    }
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
    }
    /* The other process may not do this: the rest of /tmp is closed to it. */
    if (rmdir(tmp->path) && errno != ENOENT) {
        (void)complain(tmp->path);
    }
}

void launcher_sandbox_remove_tmp(const launcher_become_t *who,
                                 launcher_tmp_t *tmp)
{
    const launcher_tmp_t copy = *tmp; /* that is memory shared with others */
    pid_t pid;

    *tmp->path = '\0';
    if (!*copy.path) {
        return;
    }
    kernel_abi = kernel_abi < 0 ? cgi_sandbox_abi() : kernel_abi;
    /* Most are empty, or were never made. */
    if (!who && (!rmdir(copy.path) || !is_there(copy.path))) {
        return;
    }
    pid = fork();
    if (pid == 0) {
        launcher_close_inherited();
        remove_tree(who, &copy);
        _exit(0);
    }
    if (pid < 0) {
        (void)complain(copy.path);
    }
}
