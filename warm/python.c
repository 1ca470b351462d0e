/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The plug-in for Python: libpython with modules loaded, and the steps by
 * which a copy of it becomes what "python3 script" would be. CPython's own
 * are in Modules/main.c, Python/pylifecycle.c and Python/pythonrun.c.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "warm/plugin.h"

#if PY_VERSION_HEX < 0x030a0000
static PyObject *new_reference(PyObject *object)
{
    Py_XINCREF(object);
    return object;
}
#define Py_NewRef new_reference
#define Py_XNewRef new_reference
#endif

/* What must be the same in the program that scripts name. */
#define FACTS                                                                 \
    "import sys; print(ascii((sys.version, sys.prefix, sys.exec_prefix, "     \
    "sys.base_prefix, sys.path[%d:], sys.flags, sys.stdin.encoding, "         \
    "sys.stdin.errors, sys.getfilesystemencoding())))"

/* Run once, in a namespace of its own. A module that changes what all scripts
 * have is left to those that load it: a process that is thrown away tries it
 * first. A module that warns when it is loaded must warn each script: it is
 * forgotten, what it has loaded is not. What a script's own directory may not
 * hold: names that it would take the place of. */
static const char preload_source[] =
    "import sys\n"
    "def state():\n"
    "    import _locale, _signal, builtins, os, posix\n"
    "    mask = posix.umask(0)\n"
    "    posix.umask(mask)\n"
    "    return {'sys.stdin': sys.stdin, 'sys.stdout': sys.stdout,\n"
    "            'sys.stderr': sys.stderr, 'sys.path': list(sys.path),\n"
    "            'sys.excepthook': sys.excepthook,\n"
    "            'sys.displayhook': sys.displayhook,\n"
    "            'os.environ': dict(os.environ),\n"
    "            '__import__': builtins.__import__,\n"
    "            'the handler of a signal': [_signal.getsignal(n) for n in\n"
    "                sorted(_signal.valid_signals())],\n"
    "            'the locale': _locale.setlocale(_locale.LC_ALL),\n"
    "            'the working directory': posix.getcwd(),\n"
    "            'the umask': mask}\n"
    "def what_changes(name):\n"
    "    import _signal, importlib, posix\n"
    "    tell, told = posix.pipe()\n"
    "    pid = posix.fork()\n"
    "    if not pid:\n"
    "        try:\n"
    "            _signal.alarm(60)\n"
    "            null = posix.open('/dev/null', posix.O_WRONLY)\n"
    "            posix.dup2(null, 1)\n"
    "            posix.dup2(null, 2)\n"
    "            before = state()\n"
    "            importlib.import_module(name)\n"
    "            after = state()\n"
    "            posix.write(told, next((k for k in before\n"
    "                if before[k] != after[k]), '').encode())\n"
    "        finally:\n"
    "            posix.kill(posix.getpid(), _signal.SIGKILL)\n"
    "    posix.close(told)\n"
    "    what = posix.read(tell, 100).decode()\n"
    "    posix.close(tell)\n"
    "    posix.waitpid(pid, 0)\n"
    "    if what:\n"
    "        posix.write(2, f'cgi-warm: {name} is left to the scripts that '\n"
    "            f'load it: it changes {what}\\n'.encode())\n"
    "    return what\n"
    "def preload(names):\n"
    "    always = {n.partition('.')[0] for n in sys.modules}\n"
    "    import _imp, gc, importlib, warnings\n"
    "    noisy = set()\n"
    "    def note(*a, **k):\n"
    "        f = sys._getframe(1)\n"
    "        while f and f.f_code.co_name != '<module>':\n"
    "            f = f.f_back\n"
    "        if f:\n"
    "            noisy.add(f.f_globals.get('__name__'))\n"
    "    with warnings.catch_warnings():\n"
    "        warnings.simplefilter('always')\n"
    "        warnings.showwarning = note\n"
    "        for n in names:\n"
    "            if not what_changes(n):\n"
    "                importlib.import_module(n)\n"
    "    for n in noisy & sys.modules.keys():\n"
    "        m = sys.modules[n]\n"
    "        if not any(m is v for o in list(sys.modules.values())\n"
    "                   if o is not m and o.__name__ != n.rpartition('.')[0]\n"
    "                   for v in list(getattr(o, '__dict__', {}).values())):\n"
    "            del sys.modules[n]\n"
    "            parent, _, child = n.rpartition('.')\n"
    "            if parent in sys.modules:\n"
    "                vars(sys.modules[parent]).pop(child, None)\n"
    "    for s in sys.stdout, sys.stderr:\n"
    "        s.flush()\n"
    "    from _frozen_importlib_external import SOURCE_SUFFIXES, \\\n"
    "        BYTECODE_SUFFIXES\n"
    "    return _imp.extension_suffixes() + SOURCE_SUFFIXES + \\\n"
    "        BYTECODE_SUFFIXES, {t for t in {n.partition('.')[0] for n in "
    "sys.modules} - "
    "always\n"
    "            if t not in sys.builtin_module_names\n"
    "            and not _imp.is_frozen(t)}\n";

/* These tell an interpreter, or the libraries that it has loaded, what to do
 * at their start. */
static const char *const early[] = {"PYTHON",
                                    "LC_",
                                    "LANG",
                                    "LD_",
                                    "GLIBC_",
                                    "MALLOC_",
                                    "HOME=",
                                    "OPENSSL_",
                                    "LOCPATH=",
                                    "NLSPATH=",
                                    "GCONV_PATH=",
                                    "TZDIR=",
                                    "SSLKEYLOGFILE=",
                                    "OMP_",
                                    "OPENBLAS_",
                                    "__PYVENV_LAUNCHER__=",
                                    NULL};

