/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The plug-in for Perl: libperl with modules loaded, and the steps by which a
 * copy of it becomes what "perl script" would be.
 *
 * libperl compiles a main program once: perl_parse() can't be called for a
 * script when modules are there. So the interpreter is started with a main
 * program of one line, a BEGIN block that loads the modules and serves. In the
 * process of a script, the compiler is still at this line. It goes on with the
 * first line of the script's file, as if there had been nothing before.
 */

#define PERL_NO_GET_CONTEXT
#include <EXTERN.h>
#include <perl.h>

#include <XSUB.h>
#include <perliol.h>

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "warm/plugin.h"

#ifndef G_LIST /* before 5.36 */
#define G_LIST G_ARRAY
#endif
#ifndef HvHasAUX /* before 5.36 */
#define HvHasAUX SvOOK
#endif

/* Of the package in which the plug-in's own code is; it is gone when a script
 * runs. */
#define OWN "CGIWarm"

/* What must be the same in the program that scripts name. */
#define FACTS "join(qq(\\n), $], Internals::V())"

/* load() gets names of modules. A module that changes what all scripts have,
 * or that says something, is left to those that load it: a process that is
 * thrown away tries it first. @return: why they can't be used, then names that
 * were loaded. */
static const char preload_source[] =
    "package " OWN ";\n"
    "sub state {\n"
    "    my $sig = join ' ', map { $_ . '=' . ($SIG{$_} // '') }\n"
    "        grep { !/^__WARN__$/ } sort keys %SIG;\n"
    "    my $global = join ' ', sort keys %CORE::GLOBAL::;\n"
    "    my $special = join ' ', map { $_ // 'undef' } $|, $,, $\\, $/, $;, "
    "$\",\n"
    "        $^W, $0, umask;\n"
    "    return ('%SIG' => $sig, '@INC' => \"@INC\", '%ENV' => join(' ', "
    "%ENV),\n"
    "        'CORE::GLOBAL' => $global, 'a special variable' => $special,\n"
    "        'the working directory' => join(' ', (stat '.')[0, 1]));\n"
    "}\n"
    "sub open_files {\n"
    "    opendir my $dir, '/proc/self/fd' or return 0;\n"
    "    return scalar(my @names = readdir $dir);\n"
    "}\n"
    "sub try {\n"
    "    my ($file) = @_;\n"
    "    my %before = state();\n"
    "    my $warned = '';\n"
    "    my $handler = sub { $warned .= $_[0] };\n"
    "    local $SIG{__WARN__} = $handler;\n"
    "    my $open = open_files();\n"
    "    eval { require $file; 1 } or return \"!$@\";\n"
    "    return 'keeps a file open' if $open < open_files();\n"
    "    my %after = state();\n"
    "    $after{'%SIG'} = '' if $SIG{__WARN__} != $handler;\n"
    "    for (sort keys %before) {\n"
    "        return \"changes $_\" if $before{$_} ne $after{$_};\n"
    "    }\n"
    "    return 'warns' if $warned ne '';\n"
    "    return 'loads FindBin' if $INC{'FindBin.pm'};\n"
    "    return '';\n"
    "}\n"
    "sub probe {\n"
    "    my ($file) = @_;\n"
    "    pipe my $in, my $out or return \"!$!\";\n"
    "    pipe my $said, my $say or return \"!$!\";\n"
    "    my $pid = fork // return \"!$!\";\n"
    "    if (!$pid) {\n"
    "        alarm 60;\n"
    "        open STDOUT, '>&', $say;\n"
    "        open STDERR, '>&', $say;\n"
    "        my $why = try($file);\n"
    "        close $_ for $say, *STDOUT, *STDERR;\n"
    "        syswrite $out, \"=$why\";\n"
    "        kill 'KILL', $$;\n"
    "    }\n"
    "    close $_ for $out, $say;\n"
    "    my ($text, $why) = map { local $/; scalar readline $_ } $said, $in;\n"
    "    waitpid $pid, 0;\n"
    "    $why =~ s/^=// or return '!it ends the process';\n"
    "    return $why || ($text ne '' ? 'prints' : '');\n"
    "}\n"
    "sub load {\n"
    "    my @loaded;\n"
    "    for my $name (@_) {\n"
    "        $name =~ /^\\w+(?:::\\w+)*\\z/ or return \"no module has the "
    "name $name\";\n"
    "        my $file = $name =~ s{::}{/}gr . '.pm';\n"
    "        my $why = probe($file);\n"
    "        return \"its modules can't be loaded: $name: $1\"\n"
    "            if $why =~ /^!(.*)/;\n"
    "        if ($why ne '') {\n"
    "            leave($name, $why);\n"
    "            next;\n"
    "        }\n"
    "        eval { require $file; 1 }\n"
    "            or return \"its modules can't be loaded: $name: $@\";\n"
    "        push @loaded, $name;\n"
    "    }\n"
    "    return '', @loaded;\n"
    "}\n";

