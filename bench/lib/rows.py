# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The rows of the table: which servers, which load, which goal.

Each row is a function that takes a Bench, starts the servers it needs, lets
them take turns, and writes its section and its goals into the report."""

import contextlib
import os
import random

from . import machine, measure
from .report import Series
from .servers import Httpd, Lighttpd, Nginx, Pump

OURS = "runscripts"
ROUTE = "cgiroute"
BEFORE = "the other build"
FLOOR = "httpd alone"
LIMIT = "limit"
SPLICED = LIMIT + ", splice()"
GIB = 1 << 30


class Bench:
    """Settings of a run, and the servers that are up."""

    def __init__(self, workspace, report, options):
        self.ws = workspace
        self.report = report
        self.rounds = options.rounds
        self.seconds = options.seconds
        self.bytes = options.megabytes << 20
        self.base_port = options.port
        self.with_ours = not options.peers_only
        self.against = options.against

    def say(self, text):
        print("   " + text, flush=True)

    @contextlib.contextmanager
    def up(self, *makers):
        """Start servers, each made by maker(workspace, port); two ports
        each. Stops them at the end, whatever happens."""
        servers = []
        try:
            for i, make in enumerate(makers):
                server = make(self.ws, self.base_port + 2 * i)
                servers.append(server)
                server.start()
            yield servers
        finally:
            for server in servers:
                server.stop()

    def turns(self, contenders, one, times=1):
        """`rounds` times `times` rounds in which each contender has one turn.
        The order is another one in each, but the same in each run: what one
        leaves behind (memory, caches) is not always the same one's."""
        names = list(contenders)
        order = random.Random(1)
        for _ in range(self.rounds * times):
            order.shuffle(names)
            for name in names:
                one(name, contenders[name])


def httpd(name, **settings):
    return lambda ws, port: Httpd(ws, name, port, **settings)


def lighttpd(name="lighttpd"):
    return lambda ws, port: Lighttpd(ws, name, port)


def nginx(name="nginx+fcgiwrap", wraps=16):
    return lambda ws, port: Nginx(ws, name, port, wraps=wraps)


def script_url(server, name):
    """The path of a program as this server is configured to find it."""
    if getattr(server, "cgi", None) == "runscripts":
        return "/doit/" + name
    return "/cgi-bin/" + name


def ours(bench, *makers):
    return list(makers) if bench.with_ours else []


def everyone(bench, mod_cgi=True):
    makers = ours(bench, httpd(OURS, cgi="runscripts"))
    if bench.against:
        return makers + [httpd(BEFORE, cgi="runscripts", build=bench.against)]
    makers.append(httpd("mod_cgid", cgi="cgid"))
    if mod_cgi:
        makers += [httpd("mod_cgi prefork", cgi="cgi", mpm="prefork"),
                   httpd("mod_cgi event", cgi="cgi")]
    return makers + [lighttpd(), nginx()]


def small(bench):
    """Small responses of three programs, eight keep-alive connections."""
    goals = {
        "hello-c": ("C program", {"mod_cgid": 1.5, "mod_cgi prefork": 5,
                                  "mod_cgi event": 5, "lighttpd": 1.15,
                                  "nginx+fcgiwrap": 1.3, LIMIT: 0.75}),
        "hello-sh": ("sh script", {"mod_cgid": 1.5, "lighttpd": 1.2,
                                   LIMIT: 0.75}),
        "hello-pl": ("perl script", {"mod_cgid": 1.25, "lighttpd": 1.05,
                                     LIMIT: 0.85}),
    }
    with bench.up(*everyone(bench)) as servers:
        for program, (label, bounds) in goals.items():
            contenders = {}
            for server in servers:
                url = script_url(server, program)
                measure.check(server, url, "hello")
                contenders[server.name] = server.url(url)
                if server.name == OURS and machine.built("mod_cgiroute.so"):
                    measure.check(server, "/cgi-bin/" + program, "hello")
                    contenders[ROUTE] = server.url("/cgi-bin/" + program)
            contenders[LIMIT] = os.path.join(bench.ws.site, "cgi-bin",
                                               program)
            series = Series("requests/s")

            def one(name, where):
                if name == LIMIT:
                    series.add(name, measure.spawn_loop(
                        bench.ws, where, bench.seconds, os.cpu_count()))
                else:
                    series.add(name, measure.wrk(where, bench.seconds, 8)[0])
                bench.say("%s, %s: %.0f/s" % (label, name,
                                              series.values[name][-1]))

            bench.turns(contenders, one, times=2)
            bench.report.series(
                "Small response, %s, 8 keep-alive connections" % label,
                series, "limit: posix_spawn of the same program in a loop on "
                "every core, no HTTP.")
            for peer, bound in bounds.items():
                bench.report.goal("%s, 8 connections, against %s" % (
                    label, peer), series, OURS, peer, bound)