/* What the module time asks of the C library when it is loaded. */
typedef struct {
    char name[2][16];
    long offset[2];
} zone_t;

static const char *const streams[3] = {"stdin", "stdout", "stderr"};

/* Python keeps pools for these sizes; another allocator may be chosen, and
 * has enough after so many bytes. */
#define POOLED_STEP 16
#define POOLED_MAX 512
#define POOLS_MAX (4 * 1024 * 1024)

static char facts[16384];  /* of the interpreter that scripts name */
static char coerced[64];   /* LC_CTYPE, if the start has set it (PEP 538) */
static PyObject *guarded;  /* set of names: see preload_source */
static PyObject *suffixes; /* list: those of files that are modules */
static PyObject *loaded;   /* copy of sys.modules before any script */
static PyObject *io, *atexit_module, *gc, *zipimporter, *source_loader;
static PyObject *time_module, *main_thread;
static PyObject *own_process;     /* multiprocessing's, or NULL */
static PyObject *environments[2]; /* posix.environ, os.environ's own */
static PyObject *buffers[3];      /* below sys.stdin, stdout and stderr */
static int is_prepared[3];        /* 1: those are right for what is usual */
static int is_script;
static zone_t zone; /* that the module time has */

/* os.register_at_fork(), and what loaded modules have called it with; those
 * that are to be called for the script's process, in their order. Lists. */
static PyObject *register_at_fork, *fork_hooks, *before_hooks, *child_hooks;
static int is_loading;

/* ---- start ---- */

/* @return 0: the program did not answer */
static int ask_program(const cgi_warm_host_t *host)
{
    char code[sizeof(FACTS) + 8];
    const char *const argv[] = {host->program, "-c", code, NULL};

    snprintf(code, sizeof(code), FACTS, 1); /* the first is -c's */
    return host->ask(argv, 1, facts, sizeof(facts)) > 0;
}

static const char *start_python(const char *program)
{
    PyPreConfig preconfig;
    PyConfig config;
    PyStatus status;

    PyPreConfig_InitPythonConfig(&preconfig);
    preconfig.parse_argv = 0;
    status = Py_PreInitialize(&preconfig);
    if (PyStatus_Exception(status)) {
        return status.err_msg;
    }
    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    status = PyConfig_SetBytesString(&config, &config.program_name, program);
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    return PyStatus_Exception(status) ? status.err_msg : NULL;
}

/* Is libpython, started like this, what the program is? */
static int is_same(void)
{
    static const char same[] =
        "import sys\n"
        "def same(told):\n"
        "    return told == ascii((sys.version, sys.prefix, "
        "sys.exec_prefix, sys.base_prefix, sys.path, sys.flags, "
        "sys.stdin.encoding, sys.stdin.errors, "
        "sys.getfilesystemencoding())) + '\\n'\n";
    PyObject *names = PyDict_New(), *result = NULL;
    int yes;

    PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins());
    Py_XDECREF(PyRun_String(same, Py_file_input, names, names));
    if (PyDict_GetItemString(names, "same")) {
        result = PyObject_CallFunction(PyDict_GetItemString(names, "same"),
                                       "s", facts);
    }
    yes = result == Py_True;
    Py_XDECREF(result);
    Py_DECREF(names);
    PyErr_Clear();
    return yes;
}

/* What went wrong in Python, in one line. */
static const char *what_failed(void)
{
    static char text[512];
    PyObject *type, *value, *traceback, *string;
    const char *name;

    PyErr_Fetch(&type, &value, &traceback);
    string = value ? PyObject_Str(value) : NULL;
    name = type && PyType_Check(type) ? ((PyTypeObject *)type)->tp_name : "";
    snprintf(text, sizeof(text), "its modules can't be loaded: %s: %s", name,
             string && PyUnicode_AsUTF8(string) ? PyUnicode_AsUTF8(string)
                                                : "");
    text[strcspn(text, "\n")] = '\0';
    return text;
}

/* In the script's process nothing may fail but for want of memory. */
static void must(int ok)
{
    if (!ok) {
        PyErr_Print();
        _exit(1);
    }
}

/* @return a new reference to what a module has under that name, or NULL */
static PyObject *attribute(const char *module, const char *name)
{
    PyObject *object = PyImport_ImportModule(module);
    PyObject *value = object ? PyObject_GetAttrString(object, name) : NULL;

    Py_XDECREF(object);
    return value;
}

/* ---- hooks at fork ---- */

/* What os.register_at_fork() takes. */
static int are_hooks(PyObject *keywords)
{
    static const char *const names[] = {"before", "after_in_child",
                                        "after_in_parent"};
    PyObject *name, *hook;
    Py_ssize_t at = 0;
    size_t i;

    while (PyDict_Next(keywords, &at, &name, &hook)) {
        for (i = 0; i < 3; i++) {
            if (!PyUnicode_CompareWithASCIIString(name, names[i])) {
                break;
            }
        }
        if (i == 3 || !PyCallable_Check(hook)) {
            return 0;
        }
    }
    return at > 0;
}

