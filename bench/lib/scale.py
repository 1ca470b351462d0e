# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Rows about what the modules cost beside running scripts: static files
(DESIGN R13), the choice among many routes (C12), counting for the status page.

Time is too coarse for that: instructions are counted as well, with valgrind's
callgrind on a worker (httpd -X), which gives the same count each time."""

import glob
import os
import socket
import subprocess
import time

from . import machine, measure
from .report import Series, table
from .rows import BEFORE, OURS, hello_rates, httpd, script_url
from .servers import Httpd, ServerError

REQUESTS = 100
SIZES = (10, 100, 1000, 10000)
UNCOUNTED = OURS + ", no status page"
STATIC = "/static/file.html"
DENIED = '<Location "/">\n    Require all denied\n</Location>\n'


class Counted(Httpd):
    """httpd -X under callgrind, which counts only when it is told to. Never
    as root: valgrind's pipes must still be its own after httpd's setuid."""

    def _plain(self, *command):
        if not self.ws.root:
            return list(command)
        return ["setpriv", "--reuid=www-data", "--regid=www-data",
                "--clear-groups", *command]

    def commands(self):
        return [self._plain(*self.limited(
            "valgrind", "--tool=callgrind", "--instr-atstart=no",
            "--callgrind-out-file=" + os.path.join(self.dir, "counts"),
            "--vgdb-prefix=" + os.path.join(self.dir, "vgdb"),
            machine.HTTPD, "-X", "-f", os.path.join(self.dir, "httpd.conf")))]

    def tell(self, *words):
        subprocess.run(
            self._plain("vgdb", "--vgdb-prefix=" + os.path.join(
                self.dir, "vgdb"), "--pid=%d" % self.roots[0].pid, *words),
            check=True, timeout=120, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def count(self, path, status, requests=REQUESTS):
        """Instructions per request, on one keep-alive connection: the
        smallest of three counts, because a wait that wakes for nothing adds
        some."""
        return min(self.count_once(path, status, requests)
                   for _ in range(3 if requests >= REQUESTS else 1))

    def count_once(self, path, status, requests):
        with socket.create_connection(("127.0.0.1", self.port), 120) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.tell("instrumentation", "on")
            ask(s, path, status, 20)
            for old in glob.glob(os.path.join(self.dir, "counts*")):
                os.unlink(old)
            self.tell("zero")
            ask(s, path, status, requests)
            self.tell("dump")
        total = 0
        for name in glob.glob(os.path.join(self.dir, "counts*")):
            with open(name, encoding="ascii", errors="replace") as f:
                for line in f:
                    if line.startswith("totals:"):
                        total += int(line.split()[1])
        if not total:
            raise ServerError("callgrind counted nothing in " + self.dir)
        return total / requests


def ask(s, path, status, requests):
    """Requests one after the other; each answer is read to its end."""
    request = ("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path).encode()
    data = b""
    for _ in range(requests):
        # httpd is to wait for each request in the same place.
        time.sleep(0.003)
        s.sendall(request)
        while b"\r\n\r\n" not in data:
            data += receive(s)
        head, data = data.split(b"\r\n\r\n", 1)
        if int(head.split(b" ", 2)[1]) != status:
            raise measure.WrongAnswer("%s: %r" % (path, head[:200]))
        length = int([line for line in head.lower().split(b"\r\n")
                      if line.startswith(b"content-length:")][0][15:])
        while len(data) < length:
            data += receive(s)
        data = data[length:]


def receive(s):
    data = s.recv(65536)
    if not data:
        raise measure.WrongAnswer("connection closed")
    return data


def load_ours(name):
    return "LoadModule %s_module %s/mod_%s.so\n" % (name, machine.BUILD, name)


def static(bench):
    """Static files: the module not loaded, loaded, on in the directory."""
    if not bench.with_ours:
        return
    def options(name):  # a section costs core something, so all have it
        return ('<Directory "%s/static">\n    Options +%s\n</Directory>\n'
                % (bench.ws.site, name))

    extras = {
        "not loaded": options("Indexes"),
        "off there": load_ours("runscripts") + options("Indexes"),
        "on there": load_ours("runscripts") + options("RunScripts"),
    }
    count = Series("instructions", False)
    for name, extra in extras.items():
        with bench.up(lambda ws, port, name=name, extra=extra: Counted(
                ws, "count " + name, port, extra=extra)) as (server,):
            count.add(name, server.count(STATIC, 200))
            bench.say("%s: %.0f instructions" % (name, count.median(name)))
    rate = Series("requests/s")
    # One child: how connections fall to two of them matters more than a
    # module does.
    with bench.up(*[lambda ws, port, name=name, extra=extra: Httpd(
            ws, name, port, extra=extra, threads=(1, 25))
            for name, extra in extras.items()]) as servers:
        def one(name, server):
            rate.add(name, measure.wrk(server.url(STATIC), 1, 8)[0])
            bench.say("%s: %.0f/s" % (name, rate.values[name][-1]))

        # One round says little: many short ones.
        bench.turns({s.name: s for s in servers}, one, times=5)
    bench.report.section(
        "Static file of 1 KiB, with mod_runscripts",
        table(["module", "instructions", "of not loaded", "requests/s",
               "of not loaded (by round)"],
              [[name, "%.0f" % count.median(name),
                "%.4f" % count.ratio(name, "not loaded")[0],
                "%.0f" % rate.median(name),
                "%.3f (%.3f - %.3f)" % rate.ratio(name, "not loaded")]
               for name in extras]))
    for word in "off", "on":
        bench.report.goal(
            "static file where RunScripts is %s, instructions" % word, count,
            word + " there", "not loaded", 1 / 0.98, at_least=False)
        bench.report.goal(
            "static file where RunScripts is %s, requests/s" % word, rate,
            word + " there", "not loaded", 0.98)


# ---- many routes ----------------------------------------------------------

def route_lines(kind, n, site):
    """Configuration of n routes /app1/PROGRAM ... /appN/PROGRAM."""
    lines = {
        "CGIRoute": lambda i: 'CGIRoute "^/app%d/([^/]+)" "\\1" "dir=%s/'
                              'cgi-bin"' % (i, site),
        "ScriptAliasMatch": lambda i: 'ScriptAliasMatch "^/app%d/([^/]+)" '
                                      '"%s/cgi-bin/$1"' % (i, site),
        "RewriteRule [PT]": lambda i: 'RewriteRule "^/app%d/([^/]+)" '
                                      '"/cgi-bin/$1" [PT]' % i,
        "LocationMatch": lambda i: '<LocationMatch "^/app%d/([^/]+)">\n'
                                   "    SetHandler cgi-script\n"
                                   "</LocationMatch>" % i,
    }[kind]
    before = {
        "CGIRoute": load_ours("cgiroute"),
        "ScriptAliasMatch": "",
        "RewriteRule [PT]": 'ScriptAlias "/cgi-bin/" "%s/cgi-bin/"\n'
                            "RewriteEngine On\n" % site,
        "LocationMatch": 'AliasMatch "^/app[0-9]+/([^/]+)" "%s/cgi-bin/$1"\n'
                         % site,
    }[kind]
    # Everything is refused, after the choice and before any script: what is
    # counted is the choice. All routes are made; the answer is 403.
    return before + DENIED + "\n".join(map(lines, range(1, n + 1))) + "\n"


def routed(kind, n, counted):
    """Maker of a server with n routes."""
    modules = ("rewrite",) if kind.startswith("Rewrite") else ()

    def make(ws, port):
        cls = Counted if counted else Httpd
        return cls(ws, "%s %d%s" % (kind, n, " counted" if counted else ""),
                   port, modules=modules,
                   extra=route_lines(kind, n, ws.site))

    return make


def places(n):
    return {"first": "/app1/hello-c", "middle": "/app%d/hello-c" % (n // 2),
            "last": "/app%d/hello-c" % n, "no match": "/other/hello-c"}


def routes(bench):
    """10 to 10,000 routes: what the choice of one costs."""
    kinds = ["ScriptAliasMatch", "RewriteRule [PT]", "LocationMatch"]
    if bench.with_ours:
        kinds.insert(0, "CGIRoute")
    cost = {kind: count_routes(bench, kind) for kind in kinds}
    bench.report.section(
        "Choice among many routes: instructions",
        "Instructions of a request above those of the same httpd without "
        "routes, which answers 403 as well.\n\n" +
        table(["routes", "place"] + kinds,
              [[n, place] + ["%.0f" % cost[kind][n][place] for kind in kinds]
               for n in SIZES for place in places(n)]))
    if bench.with_ours:
        route_goals(bench, cost)
    time_routes(bench, kinds)


def count_routes(bench, kind):
    """{number of routes: {place: instructions of the choice}}"""
    cost = {}
    with bench.up(routed(kind, 0, True)) as (server,):
        base = server.count("/other/hello-c", 403)
    for n in SIZES:
        with bench.up(routed(kind, n, True)) as (server,):
            cost[n] = {}
            for place, path in places(n).items():
                # Many, unless each takes half a second under valgrind.
                seen = server.count(path, 403, 20)
                if seen < 1000000:
                    seen = server.count(path, 403)
                cost[n][place] = seen - base
        bench.say("%s, %d: %s" % (kind, n, ", ".join(
            "%s %.0f" % item for item in cost[n].items())))
    return cost


def route_goals(bench, cost):
    """Against the best of the others, over the four places."""
    mean = {kind: sum(cost[kind][1000].values()) / 4 for kind in cost}
    series = Series("instructions", False)
    for kind, value in mean.items():
        series.add(kind, value)
    best = series.best([kind for kind in mean if kind != "CGIRoute"])
    bench.report.goal("choice among 1,000 routes, mean of the four places, "
                      "against the best other (%s)" % best,
                      series, "CGIRoute", best, 0.1, at_least=False)
    growth = Series("instructions", False)
    growth.add("10,000", sum(cost["CGIRoute"][10000].values()))
    growth.add("1,000", sum(cost["CGIRoute"][1000].values()))
    bench.report.goal("choice among 10,000 routes, against 1,000", growth,
                      "10,000", "1,000", 5, at_least=False)


def time_routes(bench, kinds):
    n = 1000
    with bench.up(*[routed(kind, n, False) for kind in kinds]) as servers:
        for place, path in places(n).items():
            series = Series("requests/s")

            def one(kind, server):
                series.add(kind, measure.wrk(
                    server.url(path), bench.seconds, 8, status=403)[0])
                bench.say("%s, %s: %.0f/s" % (kind, place,
                                              series.values[kind][-1]))

            bench.turns(dict(zip(kinds, servers)), one)
            bench.report.section(
                "1,000 routes, %s: requests per second (403)" % place,
                table(["kind", "requests/s", "CGIRoute / it (by round)"],
                      [[kind, "%.0f" % series.median(kind),
                        "" if not bench.with_ours else
                        "%.2f (%.2f - %.2f)" % series.ratio("CGIRoute",
                                                            kind)]
                       for kind in kinds]))


def hello_counts(bench, kinds, ready=None):
    """Instructions of httpd's worker for the small C program: of each name in
    kinds, whose values are settings of an httpd. ready: called with each
    server before."""
    count = Series("instructions", False)
    for name, settings in kinds.items():
        with bench.up(lambda ws, port, name=name, settings=settings: Counted(
                ws, "count " + name, port, **settings)) as (server,):
            if ready:
                ready(server)
            count.add(name, server.count(script_url(server, "hello-c"), 200))
            bench.say("%s: %.0f instructions" % (name, count.median(name)))
    return count


def instructions(bench):
    """Of httpd's worker, for a small response."""
    builds = {OURS: machine.BUILD}
    if bench.against:
        builds[BEFORE] = bench.against
    count = hello_counts(bench, {
        name: {"cgi": "runscripts", "build": build}
        for name, build in builds.items()})
    bench.report.series("Small response, C program: instructions of httpd",
                        count)


