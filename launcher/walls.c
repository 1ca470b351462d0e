/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What launchers give up at their start: being root, or, as the privileged
 * one, all of it that is not needed, so that whoever makes it do something
 * else than it should can do less with it; and the calls that a script in a
 * sandbox gives up.
 */

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/launcher.h"

/* To become a script's user in its root directory, which may be closed to
 * others, and to end it. */
static const int kept[] = {CAP_DAC_READ_SEARCH, CAP_KILL, CAP_SETGID,
                           CAP_SETUID, CAP_SYS_CHROOT};

static void give_up_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    unsigned int mask = 0;
    size_t i;
    int cap;

    for (i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        mask |= 1u << kept[i];
    }
    for (cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
        if (cap >= 32 || !(mask & (1u << cap))) {
            /* A container's root may not: it has no more than that, then. */
            (void)prctl(PR_CAPBSET_DROP, cap);
        }
    }
    if (syscall(SYS_capget, &header, data)) {
        launcher_die("reading root's rights");
    }
    data[0].permitted &= mask;
    data[0].effective = data[0].permitted;
    data[0].inheritable = 0;
    memset(&data[1], 0, sizeof(data[1]));
    if (syscall(SYS_capset, &header, data)) {
        launcher_die("giving up root's rights");
    }
}

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef OUR_ARCH

/* Scripts inherit the filter, the kernel lets nobody take it off. So it can't
 * be a list of what the launcher itself calls: it allows what programs without
 * rights need, and nothing by which somebody would change the system, look
 * into other processes, or reach the parts of the kernel in which most of its
 * holes were. Calls that are newer than this list do not exist. */
#define NEWEST 466
static const unsigned short denied[] = {
    SYS_acct, SYS_add_key, SYS_bpf, SYS_clock_adjtime, SYS_clock_settime,
    SYS_delete_module, SYS_fanotify_init, SYS_finit_module, SYS_init_module,
    SYS_kcmp, SYS_kexec_load, SYS_keyctl, SYS_lookup_dcookie, SYS_mount,
    SYS_name_to_handle_at, SYS_nfsservctl, SYS_open_by_handle_at,
    SYS_perf_event_open, SYS_pivot_root, SYS_process_vm_readv,
    SYS_process_vm_writev, SYS_ptrace, SYS_quotactl, SYS_reboot,
    SYS_request_key, SYS_setdomainname, SYS_sethostname, SYS_setns,
    SYS_settimeofday, SYS_swapoff, SYS_swapon, SYS_syslog, SYS_umount2,
    SYS_unshare, SYS_userfaultfd, SYS_vhangup,
#ifdef __x86_64__
    SYS__sysctl, SYS_create_module, SYS_get_kernel_syms, SYS_ioperm, SYS_iopl,
    SYS_modify_ldt, SYS_query_module, SYS_sysfs, SYS_uselib, SYS_ustat,
    320 /* kexec_file_load */,
#else
    294 /* kexec_file_load */,
#endif
    /* The same numbers everywhere: io_uring, mounts, quotas, descriptors of
     * other processes. */
    425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 443};

#define LOAD(field)                                                           \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* The next statement holds if the comparison does, and else is skipped. */
#define IF(what, value) BPF_JUMP(BPF_JMP | (what) | BPF_K, value, 0, 1)
#define IF_NOT(what, value) BPF_JUMP(BPF_JMP | (what) | BPF_K, value, 1, 0)
#define ANSWER(error)                                                         \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)(error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* Of clone(), and of an argument's lower half on these two. */
#define NEW_USER_NAMESPACE 0x10000000
#define CLONE3 435
#define MSG_FASTOPEN_FLAG 0x20000000

/* By which a script in a sandbox would reach other processes of its user, or
 * make a program of bytes that no directory has. */
static const unsigned short denied_in_sandbox[] = {
    SYS_shmget,    SYS_shmat,     SYS_shmctl,       SYS_shmdt,
    SYS_msgget,    SYS_msgsnd,    SYS_msgrcv,       SYS_msgctl,
    SYS_semget,    SYS_semop,     SYS_semctl,       SYS_semtimedop,
    SYS_mq_open,   SYS_mq_unlink, SYS_memfd_create, SYS_migrate_pages,
    SYS_move_pages};

/* The next n statements hold for one call. */
#define FOR_CALL(number, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, n)
/* A call for this process itself, which 0 is, and for no other. */
#define ITSELF_ONLY(number, argument)                                         \
    FOR_CALL(number, 4), LOAD(args[argument]), IF(BPF_JEQ, 0), ALLOW,         \
        ANSWER(EPERM)
static const struct sock_filter itself_only[] = {
    ITSELF_ONLY(SYS_prlimit64, 0),
    ITSELF_ONLY(SYS_setpriority, 1),
    ITSELF_ONLY(SYS_ioprio_set, 1),
    ITSELF_ONLY(SYS_sched_setparam, 0),
    ITSELF_ONLY(SYS_sched_setattr, 0),
    ITSELF_ONLY(SYS_sched_setaffinity, 0),
    ITSELF_ONLY(SYS_sched_setscheduler, 0)};

static const struct sock_filter no_sockets[] = {FOR_CALL(SYS_socket, 1),
                                                ANSWER(EACCES)};