/* The main program of the start. */
static const char boot_line[] = "BEGIN{" OWN "::enter()}\n";

/* These tell perl, or the libraries that it has loaded, what to do at their
 * start. */
static const char *const early[] = {
    "PERL",    "LC_",     "LANG",    "LD_",    "GLIBC_",      "MALLOC_",
    "LOCPATH", "OPENSSL", "NLSPATH", "TZDIR=", "GCONV_PATH=", NULL};

static const cgi_warm_host_t *host;
static const cgi_warm_script_t *script; /* NULL in the launcher */
static int boot_fd;
static const char *failure = "its modules end the process";
static int warns_with_w;       /* some loaded module does */
static HV *loaded;             /* key of %INC => file, while no script asked */
static PerlInterpreter *owner; /* of loaded */
static Perl_ppaddr_t real_require;
static SV *loaded_arenas; /* of values, as the launcher has them */
static thrhook_proc_t real_threadhook;

/* ---- start ---- */

/* Is libperl what the program is? It searches where that does: a perl that is
 * linked without libperl may have been given other directories. */
static int is_same(pTHX)
{
    const char *const ask[] = {
        host->program, "-e", "print " FACTS ", map { qq(\n\n$_) } @INC", NULL};
    char text[65536], *at, *end;
    AV *inc = get_av("INC", GV_ADD);
    SV *own;

    if (host->ask(ask, 1, text, sizeof(text)) <= 0) {
        failure = "that program does not answer";
        return 0;
    }
    at = strstr(text, "\n\n");
    own = eval_pv(FACTS, 0);
    if (!at || !SvPOK(own) || SvCUR(own) != (size_t)(at - text) ||
        memcmp(SvPV_nolen(own), text, SvCUR(own))) {
        failure = "that program is not the one of the installed "
                  "libperl " PERL_VERSION_STRING;
        return 0;
    }
    av_clear(inc);
    for (; at; at = end) {
        at += 2;
        end = strstr(at, "\n\n");
        av_push(inc, newSVpvn(at, end ? (size_t)(end - at) : strlen(at)));
    }
    return 1;
}

/* Perl 5.36 finds it by /proc/self/exe. */
static void set_executable(pTHX_ const char *program)
{
    char real[PATH_MAX];

    sv_setpv(get_sv("\030", GV_ADD), realpath(program, real) ? real : program);
}

/* Do loaded modules warn each script that has -w? */
static int ask_for_warnings(const char *const *names, int n)
{
    const char **argv = calloc((size_t)n + 5, sizeof(*argv));
    char text[16], *option;
    long said = 1;
    int i;

    if (!argv) {
        return 1;
    }
    argv[0] = host->program;
    argv[1] = "-w";
    for (i = 0; i < n; i++) {
        option = malloc(strlen(names[i]) + 3);
        if (!option) {
            return 1;
        }
        sprintf(option, "-m%s", names[i]);
        argv[i + 2] = option;
    }
    argv[n + 2] = "-e";
    argv[n + 3] = "1";
    said = host->ask(argv, 2, text, sizeof(text));
    for (i = 0; i < n; i++) {
        free((void *)(uintptr_t)argv[i + 2]);
    }
    free(argv);
    return said != 0;
}