def status(bench):
    """What the status page's counting costs a small response. Nothing in the
    configuration ends it; httpd goes on without it where its memory, 6 MB
    with 150 threads, can't be had."""
    settings = {"cgi": "runscripts", "extra": (
        '<Location "/cgi-status">\n    SetHandler cgi-status\n'
        "</Location>\n")}
    kinds = {OURS: settings, UNCOUNTED: dict(settings, file_size=4 << 20)}

    def is_counted(server):
        """Does it do what it is here for?"""
        code = measure.run("curl", "-s", "-o", "/dev/null", "-w",
                           "%{http_code}", server.url("/cgi-status?auto"))
        if code != ("503" if server.file_size else "200"):
            raise ServerError("%s: the status page answers %s" % (
                server.name, code))

    rate = hello_rates(bench, "status", [
        httpd(name, **how) for name, how in kinds.items()], is_counted, times=4)
    bench.report.series("Counting for the status page, C program: rate", rate)
    bench.report.goal("counting for the status page, rate, against without",
                      rate, OURS, UNCOUNTED, 0.99)
    count = hello_counts(bench, kinds, is_counted)
    bench.report.series("Counting for the status page, C program: "
                        "instructions of httpd", count)


ROWS = {"static": static, "routes": routes, "status": status}
EXTRA_ROWS = {"instructions": instructions}