def latency(bench):
    """One connection: median and 99th percentile."""
    p50 = Series("ms, median", False, 3)
    p99 = Series("ms, 99th percentile", False, 3)
    with bench.up(*everyone(bench)) as servers:
        contenders = {s.name: s.url(script_url(s, "hello-c"))
                      for s in servers}
        for server in servers:
            measure.check(server, script_url(server, "hello-c"), "hello")

        def one(name, url):
            _, median, late = measure.wrk(url, bench.seconds, 1)
            p50.add(name, median * 1e3)
            p99.add(name, late * 1e3)
            bench.say("one connection, %s: %.3f ms, %.3f ms" % (
                name, median * 1e3, late * 1e3))

        bench.turns(contenders, one, times=2)
    bench.report.series("One connection, C program: median time", p50)
    bench.report.series("One connection, C program: 99th percentile", p99)
    for series, label in ((p50, "median"), (p99, "99th percentile")):
        bench.report.goal("one connection, %s, against mod_cgid" % label,
                          series, OURS, "mod_cgid", 0.75, at_least=False)
        bench.report.goal("one connection, %s, against lighttpd" % label,
                          series, OURS, "lighttpd", 1.0, at_least=False)


def hello_rates(bench, row, makers, ready=None, times=1):
    """Requests per second of the small C program, over 8 connections.
    ready: called with each server before."""
    series = Series("requests/s")
    with bench.up(*makers) as servers:
        for server in servers:
            if ready:
                ready(server)
            measure.check(server, script_url(server, "hello-c"), "hello")

        def one(name, server):
            series.add(name, measure.wrk(
                server.url(script_url(server, "hello-c")), bench.seconds,
                8)[0])
            bench.say("%s, %s: %.0f/s" % (row, name,
                                          series.values[name][-1]))

        bench.turns({s.name: s for s in servers}, one, times)
    return series


def ballast(bench):
    """httpd with 300 MB resident in each child."""
    heavy = " + 300 MB"
    makers = ours(bench, httpd(OURS, cgi="runscripts"),
                  httpd(OURS + heavy, cgi="runscripts", ballast=300))
    makers += [httpd("mod_cgid", cgi="cgid"),
               httpd("mod_cgid" + heavy, cgi="cgid", ballast=300),
               httpd("mod_cgi event", cgi="cgi"),
               httpd("mod_cgi event" + heavy, cgi="cgi", ballast=300)]
    series = hello_rates(bench, "ballast", makers)
    bench.report.series("300 MB resident in each httpd child, C program",
                        series)
    bench.report.goal("with 300 MB in each child, against without", series,
                      OURS + heavy, OURS, 0.97)


def sandbox(bench):
    """What CGISandbox costs a small program."""
    shut = {OURS + ", sandbox": "CGISandbox on net=none\n",
            OURS + ", sandbox, no tmp": "CGISandbox on net=none tmp=none\n"}
    makers = ours(bench, httpd(OURS, cgi="runscripts"),
                  *(httpd(name, cgi="runscripts", extra=line)
                    for name, line in shut.items()))
    series = hello_rates(bench, "sandbox", makers)
    bench.report.series("In a sandbox, C program", series)


def bulk(bench):
    """One large response; one large upload with length and chunked."""
    size = bench.bytes >> 20
    works = (
        ("response", "Response of %d MiB from head -c" % size, "big"),
        ("length", "Upload of %d MiB to wc -c, Content-Length" % size,
         "count"),
        ("chunked", "Upload of %d MiB to wc -c, chunked" % size,
         "count-chunked"),
    )
    figures = {kind: (Series("MiB/s"), Series("CPU seconds", False, 2))
               for kind, _, _ in works}
    orders = [everyone(bench) +
              [lambda ws, port: Pump(ws, LIMIT, port)]]
    if bench.against:
        # Of two servers that are the same, the one that was started first
        # may be slower by a fifth: each is the first one as often.
        orders.append(orders[0][1::-1] + orders[0][2:])
    for makers in orders:
        with bench.up(*makers) as servers:
            for kind, _, program in works:
                contenders = {s.name: (s, script_url(s, program))
                              for s in servers}
                if kind != "chunked":
                    contenders[SPLICED] = (servers[-1], "/splice")
                elif bench.with_ours:
                    # Without waiting for the length, as mod_cgi does it.
                    contenders[OURS + ", stream"] = (
                        contenders[OURS][0], "/stream/" + program)
                transfers(bench, kind, contenders, *figures[kind])
    for kind, label, _ in works:
        bulk_report(bench, kind, label, *figures[kind])