/* @return 0: failure says why */
static int load(pTHX)
{
    const char *const *name;
    const char **names;
    int i, n, ok;
    dSP;

    eval_pv(preload_source, 1);
    ENTER;
    SAVETMPS;
    PUSHMARK(SP);
    for (name = host->modules; *name; name++) {
        mXPUSHp(*name, strlen(*name));
    }
    PUTBACK;
    n = (int)call_pv(OWN "::load", G_LIST | G_EVAL);
    SPAGAIN;
    ok = n > 0 && !SvTRUE(ERRSV) && !*SvPV_nolen(SP[1 - n]);
    if (!ok) {
        failure = strdup(SvPV_nolen(n > 0 ? SP[1 - n] : ERRSV));
    }
    else {
        names = calloc((size_t)n, sizeof(*names));
        for (i = 1; names && i < n; i++) {
            names[i - 1] = SvPV_nolen(SP[1 - n + i]);
        }
        warns_with_w = !names || (n > 1 && ask_for_warnings(names, n - 1));
        free(names);
    }
    SP -= n;
    PUTBACK;
    FREETMPS;
    LEAVE;
    return ok;
}

/* ---- require: the module that is loaded, or one that the script means ----
 */

static struct link_map *last_library; /* of the launcher's */

static struct link_map *find_last_library(void)
{
    struct link_map *map = NULL;

    if (dlinfo(dlopen(NULL, RTLD_LAZY), RTLD_DI_LINKMAP, &map)) {
        return NULL;
    }
    while (map->l_next) {
        map = map->l_next;
    }
    return map;
}

/* A library that the script has loaded may have put its subs into packages
 * whose own modules are still to come, as that of List::Util does. */
static int is_of_script(SV *symbol)
{
    CV *cv = isGV(symbol) ? GvCV((GV *)symbol) : NULL;
    struct link_map *map = last_library, *own = NULL;
    Dl_info info;

    if (!cv || !CvISXSUB(cv) || !map ||
        !dladdr1((const void *)(uintptr_t)CvXSUB(cv), &info, (void **)&own,
                 RTLD_DL_LINKMAP)) {
        return 0;
    }
    while (map && map != own) {
        map = map->l_next;
    }
    return map && map != last_library;
}

/* Symbol::delete_package(), and %INC; packages below it that have files of
 * their own stay. */
static void forget(pTHX_ const char *key)
{
    size_t stem = strlen(key);
    HV *stash, *inc = get_hv("INC", GV_ADD);
    SV *package = newSVpvs(""), *sv, *below;
    AV *names;
    HE *entry;
    char *name;
    STRLEN length;
    size_t i;

    (void)hv_delete(inc, key, (I32)stem, G_DISCARD);
    if (stem > 3 && !strcmp(key + stem - 3, ".pm")) {
        stem -= 3;
    }
    for (i = 0; i < stem; i++) {
        sv_catpvn(package, key[i] == '/' ? "::" : key + i,
                  key[i] == '/' ? 2 : 1);
    }
    stash = gv_stashsv(package, 0);
    SvREFCNT_dec(package);
    if (!stash) {
        return;
    }
    names = newAV();
    hv_iterinit(stash);
    while ((entry = hv_iternext(stash))) {
        av_push(names, SvREFCNT_inc(hv_iterkeysv(entry)));
    }
    while (av_top_index(names) >= 0) {
        sv = av_pop(names);
        name = SvPV(sv, length);
        if (length > 2 && !strcmp(name + length - 2, "::")) {
            below = newSVpvf("%.*s/%.*s.pm", (int)stem, key, (int)length - 2,
                             name);
            if (!hv_exists_ent(inc, below, 0)) {
                forget(aTHX_ SvPV_nolen(below));
            }
            SvREFCNT_dec(below);
        }
        else if ((entry = hv_fetch_ent(stash, sv, 0, 0)) &&
                 !is_of_script(HeVAL(entry))) {
            (void)hv_delete_ent(stash, sv, G_DISCARD, 0);
        }
        SvREFCNT_dec(sv);
    }
    SvREFCNT_dec(names);
    mro_method_changed_in(stash);
}

/* Ask a hook in @INC as pp_require() does. One that has the module is asked
 * again, by that. */