/* os.register_at_fork() while modules are loaded. */
static PyObject *hold(PyObject *self, PyObject *args, PyObject *keywords)
{
    (void)self;
    if (!is_loading || PyTuple_GET_SIZE(args) || !keywords ||
        !are_hooks(keywords)) {
        return PyObject_Call(register_at_fork, args, keywords);
    }
    return PyList_Append(fork_hooks, keywords) ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef held = {"register_at_fork",
                           (PyCFunction)(void (*)(void))hold,
                           METH_VARARGS | METH_KEYWORDS, NULL};

/* @return -1: what went wrong is Python's error */
static int set_register_at_fork(PyObject *function)
{
    static const char *const names[] = {"posix", "os"};
    PyObject *module;
    int i, failed = !function;

    for (i = 0; i < 2 && !failed; i++) {
        module = PyImport_ImportModule(names[i]);
        failed =
            !module || PyObject_SetAttrString(module, held.ml_name, function);
        Py_XDECREF(module);
    }
    return failed ? -1 : 0;
}

static int begin_holding(void)
{
    fork_hooks = PyList_New(0);
    before_hooks = PyList_New(0);
    child_hooks = PyList_New(0);
    register_at_fork = attribute("posix", held.ml_name);
    is_loading = 1;
    return !fork_hooks || !before_hooks || !child_hooks || !register_at_fork
               ? -1
               : set_register_at_fork(PyCFunction_New(&held, NULL));
}

/* Is it what a loaded module has under that name? */
static int is_attribute(const char *module, const char *name,
                        const PyObject *object)
{
    PyObject *from = PyDict_GetItemString(loaded, module);
    PyObject *value = from ? PyObject_GetAttrString(from, name) : NULL;
    int yes = value && value == object;

    Py_XDECREF(value);
    PyErr_Clear();
    return yes;
}

/* These two make locks anew, which no other thread can hold here, and know
 * the only thread again. They would write to many an object for nothing. */
static int is_void(const PyObject *hook)
{
    return is_attribute("threading", "_after_fork", hook) ||
           is_attribute("logging", "_after_at_fork_child_reinit_locks", hook);
}

/* @return -1: what went wrong is Python's error */
static int end_holding(void)
{
    PyObject *keywords, *hook;
    Py_ssize_t i;

    is_loading = 0;
    for (i = 0; i < PyList_GET_SIZE(fork_hooks); i++) {
        keywords = PyList_GET_ITEM(fork_hooks, i);
        hook = PyDict_GetItemString(keywords, "after_in_child");
        if (hook && is_void(hook)) {
            continue;
        }
        if (hook && PyList_Append(child_hooks, hook)) {
            return -1;
        }
        hook = PyDict_GetItemString(keywords, "before");
        if (hook && PyList_Insert(before_hooks, 0, hook)) {
            return -1;
        }
    }
    return set_register_at_fork(register_at_fork);
}

static void call_all(PyObject *list)
{
    PyObject *hook, *result;
    Py_ssize_t i;

    for (i = 0; i < PyList_GET_SIZE(list); i++) {
        hook = PyList_GET_ITEM(list, i);
        result = PyObject_CallObject(hook, NULL);
        if (!result) {
            PyErr_WriteUnraisable(hook);
        }
        Py_XDECREF(result);
    }
}

static void before_fork(void)
{
    call_all(before_hooks);
    PyOS_BeforeFork();
}

static void after_fork(void)
{
    PyOS_AfterFork_Child();
    call_all(child_hooks);
}

/* A script's os.fork() calls these itself. */
static void in_child(void)
{
    if (!is_script) {
        is_script = 1;
        after_fork();
    }
}

/* For the script's own os.fork(). */
static void register_hooks(void)
{
    PyObject *none = PyTuple_New(0), *result;
    Py_ssize_t i;

    must(none != NULL);
    for (i = 0; i < PyList_GET_SIZE(fork_hooks); i++) {
        result = PyObject_Call(register_at_fork, none,
                               PyList_GET_ITEM(fork_hooks, i));
        must(result != NULL);
        Py_DECREF(result);
    }
    Py_DECREF(none);
}

/* ---- the modules ---- */

static const char *load(const char *const *modules)
{
    PyObject *names = PyDict_New(), *list = PyList_New(0), *name;
    PyObject *found = NULL, *mapping, *threading, *process;

    for (; *modules; modules++) {
        name = PyUnicode_DecodeFSDefault(*modules);
        if (!name || PyList_Append(list, name)) {
            return what_failed();
        }
        Py_DECREF(name);
    }
    if (begin_holding()) {
        return what_failed();
    }
    PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins());
    Py_XDECREF(PyRun_String(preload_source, Py_file_input, names, names));
    if (!PyErr_Occurred()) {
        found = PyObject_CallFunction(PyDict_GetItemString(names, "preload"),
                                      "O", list);
    }
    Py_DECREF(list);
    Py_DECREF(names);
    if (!found) {
        return what_failed();
    }
    suffixes = Py_NewRef(PyTuple_GET_ITEM(found, 0));
    guarded = Py_NewRef(PyTuple_GET_ITEM(found, 1));
    Py_DECREF(found);
    io = PyImport_ImportModule("io");
    atexit_module = PyImport_ImportModule("atexit");
    loaded = PyDict_Copy(PyImport_GetModuleDict());
    if (!loaded || PyDict_DelItemString(loaded, "__main__") || end_holding()) {
        return what_failed();
    }
    gc = PyImport_ImportModule("gc");
    zipimporter = attribute("zipimport", "zipimporter");
    source_loader =
        attribute("importlib._bootstrap_external", "SourceFileLoader");
    environments[0] = attribute("posix", "environ");
    mapping = attribute("os", "environ");
    environments[1] =
        mapping ? PyObject_GetAttrString(mapping, "_data") : NULL;
    Py_XDECREF(mapping);
    time_module = PyImport_ImportModule("time");
    threading = PyDict_GetItemString(loaded, "threading");
    main_thread =
        threading ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    process = PyDict_GetItemString(loaded, "multiprocessing.process");
    own_process =
        process ? PyObject_CallMethod(process, "current_process", NULL) : NULL;
    return PyErr_Occurred() ? what_failed() : NULL;
}

