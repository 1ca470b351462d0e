#!/usr/bin/env python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What mod_runscripts costs a request for a static file; for cost.t.

Counts the instructions of httpd (event MPM, one process, under valgrind's
callgrind) for each of: the module not loaded; loaded, with the option on in
another directory only; the option on in the file's directory. Instructions
don't depend on what else the machine does. Prints a line for each:

    NAME  INSTRUCTIONS-PER-REQUEST  RATIO   (not loaded / this one)

The configurations differ in the word RunScripts only: a section more would
cost core something, too.
"""

import argparse
import glob
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
# Debian's default modules; the last two are built in there.
MODULES = ("mpm_event", "access_compat", "alias", "auth_basic", "authn_core",
           "authn_file", "authz_core", "authz_host", "authz_user",
           "autoindex", "deflate", "dir", "env", "filter", "mime",
           "negotiation", "reqtimeout", "setenvif", "status", "log_config",
           "unixd")
CONF = """\
{load}
ServerRoot "{dir}"
DefaultRuntimeDir "{dir}"
PidFile "{dir}/httpd.pid"
ErrorLog "{dir}/error_log"
TransferLog "{dir}/access_log"
Listen 127.0.0.1:{port}
ServerName 127.0.0.1:{port}
DocumentRoot "{dir}/htdocs"
TypesConfig /dev/null
AddType text/html .html
KeepAlive On
MaxKeepAliveRequests 0
Timeout 600
KeepAliveTimeout 600
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all granted
</Directory>
<Directory "{dir}/htdocs">
    Options Indexes FollowSymLinks
</Directory>
<Directory "{dir}/htdocs/a/b">
    Options +{here}
</Directory>
<Directory "{dir}/htdocs/scripts">
    Options +{elsewhere}
</Directory>
"""


def apxs(what):
    for program in (os.environ.get("APXS") or "apxs", "apxs2"):
        if shutil.which(program):
            return subprocess.check_output([program, "-q", what],
                                           text=True).strip()
    sys.exit("cost: there is no apxs")


class Httpd:
    """httpd under callgrind, with one client connection. Not as root: httpd
    would become another user, which callgrind doesn't take well."""

    def __init__(self, folder, port, conf):
        self.folder = folder
        name = os.path.join(folder, "httpd.conf")
        with open(name, "w", encoding="ascii") as f:
            f.write(conf)
        httpd = os.path.join(apxs("SBINDIR"), apxs("PROGNAME"))
        ids = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            ids = {"user": nobody.pw_uid, "group": nobody.pw_gid}
        with open(os.path.join(folder, "out"), "w", encoding="ascii") as out:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                ["valgrind", "--tool=callgrind", "--separate-threads=no",
                 "--toggle-collect=ap_run_process_connection",
                 "--callgrind-out-file=%s/callgrind" % folder, httpd, "-X",
                 "-d", folder, "-f", name], stdout=out, stderr=out,
                **ids)
        self.client = None
        try:
            self.connect(port)
        except BaseException:
            self.close()
            raise

    def connect(self, port):
        until = time.monotonic() + 120
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.client = socket.create_connection(("127.0.0.1", port))
                self.client.settimeout(60)
                return
            except ConnectionRefusedError:
                time.sleep(0.2)
        with open(os.path.join(self.folder, "out"), encoding="utf-8") as f:
            sys.exit("cost: httpd did not start\n" + f.read())

    def get(self, path, times):
        request = ("GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path).encode()
        for _ in range(times):
            self.client.sendall(request)
            data = b""
            while b"\r\n\r\n" not in data:
                piece = self.client.recv(65536)
                if not piece:
                    sys.exit("cost: the connection was closed")
                data += piece
            head, body = data.split(b"\r\n\r\n", 1)
            length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
            if not head.startswith(b"HTTP/1.1 200"):
                sys.exit("cost: not a 200: %r" % head)
            while len(body) < length:
                body += self.client.recv(65536)

    def close(self):
        if self.client:
            self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def total(self):
        """All instructions for the connection: how often the MPM looks after
        itself meanwhile depends on the time."""
        self.close()
        found = []
        for name in glob.glob(self.folder + "/callgrind*"):
            with open(name, encoding="utf-8") as f:
                found += re.findall(r"^(?:totals|summary): (\d+)", f.read(),
                                    re.M)
        if not found:
            sys.exit("cost: callgrind has written nothing")
        return max(int(n) for n in found)


def once(port, times, **options):
    """Instructions of a whole run with that many requests."""
    folder = tempfile.mkdtemp(prefix="cost.")
    try:
        os.makedirs(folder + "/htdocs/a/b")
        os.makedirs(folder + "/htdocs/scripts")
        with open(folder + "/htdocs/a/b/file.html", "w",
                  encoding="ascii") as f:
            f.write("<p>" + "x" * 1000 + "\n")
        os.chmod(folder, 0o777)     # for another user, see Httpd
        where = apxs("LIBEXECDIR")
        load = ["LoadModule %s_module %s/mod_%s.so" % (m, where, m)
                for m in MODULES if os.path.exists("%s/mod_%s.so" % (where, m))]
        if "RunScripts" in options.values():
            load.append("LoadModule runscripts_module %s/build/"
                        "mod_runscripts.so" % TOP)
        httpd = Httpd(folder, port, CONF.format(
            load="\n".join(load), dir=folder, port=port, **options))
        try:
            httpd.get("/a/b/file.html", times)
            return httpd.total()
        finally:
            httpd.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(port, times, **options):
    """Instructions of one request: of a long run, less those of a short."""
    short = times // 5
    return ((once(port, times, **options) - once(port, short, **options))
            / (times - short))


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    p.add_argument("--port", type=int, default=9190)
    p.add_argument("--requests", type=int, default=2000)
    options = p.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("cost: there is no valgrind")
    base = None
    for name, here, elsewhere in (
            ("not-loaded", "Indexes", "Indexes"),
            ("option-off", "Indexes", "RunScripts"),
            ("option-on", "RunScripts", "Indexes")):
        count = measure(options.port, options.requests, here=here,
                        elsewhere=elsewhere)
        base = base or count
        print("%-12s %10.0f  %.4f" % (name, count, base / count), flush=True)


if __name__ == "__main__":
    main()