static int is_found_by(pTHX_ SV *hook, const char *key)
{
    SV *loader = hook;
    int n, i, found = 0;
    dSP;

    if (SvTYPE(SvRV(hook)) == SVt_PVAV && !sv_isobject(hook)) {
        loader = *av_fetch((AV *)SvRV(hook), 0, 1);
    }
    ENTER;
    SAVETMPS;
    PUSHMARK(SP);
    XPUSHs(hook);
    mXPUSHs(newSVpv(key, 0));
    PUTBACK;
    n = (int)(sv_isobject(loader) ? call_method("INC", G_LIST)
                                  : call_sv(loader, G_LIST));
    SPAGAIN;
    for (i = 0; i < n; i++) {
        found |= SvROK(SP[-i]) || isGV_with_GP(SP[-i]);
    }
    SP -= n;
    PUTBACK;
    FREETMPS;
    LEAVE;
    return found;
}

/* Would a search find the file that is loaded? It may have another name now,
 * of which %INC tells. */
static int is_found(pTHX_ const char *key, const char *file)
{
    AV *inc = get_av("INC", GV_ADD);
    char path[PATH_MAX];
    struct stat st, own;
    const char *name;
    STRLEN length;
    SSize_t i;
    SV **dir;

    for (i = 0; i <= av_top_index(inc); i++) {
        dir = av_fetch(inc, i, 0);
        if (!dir) {
            continue;
        }
        if (SvROK(*dir)) {
            if (is_found_by(aTHX_ * dir, key)) {
                return 0;
            }
            continue;
        }
        name = SvPV(*dir, length);
        snprintf(path, sizeof(path), "%s%s%s", name,
                 length && name[length - 1] == '/' ? "" : "/", key);
        if (!strcmp(path, file)) {
            return 1;
        }
        if (!stat(path, &st) && S_ISREG(st.st_mode)) {
            if (stat(file, &own) || own.st_dev != st.st_dev ||
                own.st_ino != st.st_ino) {
                return 0;
            }
            (void)hv_store(get_hv("INC", GV_ADD), key, (I32)strlen(key),
                           newSVpv(path, 0), 0);
            return 1;
        }
    }
    return 1; /* as @INC once was */
}

static OP *require_own(pTHX)
{
    dSP;
    SV *name = TOPs, *file;
    dSAVE_ERRNO;

    /* A thread has a copy of all modules, and no part in this. */
    if (PERL_GET_THX == owner && SvPOK(name) && !SvVSTRING_mg(name) &&
        (file = hv_delete(loaded, SvPV_nolen(name), (I32)SvCUR(name), 0)) &&
        !is_found(aTHX_ SvPV_nolen(name), SvPV_nolen(file))) {
        forget(aTHX_ SvPV_nolen(name));
    }
    RESTORE_ERRNO;
    return real_require(aTHX);
}

static void note_loaded(pTHX)
{
    HV *inc = get_hv("INC", GV_ADD);
    HE *entry;

    loaded = newHV();
    hv_iterinit(inc);
    while ((entry = hv_iternext(inc))) {
        SV *file = hv_iterval(inc, entry);

        (void)hv_store_ent(loaded, hv_iterkeysv(entry), newSVsv(file), 0);
        if (SvPOK(file)) {
            host->loaded(SvPV_nolen(file));
        }
    }
    owner = PERL_GET_THX;
    last_library = find_last_library();
    real_require = PL_ppaddr[OP_REQUIRE];
    PL_ppaddr[OP_REQUIRE] = require_own;
}

/* ---- the end: what is loaded is not looked through by perl_destruct() ----
 */

/* Has a class a destructor that does anything? Perl's own class of patterns
 * has one that does not. */
static int has_destructor(pTHX_ HV *stash)
{
    GV *gv = gv_fetchmeth_pvn(stash, "DESTROY", 7, -1, 0);
    CV *cv = gv ? GvCV(gv) : NULL;

    if (!cv) {
        return gv_fetchmeth_pvn(stash, "AUTOLOAD", 8, -1, 0) != NULL;
    }
    return CvISXSUB(cv)
               ? stash != gv_stashpvs("Regexp", 0)
               : !CvSTART(cv) || CvSTART(cv)->op_next->op_type != OP_LEAVESUB;
}

/* Would the end of this object be noticed? */
static int is_noticed(pTHX_ SV *object)
{
    if (!SvOBJECT(object) || !SvREFCNT(object)) {
        return 0;
    }
    if (SvTYPE(object) == SVt_PVIO) {
        PerlIO *f = IoIFP(object);

        return IoDIRP(object) || IoTYPE(object) == IoTYPE_PIPE ||
               ((f || IoOFP(object)) && f != PerlIO_stdin() &&
                f != PerlIO_stdout() && f != PerlIO_stderr());
    }
    return has_destructor(aTHX_ SvSTASH(object));
}