/* What is here now is never looked at again, nor written to. */
static void freeze(void)
{
    PyGC_Collect();
    Py_XDECREF(PyObject_CallMethod(gc, "freeze", NULL));
    PyErr_Clear();
}

static int arena_is_wanted;

static void *give_no_arena(void *context, size_t size)
{
    (void)context;
    (void)size;
    arena_is_wanted = 1;
    return NULL;
}

/* Take what is free in Python's pools: a script's first objects of each size
 * would be written there, to two or three pages, which are copied. Now they
 * get a new pool, whose pages are not. */
static void fill_pools(void)
{
    PyObjectArenaAllocator arenas, none;
    size_t size, n = 0;
    void *block;

    PyObject_GetArenaAllocator(&arenas);
    none = arenas;
    none.alloc = give_no_arena;
    PyObject_SetArenaAllocator(&none);
    for (size = POOLED_STEP; size <= POOLED_MAX; size += POOLED_STEP) {
        arena_is_wanted = 0;
        do { /* the last one is not Python's */
            block = PyObject_Malloc(size);
            n += size;
        } while (block && !arena_is_wanted && n < POOLS_MAX);
        PyObject_Free(block);
    }
    PyObject_SetArenaAllocator(&arenas);
}

static void name_files(const cgi_warm_host_t *host)
{
    PyObject *names = PyDict_Values(loaded), *file;
    Py_ssize_t i;

    for (i = 0; names && i < PyList_GET_SIZE(names); i++) {
        file = PyObject_GetAttrString(PyList_GET_ITEM(names, i), "__file__");
        if (file && PyUnicode_Check(file) && PyUnicode_AsUTF8(file)) {
            host->loaded(PyUnicode_AsUTF8(file));
        }
        Py_XDECREF(file);
        PyErr_Clear();
    }
    Py_XDECREF(names);
}

/* ---- may it? ---- */

/* What FileFinder takes for a module: NAME with one of some suffixes, or a
 * directory with such a file __init__. Scripts and folders of pages may well
 * have such names: flask.cgi, html/. */
static int is_importable(const char *dir, const char *entry, size_t stem)
{
    char path[PATH_MAX];
    const char *suffix;
    Py_ssize_t i;

    for (i = 0; i < PyList_GET_SIZE(suffixes); i++) {
        suffix = PyUnicode_AsUTF8(PyList_GET_ITEM(suffixes, i));
        if (entry[stem]) {
            if (!strcmp(entry + stem, suffix)) {
                return 1;
            }
            continue;
        }
        if (snprintf(path, sizeof(path), "%s/%s/__init__%s", dir, entry,
                     suffix) >= (int)sizeof(path) ||
            !access(path, F_OK)) {
            return 1;
        }
    }
    return 0;
}

/* Does the script's directory have a module of a name that is loaded? */
static int is_guarded_there(const char *path)
{
    char real[PATH_MAX], *slash;
    const struct dirent *entry;
    PyObject *name;
    size_t stem;
    int found = 0;
    DIR *dir;

    if (!PySet_Size(guarded) || !realpath(path, real)) {
        return 0;
    }
    slash = strrchr(real, '/');
    slash[slash == real] = '\0';
    if (!(dir = opendir(real))) {
        return 0; /* Python does not look into such a directory either */
    }
    while (!found && (entry = readdir(dir))) {
        stem = strcspn(entry->d_name, ".");
        name =
            PyUnicode_DecodeFSDefaultAndSize(entry->d_name, (Py_ssize_t)stem);
        found = name && PySet_Contains(guarded, name) > 0 &&
                is_importable(real, entry->d_name, stem);
        Py_XDECREF(name);
    }
    closedir(dir);
    PyErr_Clear();
    return found;
}

static int is_unbuffered(const cgi_warm_script_t *script)
{
    int i, yes = 0;

    for (i = 1; i < script->script_at; i++) {
        yes |= !strcmp(script->argv[i], "-u");
    }
    return yes;
}

/* zipimport looks for this mark as far from the end of the file. */
#define ARCHIVE_MARK "PK\5\6"
#define ARCHIVE_END (22 + 65535)

/* @return 0: it is none for sure */
static int may_be_archive(const char *path)
{
    struct stat st;
    char *tail = NULL;
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
        (tail = malloc(ARCHIVE_END))) {
        n = pread(fd, tail, ARCHIVE_END,
                  st.st_size > ARCHIVE_END ? st.st_size - ARCHIVE_END : 0);
    }
    if (n >= 0 && !memmem(tail, (size_t)n, ARCHIVE_MARK, 4)) {
        n = 0;
    }
    free(tail);
    if (fd >= 0) {
        close(fd);
    }
    return n != 0;
}

/* Would python import __main__ from it? It asks the hooks: that of archives,
 * that of directories, and what somebody has added to these. */
