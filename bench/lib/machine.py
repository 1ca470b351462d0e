# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The machine and the folder in which everything happens."""

import os
import platform
import pwd
import shutil
import subprocess
import tempfile

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TREE = os.path.dirname(BENCH)
BUILD = os.path.join(TREE, "build")
HTTPD = "/usr/sbin/apache2"
HTTPD_MODULES = "/usr/lib/apache2/modules"


def built(name):
    return os.path.exists(os.path.join(BUILD, name))


def output_of(*command):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def describe():
    """Lines that say what the figures were measured on. No names."""
    cpu = "unknown processor"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as f:
        memory = int(f.readline().split()[1]) // 1024
    with open("/etc/os-release", encoding="utf-8") as f:
        system = dict(line.rstrip().split("=", 1) for line in f if "=" in line)

    def version(package):
        found = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return "%s %s" % (package, found.stdout or "(not from Debian)")

    peers = ("apache2", "lighttpd", "nginx", "fcgiwrap", "wrk",
             "nghttp2-client")
    return [
        "%d cores of %s, %d MiB of memory" % (os.cpu_count(), cpu, memory),
        "Linux %s, %s" % (platform.release().split("-")[0],
                          system["PRETTY_NAME"].strip('"')),
        ", ".join(version(p) for p in peers),
    ]


def load_average():
    return os.getloadavg()[0]


class Workspace:
    """A temporary folder with the site, the programs and all configurations.

    Attributes: dir, site (document root), bin (the load generators)."""

    def __init__(self, keep=False):
        self.keep = keep
        self.dir = tempfile.mkdtemp(prefix="cgibench.")
        os.chmod(self.dir, 0o755)
        self.site = os.path.join(self.dir, "site")
        self.bin = os.path.join(self.dir, "bin")
        self.root = os.getuid() == 0
        self.user = "www-data" if self.root else pwd.getpwuid(os.getuid())[0]
        self._build()
        self._fill_site()
        self._certificate()

    def close(self):
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def _build(self):
        os.mkdir(self.bin)
        for name in ("hello", "spawnloop", "xfer", "stamps", "pump",
                     "waits", "waiters"):
            # Of the one that waits there are thousands at once.
            static = ["-static"] if name == "waits" else []
            subprocess.run(
                ["gcc", "-std=c99", "-O2", *static, "-o",
                 os.path.join(self.bin, name),
                 os.path.join(BENCH, "src", name + ".c")], check=True)
        flags = output_of("apxs", "-q", "CFLAGS").split()
        flags += output_of("apr-1-config", "--cppflags", "--includes").split()
        subprocess.run(
            ["gcc", "-O2", "-shared", "-fPIC", *flags,
             "-I", output_of("apxs", "-q", "INCLUDEDIR").strip(),
             "-o", os.path.join(self.bin, "mod_ballast.so"),
             os.path.join(BENCH, "src", "mod_ballast.c")], check=True)

    def _fill_site(self):
        """The same programs twice: under cgi-bin/ for ScriptAlias and its
        kind, and as *.doit in doit/ for RunScripts."""
        scripts = os.path.join(BENCH, "scripts")
        programs = {"hello-c": os.path.join(self.bin, "hello"),
                    "stamps": os.path.join(self.bin, "stamps"),
                    "waits": os.path.join(self.bin, "waits"),
                    "hello-sh": os.path.join(scripts, "hello.sh"),
                    "hello-pl": os.path.join(scripts, "hello.pl"),
                    "big": os.path.join(scripts, "big.sh"),
                    "count": os.path.join(scripts, "count.sh"),
                    "count-chunked": os.path.join(scripts, "count.sh"),
                    "sleep": os.path.join(scripts, "sleep.sh")}
        for folder, suffix in (("cgi-bin", ""), ("doit", ".doit")):
            os.makedirs(os.path.join(self.site, folder))
            for name, source in programs.items():
                target = os.path.join(self.site, folder, name + suffix)
                shutil.copyfile(source, target)
                os.chmod(target, 0o755)
        os.mkdir(os.path.join(self.site, "static"))
        with open(os.path.join(self.site, "static", "file.html"), "w",
                  encoding="ascii") as f:
            f.write("<p>" + "x" * 1020 + "\n")

    def _certificate(self):
        self.key = os.path.join(self.dir, "key.pem")
        self.cert = os.path.join(self.dir, "cert.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=127.0.0.1", "-keyout", self.key, "-out", self.cert],
            check=True, stderr=subprocess.DEVNULL)
        with open(os.path.join(self.dir, "both.pem"), "w",
                  encoding="ascii") as both:
            for part in (self.key, self.cert):
                with open(part, encoding="ascii") as f:
                    both.write(f.read())
        self.pem = both.name