/* Is there anything that sv_clean_objs() would look for, and that it finds in
 * what is loaded only? Objects there, references from there to the script's
 * objects, and handles that the script has opened, which may be those of
 * symbols there. What is free has no such flags. */
static int is_any_to_clean(pTHX)
{
    U32 flags = SVs_OBJECT;
    SV *arena, *sv;

    for (arena = PL_sv_arenaroot; arena && arena != loaded_arenas;
         arena = (SV *)SvANY(arena)) {
        for (sv = arena + 1; sv < arena + SvREFCNT(arena); sv++) {
            if (is_noticed(aTHX_ sv)) {
                if (SvTYPE(sv) == SVt_PVIO) {
                    return 1;
                }
                flags |= SVf_ROK;
            }
        }
    }
    for (; arena; arena = (SV *)SvANY(arena)) {
        for (sv = arena + 1; sv < arena + SvREFCNT(arena); sv++) {
            if (SvFLAGS(sv) & flags && SvREFCNT(sv) &&
                (is_noticed(aTHX_ sv) ||
                 (SvROK(sv) && is_noticed(aTHX_ SvRV(sv))))) {
                return 1;
            }
        }
    }
    return 0;
}

/* perl_destruct() asks this after the END blocks. It would go through all
 * values four times, and write to each symbol. */
static int spare_loaded(pTHX)
{
    SV *arena, *last = NULL;
    int veto = real_threadhook(aTHX);

    /* Above level 0, as with threads, it frees each value. */
    if (veto || PL_perl_destruct_level > 0 || is_any_to_clean(aTHX)) {
        return veto;
    }
    for (arena = PL_sv_arenaroot; arena && arena != loaded_arenas;
         arena = (SV *)SvANY(arena)) {
        last = arena;
    }
    if (last) {
        SvANY(last) = NULL;
    }
    else {
        PL_sv_arenaroot = NULL;
    }
    return 0;
}

/* ---- names that are used once ----
 *
 * gv_check() looks for them at each name of each package. It passes by those
 * packages that it is looking at, and what is below them: so are those that
 * are loaded, unless the script has made names there.
 */

/* A loaded package. */
typedef struct {
    HV *stash;
    SV *name;   /* in its parent, which may be deleted */
    int parent; /* the one that it stands in; -1: main:: */
    STRLEN names;
} package_t;

static package_t *packages;
static int npackages;
static peep_t real_peep;

static U32 *flags_of(HV *stash)
{
    return &HvAUX(stash)->xhv_aux_flags;
}

/* @return the package of a symbol, or NULL */
static HV *stash_of(SV *symbol)
{
    return isGV(symbol) ? GvHV((GV *)symbol) : NULL;
}

static void pass_by(pTHX_ HV *in, int parent)
{
    const char *name;
    HE *entry;
    HV *stash;
    I32 length;

    hv_iterinit(in);
    while ((entry = hv_iternext(in))) {
        name = hv_iterkey(entry, &length);
        stash = length > 2 && !memcmp(name + length - 2, "::", 2)
                    ? stash_of(HeVAL(entry))
                    : NULL;
        if (!stash || stash == PL_defstash || !HvHasAUX(stash) ||
            *flags_of(stash) & HvAUXf_SCAN_STASH) {
            continue;
        }
        Renew(packages, (size_t)npackages + 1, package_t);
        packages[npackages].stash = stash;
        packages[npackages].name = newSVhek(HeKEY_hek(entry));
        packages[npackages].parent = parent;
        packages[npackages].names = HvTOTALKEYS(stash);
        *flags_of(stash) |= HvAUXf_SCAN_STASH;
        npackages++;
        pass_by(aTHX_ stash, npackages - 1);
    }
}

/* Those in which there are other names now are looked at. The script may have
 * deleted packages: they are found by their names. */