static int is_importable_itself(const char *path)
{
    PyObject *hooks = PySys_GetObject("path_hooks"), *importer = NULL;
    PyObject *cache = PySys_GetObject("path_importer_cache");
    PyObject *name = PyUnicode_DecodeFSDefault(path);
    int yes;

    if (name && hooks && PyList_Size(hooks) == 2 &&
        PyList_GET_ITEM(hooks, 0) == zipimporter && !may_be_archive(path)) {
        yes = cache && PyDict_SetItem(cache, name, Py_None);
    }
    else {
        importer = name ? PyImport_GetImporter(name) : NULL;
        yes = importer != Py_None;
    }
    Py_XDECREF(importer);
    Py_XDECREF(name);
    PyErr_Clear();
    return yes;
}

static const char *check(const cgi_warm_script_t *script)
{
    const char *path = script->argv[script->script_at];
    int i;

    for (i = 1; i < script->script_at; i++) {
        if (strcmp(script->argv[i], "-u")) {
            return "it gives Python another option than -u";
        }
    }
    if (cgi_warm_has_variable(script, early)) {
        return "its environment has a variable that counts at the start of "
               "Python";
    }
    if (is_guarded_there(path)) {
        return "a file beside it has the name of a loaded module";
    }
    return is_importable_itself(path) ? "it is an archive" : NULL;
}

/* ---- become the script ---- */

/* Set an attribute of sys, and let go of the value. */
static void set_sys(const char *name, PyObject *value)
{
    must(value && !PySys_SetObject(name, value));
    Py_DECREF(value);
}

static PyObject *list_of(const char *const *strings)
{
    PyObject *list = PyList_New(0), *word;

    for (; *strings; strings++) {
        word = PyUnicode_DecodeFSDefault(*strings);
        must(word && !PyList_Append(list, word));
        Py_DECREF(word);
    }
    return list;
}

/* posix.environ, and the mapping that os.environ and os.environb share. */
static void set_environment(void)
{
    PyObject *first = environments[0], *second = environments[1];
    PyObject *key, *value;
    char **at;
    const char *equals;

    PyDict_Clear(first);
    PyDict_Clear(second);
    for (at = environ; *at; at++) {
        if (!(equals = strchr(*at, '='))) {
            continue;
        }
        key = PyBytes_FromStringAndSize(*at, (Py_ssize_t)(equals - *at));
        value = PyBytes_FromString(equals + 1);
        must(key && value && PyDict_SetDefault(first, key, value));
        Py_DECREF(key);
        Py_DECREF(value);
    }
    must(!PyDict_Update(second, first));
}

/* create_stdio(): the same object, which a module may have kept, on what is
 * this descriptor now. */
static void reopen(int fd, int unbuffered)
{
    PyObject *stream = PySys_GetObject(streams[fd]), *result, *raw, *label;
    PyObject *encoding, *errors, *buffer, *tty;
    int direct = unbuffered && fd > 0;
    char text[16];

    must(stream != NULL);
    encoding = PyObject_GetAttrString(stream, "encoding");
    errors = PyObject_GetAttrString(stream, "errors");
    buffer = PyObject_CallMethod(io, "open", "isiOOOO", fd, fd ? "wb" : "rb",
                                 direct ? 0 : -1, Py_None, Py_None, Py_None,
                                 Py_False);
    must(encoding && errors && buffer);
    raw = direct ? Py_NewRef(buffer) : PyObject_GetAttrString(buffer, "raw");
    snprintf(text, sizeof(text), "<%s>", streams[fd]);
    label = PyUnicode_FromString(text);
    must(raw && label && !PyObject_SetAttrString(raw, "name", label));
    tty = PyObject_CallMethod(raw, "isatty", NULL);
    must(tty != NULL);
    result = PyObject_CallMethod(
        stream, "__init__", "OOOsOO", buffer, encoding, errors, "\n",
        !unbuffered && (fd == 2 || tty == Py_True) ? Py_True : Py_False,
        unbuffered ? Py_True : Py_False);
    must(result != NULL);
    Py_DECREF(result);
    Py_DECREF(tty);
    Py_DECREF(label);
    Py_DECREF(raw);
    buffers[fd] = buffer;
    Py_DECREF(errors);
    Py_DECREF(encoding);
}