def transfers(bench, kind, contenders, speed, cpu):
    """Turns of one kind of large transfer: adds to the two series."""
    def one(name, where):
        server, path = where
        if kind == "response":
            arguments = ["get", "%s?%d" % (path, bench.bytes)]
            wanted = {"expected_bytes": bench.bytes}
        else:
            arguments = ["put", path, str(bench.bytes), kind]
            wanted = {"expected_text": str(bench.bytes)}
        seconds, used = measure.transfer(server, arguments, **wanted)
        speed.add(name, (bench.bytes >> 20) / seconds)
        cpu.add(name, used)
        bench.say("%s, %s: %.0f MiB/s, %.2f s of CPU" % (
            kind, name, speed.values[name][-1], used))

    bench.turns(contenders, one, times=2)


def bulk_report(bench, kind, label, speed, cpu):
    response = kind == "response"
    note = (
        "limit: the body decoded into a file in large pieces, which is "
        "the program's stdin then, no HTTP server." if kind == "chunked" else
        "limit: the same program on a bare pipe and socket, copied in "
        "pieces of 256 KiB, no HTTP server; and moved without a copy.")
    bench.report.series(label + ": throughput", speed, note)
    bench.report.series(label + ": processor time of server and script", cpu,
                        note)
    peers = [n for n in speed.values
             if not n.startswith((OURS, LIMIT))]
    best_speed, best_cpu = speed.best(peers), cpu.best(peers)
    for name in [OURS] + [n for n in speed.values
                          if n.startswith(OURS + ",")]:
        shown = label + ("" if name == OURS else name[len(OURS):])
        bench.report.goal(
            "%s, throughput, against the best peer (%s)" % (
                shown, best_speed),
            speed, name, best_speed, 1.5 if response else 1.0)
        bench.report.goal(
            "%s, CPU, against the best peer (%s)" % (shown, best_cpu),
            cpu, name, best_cpu, 0.7 if response else 0.9, at_least=False)


def sleeping(bench):
    """400 connections, each a script that sleeps 2 s; memory."""
    count = 400
    threads = (4, 110)
    nap = httpd(FLOOR, threads=threads, ballast=1, extra=(
        '<Location "/nap">\n    SetHandler bench-nap\n'
        "    Require all granted\n</Location>\n"))
    makers = ours(bench, httpd(OURS, cgi="runscripts", threads=threads))
    makers += [httpd("mod_cgid", cgi="cgid", threads=threads), lighttpd(),
               nginx(wraps=count), nap]
    seconds = Series("s until all are answered", False, 2)
    failed = Series("failed", False)
    together = Series("scripts at once")
    kib = Series("KiB per waiting request", False, 1)
    above = Series("KiB above " + FLOOR, False, 1)
    rest = Series("KiB resident, at rest", False)
    busy = Series("KiB resident, with %d scripts in all" % count, False)
    for _ in range(max(1, min(3, bench.rounds))):
        # Started anew each time: what memory a server keeps afterwards
        # would hide what the next round needs.
        for make in makers:
            with bench.up(make) as (server,):
                path = "/nap" if server.name == FLOOR else script_url(
                    server, "sleep")
                measure.check(server, path, "hello")
                for size in launcher_sizes(server):
                    rest.add(OURS, size)
                seen = measure.sleepers(server, path, count)
                bench.say("400 sleepers, %s: %s" % (server.name, seen))
                seconds.add(server.name, seen["seconds"])
                failed.add(server.name, seen["failed"])
                if server.name != FLOOR:
                    together.add(server.name, seen["together"])
                kib.add(server.name, seen["kib"])
                for size in launcher_sizes(server):
                    busy.add(OURS, size)
        for name in (OURS, "mod_cgid"):
            if name in kib.values:
                above.add(name, kib.values[name][-1] - kib.values[FLOOR][-1])
    bench.report.section(
        "400 connections, each a script that sleeps 2 s",
        "httpd with %d children of %d threads, started at the beginning; "
        "nginx with %d fcgiwrap. %s: a handler that sleeps and does nothing "
        "else, what any waiting request of httpd needs." % (
            threads + (count, FLOOR)))
    for title, series in (
            ("time", seconds), ("failed requests", failed),
            ("scripts running at the same time", together),
            ("memory for each waiting request", kib),
            ("memory above that of any waiting request", above)):
        bench.report.series("400 sleepers: " + title, series)
    bench.report.goal("400 sleepers, running at once", together, OURS, None,
                      count)
    bench.report.goal("400 sleepers, failed", failed, OURS, None, 0,
                      at_least=False)
    bench.report.goal("400 sleepers, memory, against mod_cgid", kib, OURS,
                      "mod_cgid", 0.5, at_least=False)
    bench.report.goal("400 sleepers, memory above a handler that only "
                      "sleeps, against mod_cgid", above, OURS, "mod_cgid",
                      0.5, at_least=False)
    bench.report.goal("memory for each running script on the server's side",
                      kib, OURS, None, 64, at_least=False)
    if bench.with_ours:
        bench.report.series("Launcher, at rest", rest)
        bench.report.series("Launcher, after 400 scripts", busy)
    bench.report.goal("launcher, resident memory at rest", rest, OURS, None,
                      1536, at_least=False)
    bench.report.goal("launcher, resident memory after 400 scripts at once",
                      busy, OURS, None, 1536, at_least=False)