static void look_at_changed(pTHX)
{
    const package_t *p;
    HE *entry;
    char *there;
    int i, k;

    Newxz(there, (size_t)npackages + 1, char);
    for (i = 0; i < npackages; i++) {
        p = &packages[i];
        if (p->parent >= 0 && !there[p->parent]) {
            continue;
        }
        entry = hv_fetch_ent(p->parent < 0 ? PL_defstash
                                           : packages[p->parent].stash,
                             p->name, 0, 0);
        there[i] = entry && stash_of(HeVAL(entry)) == p->stash;
        if (!there[i] || HvTOTALKEYS(p->stash) == p->names) {
            continue;
        }
        for (k = i; k >= 0; k = packages[k].parent) {
            *flags_of(packages[k].stash) &= ~(U32)HvAUXf_SCAN_STASH;
        }
    }
    Safefree(there);
}

/* Before gv_check(): the main program is compiled. */
static void peep(pTHX_ OP *o)
{
    if (PL_main_root) {
        PL_peepp = real_peep;
        if (PL_dowarn & (G_WARN_ON | G_WARN_ONCE)) {
            look_at_changed(aTHX);
        }
    }
    real_peep(aTHX_ o);
}

/* ---- may it? ---- */

static const char *check(const cgi_warm_script_t *s)
{
    const char *path = s->argv[s->script_at];
    struct stat st;
    int i;

    for (i = 1; i < s->script_at; i++) {
        if (strcmp(s->argv[i], "-w")) {
            return "it gives Perl another option than -w";
        }
        if (warns_with_w) {
            return "it has -w, and a loaded module warns then";
        }
    }
    if (cgi_warm_has_variable(s, early)) {
        return "its environment has a variable that counts at the start of "
               "Perl";
    }
    return stat(path, &st) || !S_ISREG(st.st_mode) || access(path, R_OK)
               ? "it can't be read"
               : NULL;
}

/* ---- become the script ---- */

/* PerlIOBuf_pushed(): what a new handle finds out about its descriptor. */
static void renew_handle(pTHX_ PerlIO *f)
{
    PerlIOBuf *buffer = PerlIOSelf(f, PerlIOBuf);
    int is_tty = isatty(PerlIO_fileno(f));
    Off_t at = PerlIO_tell(PerlIONext(f));

    PerlIOBase(f)->flags &=
        ~(U32)(PERLIO_F_LINEBUF | PERLIO_F_EOF | PERLIO_F_ERROR);
    if (is_tty) {
        PerlIOBase(f)->flags |= PERLIO_F_LINEBUF;
    }
    buffer->posn = at < 0 ? 0 : at;
}

/* Its magic would take variables out of the environment. */
static void clear_environment(pTHX)
{
    static char *none[] = {NULL};
    char **own = environ;

    if (HvTOTALKEYS(GvHVn(PL_envgv))) {
        PL_origenviron = environ = none;
        hv_clear(GvHVn(PL_envgv));
    }
    PL_origenviron = environ = own;
}

/* init_postdump_symbols() */
static void set_environment(pTHX)
{
    char **at;
    HV *hv = GvHVn(PL_envgv);
    const char *equals;

    clear_environment(aTHX);
    for (at = environ; *at; at++) {
        if ((equals = strchr(*at, '=')) && equals != *at) {
            I32 len = (I32)(equals - *at);

            if (!hv_exists(hv, *at, len)) {
                (void)hv_store(hv, *at, len, newSVpv(equals + 1, 0), 0);
            }
        }
    }
}

/* Since 5.38 perl leaves it to the C library, which copies no string. */
static void copy_environment(pTHX)
{
#ifdef PERL_USE_SAFE_PUTENV
    char **copy;
    size_t n = 0, i;

    while (environ[n]) {
        n++;
    }
    Newx(copy, n + 1, char *);
    for (i = 0; i < n; i++) {
        copy[i] = savepv(environ[i]);
    }
    copy[n] = NULL;
    environ = copy;
#else
    Perl_my_setenv(aTHX_ "NoNe  SuCh", NULL);
#endif
}

/* The area that an assignment to $0 writes to: arguments and environment, of
 * which there must be a copy then. */
static void set_area(pTHX)
{
    const char *const *last = script->env;
    const char *end;

    PL_origargc = script->argc;
    PL_origargv = (char **)(uintptr_t)script->argv;
    while (*last && last[1]) {
        last++;
    }
    end = *last ? *last : script->argv[script->argc - 1];
    PL_origalen = (U32)(end + strlen(end) - script->argv[0]);
    copy_environment(aTHX);
}