/* Landlock knows of TCP alone, and of connect() alone. */
#define NO_FAST_OPEN(number, argument)                                        \
    FOR_CALL(number, 4), LOAD(args[argument]),                                \
        IF(BPF_JSET, MSG_FASTOPEN_FLAG), ANSWER(EOPNOTSUPP), ALLOW
static const struct sock_filter tcp_udp_only[] = {
    NO_FAST_OPEN(SYS_sendto, 3), NO_FAST_OPEN(SYS_sendmsg, 2),
    NO_FAST_OPEN(SYS_sendmmsg, 3), FOR_CALL(SYS_socket, 18), LOAD(args[0]),
    IF(BPF_JEQ, AF_UNIX), ALLOW,
    /* the C library looks for the addresses of this machine */
    IF(BPF_JEQ, AF_NETLINK), ALLOW, BPF_JUMP(BPF_JMP | BPF_JEQ, AF_INET, 2, 0),
    IF_NOT(BPF_JEQ, AF_INET6), ANSWER(EACCES), LOAD(args[2]),
    BPF_JUMP(BPF_JMP | BPF_JEQ, 0, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ, IPPROTO_TCP, 2, 0),
    IF_NOT(BPF_JEQ, IPPROTO_UDP), ANSWER(EACCES), LOAD(args[1]),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf),
    BPF_JUMP(BPF_JMP | BPF_JGT, SOCK_DGRAM, 0, 1), ANSWER(EACCES), ALLOW};

/* Statements, one after the other. */
typedef struct program_t {
    struct sock_filter code[400];
    unsigned short n;
} program_t;

static void add(program_t *to, const struct sock_filter *code, size_t size)
{
    memcpy(to->code + to->n, code, size);
    to->n = (unsigned short)(to->n + size / sizeof(*code));
}
#define ADD(to, code) add(to, code, sizeof(code))

static void deny(program_t *to, const unsigned short *calls, size_t n)
{
    struct sock_filter one[] = {IF(BPF_JEQ, 0), ANSWER(EPERM)};

    for (; n; n--, calls++) {
        one->k = *calls;
        ADD(to, one);
    }
}
#define DENY(to, calls) deny(to, calls, sizeof(calls) / sizeof(*(calls)))

static void begin(program_t *to)
{
    static const struct sock_filter code[] = {
        LOAD(arch), IF_NOT(BPF_JEQ, OUR_ARCH), ANSWER(ENOSYS), LOAD(nr),
        IF(BPF_JGT, NEWEST), ANSWER(ENOSYS),
        /* What it is asked for stands where no filter can look; programs use
         * clone() instead. */
        IF(BPF_JEQ, CLONE3), ANSWER(ENOSYS)};

    to->n = 0;
    ADD(to, code);
    DENY(to, denied);
}

/* @return 0, or -1 and errno */
static int end(program_t *to)
{
    static const struct sock_filter code[] = {
        IF_NOT(BPF_JEQ, SYS_clone),       ALLOW,         LOAD(args[0]),
        IF(BPF_JSET, NEW_USER_NAMESPACE), ANSWER(EPERM), ALLOW};
    struct sock_fprog program = {0, to->code};

    ADD(to, code);
    program.len = to->n;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void filter_calls(void)
{
    program_t program;

    begin(&program);
    if (end(&program)) {
        fprintf(stderr,
                "cgi-launcher: this kernel takes no filter of calls: "
                "%s\n",
                strerror(errno));
    }
}

int launcher_filter_script(launcher_net_e net)
{
    program_t program;

    begin(&program);
    DENY(&program, denied_in_sandbox);
    ADD(&program, itself_only);
    if (net == LAUNCHER_NET_NONE) {
        ADD(&program, no_sockets);
    }
    if (net == LAUNCHER_NET_TCP_UDP) {
        ADD(&program, tcp_udp_only);
    }
    return end(&program);
}

#else

static void filter_calls(void)
{
    fprintf(stderr, "cgi-launcher: no filter of calls on this architecture\n");
}

int launcher_filter_script(launcher_net_e net)
{
    (void)net;
    errno = ENOSYS;
    return -1;
}

#endif

void launcher_wall_in(void)
{
    give_up_capabilities();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) {
        launcher_die("doing without setuid programs");
    }
    filter_calls();
}

/* Scripts that suexec has started belong to others. Of all that root may do,
 * only the right to end them is kept; no script inherits it over exec. */
static void keep_only_kill(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    memset(data, 0, sizeof(data));
    data[0].effective = data[0].permitted = 1u << CAP_KILL;
    if (syscall(SYS_capset, &header, data)) {
        /* root itself does not have it: scripts may outlive their request */
        memset(data, 0, sizeof(data));
        if (syscall(SYS_capset, &header, data)) {
            launcher_die("giving up root's rights");
        }
    }
}

void launcher_drop_privileges(const char *uid, const char *root,
                              const gid_t *groups, int ngroups, int keep_kill)
{
    if (root && (chdir(root) || chroot(root) || chdir("/"))) {
        launcher_die(root);
    }
    if (uid && ngroups) {
        uid_t u = (uid_t)strtoul(uid, NULL, 10);

        prctl(PR_SET_KEEPCAPS, keep_kill);
        if (setgroups((size_t)ngroups, groups) || setgid(groups[0]) ||
            setuid(u)) {
            launcher_die("becoming another user");
        }
        if (keep_kill) {
            keep_only_kill();
        }
    }
}