def launcher_sizes(server):
    """Resident KiB of each launcher process."""
    sizes = []
    for pid in server.server_pids("cgi-launcher"):
        with open("/proc/%d/status" % pid, encoding="ascii") as f:
            for line in f:
                if line.startswith("VmRSS:"):
                    sizes.append(int(line.split()[1]))
    return sizes


def streaming(bench):
    """Server-sent events, one line per 10 ms: delay of each."""
    in_threads = OURS + ", CGIPark off"
    makers = ours(bench, httpd(OURS, cgi="runscripts", tls=True),
                  httpd(in_threads, cgi="runscripts", tls=True,
                        extra="CGIPark off\n"))
    makers += [httpd("mod_cgid", cgi="cgid", tls=True), lighttpd(), nginx()]
    kinds = {"h1": {}, "TLS": {"tls": True},
             "h2": {"tls": True, "http2": True}}
    with bench.up(*makers) as servers:
        for kind, how in kinds.items():
            p50 = Series("us, median", False)
            p99 = Series("us, 99th percentile", False)

            def one(name, server):
                median, late = measure.events(
                    server, script_url(server, "stamps"), **how)
                p50.add(name, median)
                p99.add(name, late)
                bench.say("events, %s, %s: %.0f us, %.0f us" % (
                    kind, name, median, late))

            bench.turns({s.name: s for s in servers}, one)
            bench.report.series("Server-sent events, %s: median delay" % kind,
                                p50)
            bench.report.series(
                "Server-sent events, %s: 99th percentile" % kind, p99)
            bench.report.goal("server-sent events, %s, median delay" % kind,
                              p50, OURS, None, 1000, at_least=False)
            for series, label in ((p50, "median delay"),
                                  (p99, "99th percentile")):
                bench.report.goal(
                    "server-sent events, %s, %s, against lighttpd" % (
                        kind, label), series, OURS, "lighttpd", 1.1,
                    at_least=False)


def http2(bench):
    """HTTP/2 over TLS, one connection with eight streams."""
    makers = ours(bench, httpd(OURS, cgi="runscripts", tls=True))
    makers += [httpd("mod_cgid", cgi="cgid", tls=True), lighttpd(), nginx()]
    series = Series("requests/s")
    with bench.up(*makers) as servers:
        for server in servers:
            measure.check(server, script_url(server, "hello-c"), "hello",
                          tls=True)

        def one(name, server):
            series.add(name, measure.h2load(
                server.url(script_url(server, "hello-c"), tls=True),
                seconds=bench.seconds, streams=8)[0])
            bench.say("h2, %s: %.0f/s" % (name, series.values[name][-1]))

        bench.turns({s.name: s for s in servers}, one)
    bench.report.series("HTTP/2 over TLS, one connection, 8 streams, "
                        "C program", series)
    bench.report.goal("HTTP/2, 8 streams, against mod_cgid", series, OURS,
                      "mod_cgid", 1.5)


ROWS = {"small": small, "latency": latency, "ballast": ballast,
        "sandbox": sandbox, "bulk": bulk,
        "sleeping": sleeping, "streaming": streaming, "http2": http2}
