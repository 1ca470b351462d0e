/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What the privileged launcher gives up at its start, so that whoever makes
 * it do something else than it should can do less with it.
 */

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
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
#define IF(what, value) BPF_JUMP(BPF_JMP | what | BPF_K, value, 0, 1)
#define IF_NOT(what, value) BPF_JUMP(BPF_JMP | what | BPF_K, value, 1, 0)
#define ANSWER(error)                                                         \
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)(error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* Of clone(), and of an argument's lower half on these two. */
#define NEW_USER_NAMESPACE 0x10000000
#define CLONE3 435

static void filter_calls(void)
{
    static const struct sock_filter begin[] = {
        LOAD(arch), IF_NOT(BPF_JEQ, OUR_ARCH), ANSWER(ENOSYS), LOAD(nr),
        IF(BPF_JGT, NEWEST), ANSWER(ENOSYS),
        /* What it is asked for stands where no filter can look; programs use
         * clone() instead. */
        IF(BPF_JEQ, CLONE3), ANSWER(ENOSYS)};
    static const struct sock_filter end[] = {
        IF_NOT(BPF_JEQ, SYS_clone),       ALLOW,         LOAD(args[0]),
        IF(BPF_JSET, NEW_USER_NAMESPACE), ANSWER(EPERM), ALLOW};
    enum { DENIED = sizeof(denied) / sizeof(*denied) };
    struct sock_filter code[sizeof(begin) / sizeof(*begin) + 2 * DENIED +
                            sizeof(end) / sizeof(*end)];
    const struct sock_filter deny[] = {IF(BPF_JEQ, 0), ANSWER(EPERM)};
    struct sock_fprog program = {sizeof(code) / sizeof(*code), code};
    struct sock_filter *to = code;
    size_t i;

    memcpy(to, begin, sizeof(begin));
    to += sizeof(begin) / sizeof(*begin);
    for (i = 0; i < DENIED; i++, to += 2) {
        memcpy(to, deny, sizeof(deny));
        to->k = denied[i];
    }
    memcpy(to, end, sizeof(end));
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        fprintf(stderr,
                "cgi-launcher: this kernel takes no filter of calls: "
                "%s\n",
                strerror(errno));
    }
}

#else

static void filter_calls(void)
{
    fprintf(stderr, "cgi-launcher: no filter of calls on this architecture\n");
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