static void set_arguments(pTHX)
{
    AV *av = get_av("ARGV", GV_ADD);
    int i;

    av_clear(av);
    for (i = script->script_at + 1; i < script->argc; i++) {
        av_push(av, newSVpv(script->argv[i], 0));
    }
    sv_setpv(get_sv("0", GV_ADD), script->argv[script->script_at]);
}

/* What each process draws for itself. */
static void renew_chance(pTHX)
{
    UV bits = 0;

    PL_srand_called = FALSE;
#ifdef PL_HASH_RAND_BITS_ENABLED
    if (PL_HASH_RAND_BITS_ENABLED == 1 &&
        getrandom(&bits, sizeof(bits), 0) == sizeof(bits)) {
        PL_hash_rand_bits = bits;
    }
#else
    PERL_UNUSED_VAR(bits);
#endif
}

/* The next line that the compiler asks for is the script's first. Its name and
 * number can't be set earlier: they are put back at the end of BEGIN. */
static I32 first_line(pTHX_ int index, SV *line, int max)
{
    const char *path = script->argv[script->script_at];
    AV *filters = PL_parser->rsfp_filters;

    PERL_UNUSED_ARG(index);
    PERL_UNUSED_ARG(max);
    PL_parser->rsfp_filters = NULL;
    SvREFCNT_dec(filters);
    (void)hv_delete(PL_defstash, OWN "::", sizeof(OWN "::") - 1, G_DISCARD);
    (void)hv_delete(PL_defstash, "BEGIN", 5, G_DISCARD);
    CopFILE_free(&PL_compiling);
    CopFILE_set(&PL_compiling, path);
    CopLINE_set(&PL_compiling, 1);
    SETERRNO(0, SS_NORMAL);
    return sv_gets(line, PL_parser->rsfp, 0) ? (I32)SvCUR(line) : 0;
}

static void become(pTHX)
{
    const char *path = script->argv[script->script_at];
    int i;

    environ = (char **)(uintptr_t)script->env;
    tzset();
    set_environment(aTHX);
    set_area(aTHX);
    set_arguments(aTHX);
    if (strcmp(script->program, host->program)) {
        set_executable(aTHX_ script->program);
    }
    renew_handle(aTHX_ PerlIO_stdin());
    renew_handle(aTHX_ PerlIO_stdout());
    renew_handle(aTHX_ PerlIO_stderr());
    renew_chance(aTHX);
    /* Modules have "use warnings": it is for the script to say whether perl
     * looks for names that are used once, which takes long. */
    PL_dowarn = G_WARN_OFF;
    for (i = 1; i < script->script_at; i++) {
        PL_dowarn |= G_WARN_ON; /* -w */
    }
    Safefree(PL_origfilename);
    PL_origfilename = savepv(path);
    time(&PL_basetime);
    PL_statusvalue = 0;
    PL_laststatval = -1;
    PL_evalseq = 0;
    PL_last_in_gv = NULL;
    PL_parser->rsfp = PerlIO_open(path, "r");
    if (!PL_parser->rsfp) {
        Perl_croak(aTHX_ "Can't open perl script \"%s\": %s\n", path,
                   strerror(errno));
    }
    (void)fcntl(PerlIO_fileno(PL_parser->rsfp), F_SETFD, FD_CLOEXEC);
    filter_add(first_line, NULL);
    real_peep = PL_peepp;
    PL_peepp = peep;
}

/* What each script's process would free: each piece is a page to copy. */
static void free_early(pTHX)
{
    static const char *const done[] = {"state", "open_files", "try", "probe",
                                       "load",  "leave",      NULL};
    HV *own = gv_stashpv(OWN, 0);
    int i;

    for (i = 0; own && done[i]; i++) {
        (void)hv_delete(own, done[i], (I32)strlen(done[i]), G_DISCARD);
    }
    clear_environment(aTHX);
}

