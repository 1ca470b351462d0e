# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The servers: ours and the peers, each with its configuration.

A Server is started and stopped as a whole; it answers questions about its
processes (processor time, memory), which are found by walking down from the
process that was started here. Nothing is ever stopped by name."""

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import time

from . import machine

# Debian's default set: what `a2query -m` says on a fresh installation.
DEFAULT_MODULES = """access_compat alias auth_basic authn_core authn_file
authz_core authz_host authz_user autoindex deflate dir env filter mime
negotiation reqtimeout setenvif status""".split()

# Executables that are the server; any other process below it is a script.
SERVER_PROGRAMS = ("apache2", "cgi-launcher", "cgi-warm", "lighttpd", "nginx", "fcgiwrap",
                   "pump")

TICK = os.sysconf("SC_CLK_TCK")


def cgroup_mount():
    """Where a process group of ours can be counted exactly, or None."""
    with open("/proc/mounts", encoding="ascii") as f:
        for line in f:
            _, where, kind = line.split()[:3]
            if kind == "cgroup2" and os.access(where, os.W_OK):
                return where
    return None


class ServerError(Exception):
    """A server did not start, or did not answer as it must."""


def fill(template, values):
    """Put values into conf/<template>.in; an unknown word is an error."""
    with open(os.path.join(machine.BENCH, "conf", template + ".in"),
              encoding="ascii") as f:
        text = f.read()
    for key, value in values.items():
        text = text.replace("@%s@" % key, str(value))
    left = [w for w in text.split() if w.startswith("@") and w.endswith("@")]
    if left:
        raise ServerError("%s.in: no value for %s" % (template, left))
    return text


def children_of():
    """Map of parent pid to the pids of its children."""
    tree = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, encoding="ascii",
                          errors="replace") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            tree.setdefault(parent, []).append(int(name))
    return tree


def program_of(pid):
    try:
        return os.path.basename(os.readlink("/proc/%d/exe" % pid))
    except OSError:
        return ""


def _of_smaps(pid, name):
    """KiB, by a name of proc(5), /proc/pid/smaps; 0 of one that has ended."""
    try:
        with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as f:
            for line in f:
                if line.startswith(name):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


class Server:
    """One server on one port. Subclasses write files and give commands."""

    tls_port = None

    def __init__(self, workspace, name, port):
        self.ws = workspace
        self.name = name
        self.port = port
        self.dir = os.path.join(workspace.dir, re.sub(r"\W+", "-", name))
        self.roots = []
        self.group = None

    def prepare(self):
        raise NotImplementedError

    def commands(self):
        raise NotImplementedError

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        return path

    def start(self):
        with socket.socket() as probe:
            # As a server binds: connections in TIME_WAIT don't count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError:
                raise ServerError("port %d is taken" % self.port) from None
        if not os.path.isdir(self.dir):
            os.mkdir(self.dir)
            os.chmod(self.dir, 0o777)
        self.prepare()
        self._make_group()
        with open(os.path.join(self.dir, "output"), "a",
                  encoding="ascii") as out:
            for command in self.commands():
                self.roots.append(subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out,
                    stderr=out, start_new_session=True,
                    preexec_fn=self._enter_group))
        self.wait_ready()

    def _make_group(self):
        where = cgroup_mount()
        if where and self.ws.root:
            self.group = os.path.join(where, "cgibench-%d-%d" % (
                os.getpid(), self.port))
            os.mkdir(self.group)

    def _enter_group(self):
        if self.group:
            with open(os.path.join(self.group, "cgroup.procs"), "w",
                      encoding="ascii") as f:
                f.write(str(os.getpid()))

    def wait_ready(self, timeout=120):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for root in self.roots:
                if root.poll() is not None:
                    raise ServerError("%s ended at once: %s" % (
                        self.name, self.complaint()))
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise ServerError("%s does not listen" % self.name)

    def complaint(self):
        text = ""
        for name in ("output", "error.log"):
            try:
                with open(os.path.join(self.dir, name), encoding="utf-8",
                          errors="replace") as f:
                    text += f.read()[-2000:]
            except OSError:
                pass
        return text.strip()

    def stop(self):
        """End what start() started: its processes, by id."""
        below = self.pids()
        for root in self.roots:
            if root.poll() is None:
                root.send_signal(signal.SIGTERM)
        for root in self.roots:
            try:
                root.wait(20)
            except subprocess.TimeoutExpired:
                root.kill()
                root.wait()
        end = time.monotonic() + 5
        while time.monotonic() < end and any(map(self._is_ours, below)):
            time.sleep(0.05)
        for pid in filter(self._is_ours, below):
            os.kill(pid, signal.SIGKILL)
        self.roots = []
        self._drop_group()

    def _drop_group(self):
        """A control group can go when its last process, a sleeping script
        perhaps, is gone."""
        if not self.group:
            return
        for _ in range(50):
            with contextlib.suppress(OSError):
                os.rmdir(self.group)
                break
            time.sleep(0.1)
        else:
            with open(os.path.join(self.group, "cgroup.kill"), "w",
                      encoding="ascii") as f:
                f.write("1")
            time.sleep(0.5)
            os.rmdir(self.group)
        self.group = None

    def _is_ours(self, pid):
        return program_of(pid) in SERVER_PROGRAMS

    def pids(self):
        """Every process of the server, scripts included."""
        tree = children_of()
        found = []
        todo = [root.pid for root in self.roots]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += tree.get(pid, [])
        return found

    def server_pids(self, program=None):
        return [p for p in self.pids() if program_of(p) in
                ((program,) if program else SERVER_PROGRAMS)]

    def cpu_seconds(self):
        """Processor time of server and scripts so far.

        Exact, from the server's control group, as root. Otherwise that of
        the whole machine: its load generator must be subtracted, and the
        machine be idle. (Adding up processes would miss the scripts of a
        server that ignores SIGCHLD, as mod_cgid does: nobody gets their
        times.)"""
        if self.group:
            with open(os.path.join(self.group, "cpu.stat"),
                      encoding="ascii") as f:
                return int(f.readline().split()[1]) / 1e6
        with open("/proc/stat", encoding="ascii") as f:
            user, nice, system, _, _, irq, soft = map(
                int, f.readline().split()[1:8])
        here, below = resource.getrusage(resource.RUSAGE_SELF), \
            resource.getrusage(resource.RUSAGE_CHILDREN)
        return (user + nice + system + irq + soft) / TICK - (
            here.ru_utime + here.ru_stime + below.ru_utime + below.ru_stime)

    def anonymous_kib(self, program=None):
        """Memory of the server's own processes (no scripts) that is not
        backed by files; a page shared by n processes counts 1/n in each."""
        return sum(_of_smaps(pid, "Pss_Anon:")
                   for pid in self.server_pids(program))

    def memory_kib(self):
        """Memory of all the server's processes and scripts, with what is
        backed by files; a page shared by n processes counts 1/n in each."""
        return sum(_of_smaps(pid, "Pss:") for pid in self.pids())

    def url(self, path, tls=False):
        return "%s://127.0.0.1:%d%s" % (
            "https" if tls else "http",
            self.tls_port if tls else self.port, path)


class Httpd(Server):
    """httpd with Debian's default modules.

    cgi: "runscripts", "cgid", "cgi" or None; mpm: event, prefork, worker;
    tls: with mod_ssl and mod_http2 on the next port;
    build: the directory of our modules; extra: more configuration;
    file_size: the largest file, memory files too, that it can have."""

    def __init__(self, workspace, name, port, cgi=None, mpm="event",
                 tls=False, threads=None, ballast=0, extra="", modules=(),
                 build=machine.BUILD, file_size=None):
        super().__init__(workspace, name, port)
        self.cgi = cgi
        self.file_size = file_size
        self.build = build
        self.mpm = mpm
        self.tls_port = port + 1 if tls else None
        self.threads = threads
        self.ballast = ballast
        self.extra = extra
        self.more_modules = list(modules)

    def load(self, name, folder=machine.HTTPD_MODULES):
        return "LoadModule %s_module %s/mod_%s.so\n" % (name, folder, name)

    def prepare(self):
        modules = "".join(map(self.load, DEFAULT_MODULES + self.more_modules))
        extra = ""
        if self.cgi in ("cgi", "cgid"):
            modules += self.load(self.cgi)
            extra += 'ScriptAlias "/cgi-bin/" "%s/cgi-bin/"\n' % self.ws.site
            if self.cgi == "cgid":
                extra += 'ScriptSock "%s/cgisock"\n' % self.dir
        elif self.cgi == "runscripts":
            modules += self.load("runscripts", self.build)
            extra += ('<Directory "%s/doit">\n    Options +RunScripts\n'
                      "</Directory>\n"
                      'Alias "/stream/" "%s/doit/"\n<Location "/stream/">\n'
                      "    CGIRequestBody stream\n</Location>\n"
                      % (self.ws.site, self.ws.site))
            if os.path.exists(os.path.join(self.build, "mod_cgiroute.so")):
                modules += self.load("cgiroute", self.build)
                extra += ('CGIRoute "^/cgi-bin/([^/]+)" "\\1" '
                          '"dir=%s/cgi-bin"\n' % self.ws.site)
        if self.ballast:
            modules += self.load("ballast", self.ws.bin)
            extra += "Ballast %d\n" % self.ballast
        if self.tls_port:
            modules += "".join(map(self.load, ("socache_shmcb", "ssl",
                                               "http2")))
            extra += (
                "Protocols h2 h2c http/1.1\nListen 127.0.0.1:%d\n"
                'SSLSessionCache "shmcb:%s/ssl_cache(512000)"\n'
                "<VirtualHost 127.0.0.1:%d>\n    SSLEngine on\n"
                '    SSLCertificateFile "%s"\n'
                '    SSLCertificateKeyFile "%s"\n%s</VirtualHost>\n' % (
                    self.tls_port, self.dir, self.tls_port, self.ws.cert,
                    self.ws.key, ""))
        self.write("httpd.conf", fill("httpd.conf", {
            "DIR": self.dir, "PORT": self.port, "SITE": self.ws.site,
            "LOGLEVEL": "crit" if self.cgi is None else "warn",
            "MPM": self._mpm(), "MODULES": modules,
            "IDENTITY": "User www-data\nGroup www-data" if self.ws.root
                        else "",
            "EXTRA": extra + self.extra}))

    def _mpm(self):
        text = self.load("mpm_" + self.mpm)
        if self.mpm == "prefork":
            # Debian's are 5 and 5; 8 connections shall not wait for forks.
            return text + ("StartServers 10\nMinSpareServers 5\n"
                           "MaxSpareServers 20\nMaxRequestWorkers 150\n")
        if self.threads:
            # All children from the start, none taken away.
            children, threads = self.threads
            total = children * threads
            return text + (
                "StartServers %d\nServerLimit %d\nThreadLimit %d\n"
                "ThreadsPerChild %d\nMinSpareThreads %d\nMaxSpareThreads %d\n"
                "MaxRequestWorkers %d\n" % (children, children, threads,
                                            threads, total, total, total))
        return text + ("StartServers 2\nMinSpareThreads 25\n"
                       "MaxSpareThreads 75\nThreadLimit 64\n"
                       "ThreadsPerChild 25\nMaxRequestWorkers 150\n")

    def limited(self, *command):
        if self.file_size:
            return ["prlimit", "--fsize=%d" % self.file_size, *command]
        return list(command)

    def commands(self):
        return [self.limited(machine.HTTPD, "-f", os.path.join(
            self.dir, "httpd.conf"), "-DFOREGROUND")]


class Lighttpd(Server):
    def __init__(self, workspace, name, port, tls=True, connections=2048):
        super().__init__(workspace, name, port)
        self.tls_port = port + 1 if tls else None
        self.connections = connections

    def prepare(self):
        extra = ""
        if self.tls_port:
            extra = ('$SERVER["socket"] == "127.0.0.1:%d" {\n'
                     '    ssl.engine = "enable"\n    ssl.pemfile = "%s"\n}\n'
                     % (self.tls_port, self.ws.pem))
        self.write("lighttpd.conf", fill("lighttpd.conf", {
            "DIR": self.dir, "PORT": self.port, "SITE": self.ws.site,
            "TLSMODULE": ', "mod_openssl"' if self.tls_port else "",
            "CONNECTIONS": self.connections, "FDS": 4 * self.connections,
            "IDENTITY": 'server.username = "www-data"\n'
                        'server.groupname = "www-data"' if self.ws.root
                        else "",
            "EXTRA": extra}))

    def commands(self):
        return [["/usr/sbin/lighttpd", "-D", "-f",
                 os.path.join(self.dir, "lighttpd.conf")]]


class Nginx(Server):
    """nginx in front of fcgiwrap."""

    def __init__(self, workspace, name, port, tls=True, wraps=16):
        super().__init__(workspace, name, port)
        self.tls_port = port + 1 if tls else None
        self.wraps = wraps

    def prepare(self):
        tls = ""
        if self.tls_port:
            tls = ("listen 127.0.0.1:%d ssl http2;\n        "
                   "ssl_certificate %s;\n        ssl_certificate_key %s;"
                   % (self.tls_port, self.ws.cert, self.ws.key))
        identity = ""
        if self.ws.root:
            identity = "user www-data;"
        self.write("params", fill("nginx-params", {}))
        self.write("nginx.conf", fill("nginx.conf", {
            "DIR": self.dir, "PORT": self.port, "SITE": self.ws.site,
            "IDENTITY": identity, "TLS": tls}))

    def commands(self):
        sock = os.path.join(self.dir, "fcgiwrap.sock")
        if os.path.exists(sock):
            os.unlink(sock)
        wrap = ["/usr/sbin/fcgiwrap", "-c", str(self.wraps), "-s",
                "unix:" + sock]
        if self.ws.root:
            wrap = ["setpriv", "--reuid=www-data", "--regid=www-data",
                    "--clear-groups"] + wrap
        return [wrap, ["/usr/sbin/nginx", "-e",
                       os.path.join(self.dir, "error.log"), "-c",
                       os.path.join(self.dir, "nginx.conf")]]


class Pump(Server):
    """The limit of large transfers: see src/pump.c."""

    def prepare(self):
        pass

    def commands(self):
        return [[os.path.join(self.ws.bin, "pump"), str(self.port)]]
