/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/*
 * The same of a launcher that is a user's, because it has an interpreter
 * (CGIWarm user=): it runs what is configured for him, and for nobody else.
 * forged.t runs this as root with the launcher's path and an empty directory.
 */
/* link: base/identity.c base/wire.c base/metavars.c base/safe.c */

#include "worker.h"

/* Of the identities that it is told, it is one only. */
enum { OWN = NAMED, OWN_LAST = 5 };

static int users_identities(void)
{
    const cgi_identity_text_t script =
        LIST(apr_pstrcat(pool, "=", dir, "/bin/", NULL), "$0");
    const cgi_identity_t id[OWN_LAST] = {
        {.uid = UID + 1, .gid = GID, .values = "n", .script = script},
        {.uid = UID, .gid = GID + 1, .values = "n", .script = script},
        {.uid = UID,
         .gid = GID,
         .groups = LIST("101"),
         .values = "n",
         .script = script},
        {.uid = UID, .gid = GID, .values = "n", .script = script},
        {.uid = UID,
         .gid = GID,
         .values = "n",
         .root = LIST(apr_pstrcat(pool, "=", dir, NULL)),
         .script = LIST("=/bin/", "$0")},
    };
    apr_size_t size;
    void *bytes;

    cgi_identity_encode(id, OWN_LAST, pool, &bytes, &size);
    return file_of(bytes, size);
}

/* @return memory in which it says that it has its interpreter */
static const int *start_users(const char *warm, const char *plugin,
                              const char *cold)
{
    const char *uid = apr_itoa(pool, UID), *gid = apr_itoa(pool, GID);
    int ready = memfd_create("ready", 0), fd = users_identities();
    const int *state;

    must(ready >= 0 && !ftruncate(ready, 4096), "memory");
    state = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ready, 0);
    must(state != MAP_FAILED, "memory");
    launcher_start(warm,
                   LIST("-i", "-u", uid, "-g", gid, "-p", plugin, "-x",
                        "/usr/bin/python3", "-s", apr_itoa(pool, ready), "-w",
                        "3", "-c", cold),
                   fd, apr_pstrcat(pool, dir, "/log", NULL));
    close(fd);
    close(ready);
    return state;
}

static const char *with_sandbox(void)
{
    cgi_wire_request_t request = forged(OWN, LIST("py"));

    request.sandbox = LIST("tmp");
    return ask(&request);
}

static void users_requests(const char *how)
{
    static const char refused[] = "refused: Operation not permitted";
    static const char *const names[] = {"..", "../evil/show", "./py", ".py"};
    const cgi_wire_request_t request = forged(OWN, LIST("py"));
    call_t call = call_make();
    unsigned int number;
    size_t i;

    tap_is(ask_for(OWN, LIST("py")),
           apr_psprintf(pool, "%s %s/bin/py %d %d [%d] 1\n", how, dir, UID,
                        GID, GID),
           apr_psprintf(pool, "%s: the user's route, whatever is asked", how));
    tap_is(ask_for(OWN, LIST("show")), in_dir("0 %s/bin/show %s/bin\n"),
           "a script of another interpreter is executed");
    for (number = 0; number <= OWN_LAST + 1; number++) {
        if (number != OWN) {
            tap_is(ask_for(number, LIST("py")), refused,
                   apr_psprintf(pool, "%s: identity %u, which is not his", how,
                                number));
        }
    }
    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        tap_is(ask_for(OWN, LIST(names[i])), refused, "a name that is none");
    }
    tap_is(with_sandbox(), refused, "a sandbox, which no worker asks for");
    call_replace(&call, CGI_FD_STDIN, open("/", O_RDONLY | O_DIRECTORY));
    must(!call_request(&call, &request), "sending");
    tap_is(call_result(&call), refused, "a directory as stdin");
}

static void users_share(const char *how)
{
    const cgi_wire_request_t request = forged(OWN, LIST("py"));
    call_t calls[3];
    pid_t pids[3];
    int i;

    for (i = 0; i < 3; i++) {
        pids[i] = started(&calls[i], "end", 300);
    }
    tap_is(ask_once(&request), no_place,
           apr_psprintf(pool, "%s: a worker has its share", how));
    for (i = 0; i < 3; i++) {
        call_close(&calls[i]);
        tap_ok(is_gone(pids[i], 3000), "its scripts end with their leases");
    }
}

static void launchers(void)
{
    const char *beside = apr_pstrmemdup(
        pool, program, (apr_size_t)(strrchr(program, '/') + 1 - program));
    const char *warm = apr_pstrcat(pool, beside, "cgi-warm", NULL);
    const char *plugin = apr_pstrcat(pool, beside, "cgi-warm-python.so", NULL);
    const int *ready;
    int i;

    ready = start_users(warm, plugin, "0");
    for (i = 0; i < 1000 && !*ready; i++) {
        usleep(10000);
    }
    tap_ok(*ready, "a user's launcher has its interpreter");
    tap_is(line_of(proc(launcher.pid, "status"), "\nUid:"),
           "54321\t54321\t54321\t54321", "and is that user, for good");
    tap_is(line_of(proc(launcher.pid, "status"), "\nCapPrm:"),
           "0000000000000000", "without rights");
    users_requests("warm");
    users_share("warm");
    launcher_kill();

    (void)start_users(warm, plugin, "1");
    users_requests("cold");
    users_share("cold");
    launcher_kill();
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    files();
    put("bin/py",
        "#!/usr/bin/python3\nimport os, sys\n"
        "print('warm' if 'cgi-warm' in os.readlink('/proc/self/exe') else "
        "'cold', sys.argv[0], os.getuid(), os.getgid(), os.getgroups(), "
        "len(sys.argv))\n",
        0755);

    launchers();
    return tap_done();
}