/* What most scripts get: no body, and pipes for the rest. */
static int is_usual(int fd)
{
    struct stat st;

    return !fstat(fd, &st) &&
           (fd ? S_ISFIFO(st.st_mode)
               : S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

/* sys.path[0] is the directory of what the script's name leads to. */
static void set_path(const char *path)
{
    PyObject *list = PySys_GetObject("path"), *dir;
    char real[PATH_MAX], *slash;

    if (!realpath(path, real)) {
        snprintf(real, sizeof(real), "%s", path);
    }
    slash = strrchr(real, '/');
    slash[slash == real] = '\0';
    dir = PyUnicode_DecodeFSDefault(real);
    must(list && dir && !PyList_Insert(list, 0, dir));
    Py_DECREF(dir);
}

/* As init_timezone() in timemodule.c, from what tzset() has found. */
static zone_t read_zone(void)
{
    static const time_t year = (365 * 24 + 6) * 3600;
    time_t when = time(NULL) / year * year;
    zone_t found;
    struct tm tm;
    int i;

    memset(&found, 0, sizeof(found));
    for (i = 0; i < 2; i++) {
        if (localtime_r(&when, &tm)) {
            snprintf(found.name[i], sizeof(found.name[i]), "%s", tm.tm_zone);
            found.offset[i] = tm.tm_gmtoff;
        }
        when += year / 2;
    }
    return found;
}

/* What a module has remembered of the launcher's process. */
static void update_modules(void)
{
    PyObject *number, *key;
    const zone_t now = read_zone();
    char secret[32];

    if (memcmp(&now, &zone, sizeof(zone))) {
        zone = now;
        Py_XDECREF(PyObject_CallMethod(time_module, "tzset", NULL));
    }
    if (own_process && getrandom(secret, sizeof(secret), 0) ==
                           sizeof(secret)) { /* of multiprocessing */
        key = PyBytes_FromStringAndSize(secret, sizeof(secret));
        must(key != NULL);
        (void)PyObject_SetAttrString(own_process, "authkey", key);
        Py_DECREF(key);
    }
    if (main_thread) { /* Thread._set_native_id() */
        number = PyLong_FromUnsignedLong(PyThread_get_thread_native_id());
        must(number != NULL);
        (void)PyObject_SetAttrString(main_thread, "_native_id", number);
        Py_DECREF(number);
    }
    PyErr_Clear();
}

static void become(const cgi_warm_script_t *script)
{
    int fd, unbuffered = is_unbuffered(script);
    PyObject *executable = PyUnicode_DecodeFSDefault(script->program);

    if (*coerced) {
        setenv("LC_CTYPE", coerced, 1);
    }
    tzset();
    set_environment();
    if (unbuffered) {
        setvbuf(stdin, NULL, _IONBF, BUFSIZ);
        setvbuf(stdout, NULL, _IONBF, BUFSIZ);
        setvbuf(stderr, NULL, _IONBF, BUFSIZ);
    }
    for (fd = 0; fd < 3; fd++) {
        if (unbuffered || !is_prepared[fd] || !is_usual(fd)) {
            reopen(fd, unbuffered);
        }
    }
    set_sys("argv", list_of(script->argv + script->script_at));
#if PY_VERSION_HEX >= 0x030a0000
    set_sys("orig_argv", list_of(script->argv));
#endif
    must(executable && !PySys_SetObject("_base_executable", executable));
    set_sys("executable", executable);
    set_path(script->argv[script->script_at]);
    update_modules();
    register_hooks();
}

/* Open the streams in the launcher for what is usual, not in each process. */
static void prepare_stream(int fd)
{
    int pair[2], kept;

    if (fd && !pipe2(pair, O_CLOEXEC)) {
        kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (kept >= 0 && dup2(pair[1], fd) == fd) {
            reopen(fd, 0);
            is_prepared[fd] = is_usual(fd);
            (void)dup2(kept, fd);
        }
        close(kept);
        close(pair[0]);
        close(pair[1]);
    }
    else if (is_usual(fd)) {
        reopen(fd, 0);
        is_prepared[fd] = 1;
    }
}

/* Do once in the launcher what each script's process does first: what the
 * interpreter then remembers is not written again, page by page. */
static void rehearse(void)
{
    int fd;

    before_fork();
    after_fork();
    for (fd = 0; fd < 3; fd++) {
        prepare_stream(fd);
    }
    update_modules();
}

/* ---- run, and end as Py_RunMain() does ---- */

static void unraisable(PyObject *where)
{
    if (PyErr_Occurred()) {
        PyErr_WriteUnraisable(where);
    }
}

static void cannot_flush(PyObject *stream)
{
#if PY_VERSION_HEX >= 0x030e0000
    (void)stream;
    PyErr_FormatUnraisable("Exception ignored while flushing sys.stdout");
#elif PY_VERSION_HEX >= 0x030d0000
    (void)stream;
    PyErr_FormatUnraisable("Exception ignored on flushing sys.stdout");
#else
    PyErr_WriteUnraisable(stream);
#endif
}

/* @param last 1: it is too late for complaints
 * @return -1: what was printed can't be written */
static int flush_streams(int last)
{
    PyObject *stream, *closed, *result;
    int i, status = 0, is_closed;

    for (i = 1; i < 3; i++) {
        stream = PySys_GetObject(streams[i]);
        if (!stream || stream == Py_None) {
            continue;
        }
        closed = PyObject_GetAttrString(stream, "closed");
        is_closed = closed ? PyObject_IsTrue(closed) : 0;
        Py_XDECREF(closed);
        PyErr_Clear();
        if (is_closed > 0) {
            continue;
        }
        result = PyObject_CallMethod(stream, "flush", NULL);
        if (!result) {
            if (i == 1 && !last) {
                cannot_flush(stream);
            }
            PyErr_Clear();
            status = -1;
        }
        Py_XDECREF(result);
    }
    return status;
}

static void clear_module(PyObject *module)
{
    PyObject *names = PyModule_Check(module) ? PyModule_GetDict(module) : NULL;
    PyObject *key, *value;
    Py_ssize_t at;
    int pass, is_private;

    for (pass = 0; names && pass < 2; pass++) {
        for (at = 0; PyDict_Next(names, &at, &key, &value);) {
            if (value == Py_None || !PyUnicode_Check(key)) {
                continue;
            }
            is_private = PyUnicode_GET_LENGTH(key) > 0 &&
                         PyUnicode_READ_CHAR(key, 0) == '_' &&
                         (PyUnicode_GET_LENGTH(key) < 2 ||
                          PyUnicode_READ_CHAR(key, 1) != '_');
            if (pass ? PyUnicode_CompareWithASCIIString(key, "__builtins__")
                     : is_private) {
                PyDict_SetItem(names, key, Py_None);
            }
        }
    }
}

/* @return a new reference to what a weak one is to, or NULL */
static PyObject *still_there(PyObject *weak)
{
    PyObject *object = NULL;

#if PY_VERSION_HEX >= 0x030d0000
    if (PyWeakref_GetRef(weak, &object) < 0) {
        PyErr_Clear();
    }
#else
    object = PyWeakref_GetObject(weak);
    object = object == Py_None ? NULL : object;
    Py_XINCREF(object);
#endif
    return object;
}

/* PyDict_Clear(), but what is in it is not written to. */
static void forget_entries(PyObject *dict)
{
    PyDictObject *from = (PyDictObject *)dict, old = *from;
    PyDictObject *empty = (PyDictObject *)PyDict_New();

    if (empty) {
        from->ma_used = empty->ma_used;
        from->ma_keys = empty->ma_keys;
        from->ma_values = empty->ma_values;
        empty->ma_used = old.ma_used;
        empty->ma_keys = old.ma_keys;
        empty->ma_values = old.ma_values;
    }
}

/* Of what is left in cycles, python has nothing to say any more: it has
 * cleared sys, too. */
static void collect_silently(void)
{
    PyObject *kept[3];
    int i;

    for (i = 1; i < 3; i++) {
        kept[i] = PySys_GetObject(streams[i]);
        Py_XINCREF(kept[i]);
        PySys_SetObject(streams[i], Py_None);
    }
    PyGC_Collect();
    for (i = 1; i < 3; i++) {
        PySys_SetObject(streams[i], kept[i]);
        Py_XDECREF(kept[i]);
    }
}

/* finalize_modules(), for those that are the script's. Objects of the others
 * would only be written to, page by page. */
static void clear_modules(void)
{
    static const char *const gone[] = {"path",
                                       "argv",
                                       "ps1",
                                       "ps2",
                                       "last_type",
                                       "last_value",
                                       "last_traceback",
                                       "path_hooks",
                                       "path_importer_cache",
                                       "meta_path",
                                       "__interactivehook__",
                                       NULL};
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *left = PyList_New(0), *name, *module, *weak;
    char original[16];
    Py_ssize_t i;
    int is_main;

    PyDict_SetItemString(PyEval_GetBuiltins(), "_", Py_None);
    for (i = 0; gone[i]; i++) {
        PySys_SetObject(gone[i], Py_None);
    }
    for (i = 0; i < 3; i++) {
        snprintf(original, sizeof(original), "__%s__", streams[i]);
        module = PySys_GetObject(original);
        PySys_SetObject(streams[i], module ? module : Py_None);
    }
    for (i = 0; left && PyDict_Next(modules, &i, &name, &module);) {
        is_main = PyUnicode_Check(name) &&
                  !PyUnicode_CompareWithASCIIString(name, "__main__");
        if (!is_main && PyDict_Contains(loaded, name) > 0) {
            continue;
        }
        weak = PyModule_Check(module) ? PyWeakref_NewRef(module, NULL) : NULL;
        if (weak) {
            PyList_Append(left, weak);
            Py_DECREF(weak);
        }
        PyDict_SetItem(modules, name, Py_None);
        PyErr_Clear();
    }
    forget_entries(modules); /* nothing can be imported any more */
    PyGC_Collect();
    for (i = left ? PyList_GET_SIZE(left) : 0; i-- > 0;) {
        module = still_there(PyList_GET_ITEM(left, i));
        if (module) {
            clear_module(module);
            Py_DECREF(module);
        }
    }
    collect_silently();
}

static int is_standard(const PyObject *object)
{
    PyObject *raw;
    int i, yes = 0;

    for (i = 0; !yes && i < 3; i++) {
        raw = PyObject_GetAttrString(buffers[i], "raw");
        yes = object == buffers[i] || object == raw;
        Py_XDECREF(raw);
    }
    PyErr_Clear();
    return yes;
}

/* What a loaded module still holds of the script's: files that are open, and
 * what has something to say at its end. */
static void finalize_rest(void)
{
    PyObject *all = PyObject_CallMethod(gc, "get_objects", NULL), *object;
    Py_ssize_t i;

    for (i = 0; all && i < PyList_GET_SIZE(all); i++) {
        object = PyList_GET_ITEM(all, i);
        if (Py_TYPE(object)->tp_finalize && !is_standard(object) &&
            !PyGen_CheckExact(object) && !PyCoro_CheckExact(object) &&
            !PyAsyncGen_CheckExact(object)) {
            PyObject_CallFinalizer(object);
        }
    }
    Py_XDECREF(all);
    PyErr_Clear();
}

/* Py_FinalizeEx(), as far as a script sees it. */
static int finish(void)
{
    PyObject *threading =
        PyDict_GetItemString(PyImport_GetModuleDict(), "threading");
    int status;

    if (threading) {
        Py_XDECREF(PyObject_CallMethod(threading, "_shutdown", NULL));
        unraisable(threading);
    }
    (void)Py_MakePendingCalls();
    Py_XDECREF(PyObject_CallMethod(atexit_module, "_run_exitfuncs", NULL));
#if PY_VERSION_HEX >= 0x030a0000
    unraisable(atexit_module);
#else
    PyErr_Clear(); /* it has been printed, as all before it */
#endif
    status = flush_streams(0);
    PyGC_Collect();
    clear_modules();
    finalize_rest();
    (void)flush_streams(1);
    return status;
}

/* handle_system_exit() */
static int exit_code(void)
{
    PyObject *type, *value, *traceback, *code = NULL, *stream;
    int result = 0;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    fflush(stdout);
    if (value && PyExceptionInstance_Check(value)) {
        code = PyObject_GetAttrString(value, "code");
        PyErr_Clear();
    }
    if (!code) {
        code = Py_XNewRef(value);
    }
    if (code && PyLong_Check(code)) {
        result = (int)PyLong_AsLong(code);
    }
    else if (code && code != Py_None) {
        stream = PySys_GetObject("stderr");
        PyErr_Clear();
        if (stream && stream != Py_None) {
            PyFile_WriteObject(code, stream, Py_PRINT_RAW);
        }
        else {
            PyObject_Print(code, stderr, Py_PRINT_RAW);
            fflush(stderr);
        }
        PySys_WriteStderr("\n");
        result = 1;
    }
    Py_XDECREF(code);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    PyErr_Clear();
    return result;
}

/* flush_io(): at the end of the main program, before anything is said of it.
 */
static void flush_main(void)
{
    PyObject *type, *value, *traceback, *stream, *result;
    int i;

    PyErr_Fetch(&type, &value, &traceback);
    for (i = 2; i > 0; i--) {
        stream = PySys_GetObject(streams[i]);
        result = stream ? PyObject_CallMethod(stream, "flush", NULL) : NULL;
        Py_XDECREF(result);
        PyErr_Clear();
    }
    PyErr_Restore(type, value, traceback);
}

/* The one of the start is frozen: the collector would not look into it. */
static PyObject *new_main(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *old = PyDict_GetItemString(modules, "__main__");
    PyObject *module = PyModule_New("__main__");
    PyObject *names = module ? PyModule_GetDict(module) : NULL;
#if PY_VERSION_HEX < 0x030e0000
    PyObject *annotations = PyDict_New();
#endif

    must(old && names && !PyDict_Update(names, PyModule_GetDict(old)) &&
         !PyDict_SetItemString(modules, "__main__", module));
#if PY_VERSION_HEX < 0x030e0000
    must(annotations &&
         !PyDict_SetItemString(names, "__annotations__", annotations));
    Py_DECREF(annotations);
#endif
    Py_DECREF(module);
    return names;
}

/* __main__ as python leaves it to a script. */
static PyObject *prepare_main(PyObject *path)
{
    PyObject *names = new_main();
    PyObject *loader =
        PyObject_CallFunction(source_loader, "sO", "__main__", path);

    must(loader && !PyDict_SetItemString(names, "__file__", path) &&
         !PyDict_SetItemString(names, "__cached__", Py_None) &&
         !PyDict_SetItemString(names, "__loader__", loader));
    Py_DECREF(loader);
    return names;
}

static void run(const char *file)
{
    PyObject *path = PyUnicode_DecodeFSDefault(file), *names, *result;
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    FILE *source;
    int status = 0, is_interrupt = 0, has_left = 0;

    must(path && !PySys_Audit("cpython.run_file", "O", path));
    if (!(source = fopen(file, "rbe"))) {
        int error = errno;

        PySys_FormatStderr("%S: can't open file %R: [Errno %d] %s\n",
                           PySys_GetObject("executable"), path, error,
                           strerror(error));
        exit(2);
    }
    names = prepare_main(path);
    result = PyRun_FileExFlags(source, file, Py_file_input, names, names, 1,
                               &flags);
    flush_main();
    Py_DECREF(path);
    if (!result && PyErr_ExceptionMatches(PyExc_SystemExit)) {
        status = exit_code();
        has_left = 1;
    }
    else if (!result) {
        is_interrupt = PyErr_Occurred() == PyExc_KeyboardInterrupt;
        PyErr_Print();
        status = 1;
    }
    Py_XDECREF(result);
    /* Before 3.14 sys.exit() leaves them. */
    if ((!has_left || PY_VERSION_HEX >= 0x030e0000) &&
        (PyDict_DelItemString(names, "__file__") ||
         PyDict_DelItemString(names, "__cached__"))) {
        PyErr_Clear();
    }
    if (finish() < 0) {
        status = 120;
    }
    if (is_interrupt) {
        (void)signal(SIGINT, SIG_DFL);
        kill(getpid(), SIGINT);
    }
    fflush(NULL);
    _exit(status & 0xff);
}

static const char *enter(const cgi_warm_host_t *host)
{
    const cgi_warm_script_t *script;
    const char *reason;

    if (!ask_program(host)) {
        return "that program does not answer";
    }
    if ((reason = start_python(host->program))) {
        return reason;
    }
    if (!is_same()) {
        return "that program is not the one of the installed "
               "libpython " PY_VERSION;
    }
    if (getenv("LC_CTYPE")) {
        snprintf(coerced, sizeof(coerced), "%s", getenv("LC_CTYPE"));
    }
    if ((reason = load(host->modules))) {
        return reason;
    }
    name_files(host);
    rehearse();
    freeze();
    /* What modules do before and after a fork in the parent would make it
     * write to its memory, and copy that, each time. No Python runs there. */
    before_fork();
    pthread_atfork(NULL, NULL, in_child);
    fill_pools();
    script = host->serve();
    if (script) {
        become(script);
        run(script->argv[script->script_at]);
    }
    return "its modules can't be shared";
}

const cgi_warm_plugin_t cgi_warm_plugin = {CGI_WARM_VERSION, enter, check};