/* All that comes before the first script. @return 0: failure says why */
static int prepare(pTHX)
{
    int ok;

    ENTER;
    SAVETMPS;
    ok = is_same(aTHX) && load(aTHX);
    if (ok) {
        PerlIO_flush(NULL);
        note_loaded(aTHX);
        free_early(aTHX);
        if (!warns_with_w) {
            pass_by(aTHX_ PL_defstash, -1);
        }
    }
    FREETMPS;
    LEAVE;
    tzset(); /* a script's call finds the same file, and reads none */
    PL_sv_root = NULL; /* a script's values stand together */
    loaded_arenas = PL_sv_arenaroot;
    return ok;
}

/* The BEGIN block: in the launcher, and once in each script's process. */
static XS(enter_begin)
{
    dXSARGS;

    PERL_UNUSED_VAR(cv);
    PERL_UNUSED_VAR(items);
    PerlIO_close(PL_parser->rsfp);
    PL_parser->rsfp = NULL;
    close(boot_fd);
    sv_setpv(get_sv("0", GV_ADD), "-e"); /* as modules find it with perl -M */
    set_executable(aTHX_ host->program);
    if (prepare(aTHX)) {
        failure = "its modules can't be shared";
        script = host->serve();
    }
    if (script) {
        become(aTHX);
        XSRETURN_EMPTY;
    }
    my_exit(1);
}

/* Called by load(). */
static XS(leave_module)
{
    dXSARGS;

    PERL_UNUSED_VAR(cv);
    if (items == 2) {
        fprintf(stderr,
                "cgi-warm: %s is left to the scripts that load it: it %s\n",
                SvPV_nolen(ST(0)), SvPV_nolen(ST(1)));
    }
    XSRETURN_EMPTY;
}

EXTERN_C void boot_DynaLoader(pTHX_ CV *cv);

static void xs_init(pTHX)
{
    newXS("DynaLoader::boot_DynaLoader", boot_DynaLoader, __FILE__);
    newXS(OWN "::enter", enter_begin, __FILE__);
    newXS(OWN "::leave", leave_module, __FILE__);
}

/* ---- the interpreter, from start to end, as perl's main() has it ---- */

/* @return a path that leads to the text, or NULL */
static const char *boot_file(void)
{
    static char path[64];

    boot_fd = memfd_create("cgi-warm-perl", MFD_CLOEXEC);
    if (boot_fd < 0 || write(boot_fd, boot_line, sizeof(boot_line) - 1) < 0) {
        return NULL;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", boot_fd);
    return path;
}

static int finish(PerlInterpreter *my_perl)
{
    int i, status;

    for (i = 1; PL_sig_name[i]; i++) {
        if (rsignal_state(PL_sig_num[i]) == (Sighandler_t)PL_csighandlerp) {
            rsignal(PL_sig_num[i], (Sighandler_t)SIG_DFL);
        }
    }
    real_threadhook = PL_threadhook;
    PL_threadhook = spare_loaded;
    status = perl_destruct(my_perl);
    perl_free(my_perl);
    PERL_SYS_TERM();
    return status;
}

static const char *enter(const cgi_warm_host_t *given)
{
    const char *file = boot_file();
    char *words[3] = {NULL, NULL, NULL}, **argv = words;
    PerlInterpreter *my_perl;
    pid_t launcher = getpid();
    int argc = 2;

    host = given;
    words[0] = strdup(host->program);
    words[1] = file ? strdup(file) : NULL;
    if (!words[0] || !words[1]) {
        return "there is no memory";
    }
#ifndef PERL_USE_SAFE_PUTENV /* before 5.38, which always does without */
    PL_use_safe_putenv = FALSE;
#endif
    PERL_SYS_INIT3(&argc, &argv, &environ);
    PTHREAD_ATFORK(Perl_atfork_lock, Perl_atfork_unlock, Perl_atfork_unlock);
    PERL_SYS_FPU_INIT;
    my_perl = perl_alloc();
    if (!my_perl) {
        return "there is no memory";
    }
    perl_construct(my_perl);
    PL_perl_destruct_level = 0;
    PL_exit_flags |= PERL_EXIT_DESTRUCT_END;
    if (!perl_parse(my_perl, xs_init, argc, argv, NULL)) {
        perl_run(my_perl);
    }
    if (script) {
        exit(finish(my_perl));
    }
    if (getpid() != launcher) {
        _exit(1); /* a module has called exit() where it was tried */
    }
    return failure;
}

const cgi_warm_plugin_t cgi_warm_plugin = {CGI_WARM_VERSION, enter, check};
