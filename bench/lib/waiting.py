# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Many requests that wait, in httpd of two children with 25 threads each: how
many can, what each costs, and what is left for other requests meanwhile."""

import contextlib
import resource

from . import measure
from .report import Series
from .rows import OURS, httpd, ours, script_url
from .servers import Lighttpd, ServerError

NONE_WAIT = OURS + ", none waits"
OFF = OURS + ", CGIPark off"
OFF_NONE_WAIT = OFF + ", none waits"
CGID = "mod_cgid"
CGID_ALL = CGID + ", a thread for each"
PEER = "lighttpd"

THREADS = (2, 25)
RATE = 500  # new requests a second
FILE = "/static/file.html"


def need_descriptors(count):
    """Whatever is started from here on may have so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard != resource.RLIM_INFINITY:
        hard = max(hard, count)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    except (ValueError, OSError):
        raise ServerError("the limit of descriptors must be %d; see ulimit "
                          "-n" % count) from None


def settings(count, more=""):
    # One child gets more connections than the other, and not all threads are
    # idle.
    return ("ListenBacklog 4096\nAsyncRequestWorkerFactor %d\n"
            "CGITimeout idle=30min\n%s" % (count // 10, more))


def park(name, count, more=""):
    return httpd(name, cgi="runscripts", threads=THREADS,
                 extra=settings(count, more))


def cgid(name, threads):
    return httpd(name, cgi="cgid", threads=threads, extra=(
        "ListenBacklog 4096\nCGIDScriptTimeout 1800\n"))


def lighttpd(name, count):
    return lambda ws, port: Lighttpd(ws, name, port,
                                     connections=count + 100)


def how_many(bench, count):
    """Each server alone: how many wait, and what each of those costs."""
    makers = ours(bench, park(OURS, count), park(OFF, count, "CGIPark off\n"))
    makers.append(cgid(CGID, THREADS))
    if count <= 4000:
        makers.append(cgid(CGID_ALL, (4, count // 4 + 25)))
    makers.append(lighttpd(PEER, count))
    together = Series("scripts at once")
    kib = Series("KiB per waiting request", False, 1)
    bad = Series("answers failed, wrong or lost", False)
    late = Series("ms late, 99th percentile", False, 1)
    static = {}
    for _ in range(max(1, min(3, bench.rounds))):
        for make in makers:
            with bench.up(make) as (server,):
                seen = one_alone(server, count)
                bench.say("%d that wait, %s: %s" % (count, server.name, seen))
                together.add(server.name, seen["together"])
                kib.add(server.name, seen["kib"])
                static.setdefault(server.name, []).append(seen["static"])
                if "right" in seen:
                    bad.add(server.name, count - seen["right"])
                    late.add(server.name, seen["p99"] / 1e3)
    title = "%d requests that wait: " % count
    bench.report.series(title + "how many do", together, (
        "httpd with 2 children of 25 threads; %s: with 4 children that have "
        "a thread for each. A static file meanwhile: %s." % (
            CGID_ALL, "; ".join("%s %s" % (
                name, "is answered" if all(answers)
                else "has no answer within 3 s")
                for name, answers in static.items()))))
    bench.report.series(title + "memory for each", kib)
    bench.report.series(title + "answers that are not right", bad, (
        "Each is compared with what its own request asked for. Servers in "
        "which not all wait at once are not in the table."))
    bench.report.series(title + "how late the answer is", late, (
        "After the script's sleep has ended, %d a second." % RATE))
    bench.report.goal("%d wait, at once" % count, together, OURS, None, count)
    bench.report.goal("%d wait, failed, wrong or lost" % count, bad, OURS,
                      None, 0, at_least=False)
    for peer in (CGID, CGID_ALL):
        if peer in kib.values:
            bench.report.goal(
                "%d wait, memory for each, against %s" % (count, peer), kib,
                OURS, peer, 0.5, at_least=False)
    bench.report.goal("%d wait, memory for each" % count, kib, OURS, None, 12,
                      at_least=False)


def one_alone(server, count):
    # What a server needs for its first requests, it needs once.
    for _ in range(20):
        measure.check(server, script_url(server, "hello-c"), "hello")
    before = server.anonymous_kib()
    with measure.Waiters(server, script_url(server, "waits"), count, RATE,
                         2 * count / RATE + 15, count / RATE) as waiters:
        together = waiters.gather()
        kib = server.anonymous_kib() - before
        seen = {"together": together, "kib": kib / max(1, together),
                "static": measure.answers_within(server, FILE, 3)}
        if together == count:
            seen.update(waiters.result())
    return seen


def what_is_left(bench, count):
    """Other requests while so many wait, beside servers in which none do."""
    busy = ours(bench, park(OURS, count)) + [lighttpd(PEER, count)]
    makers = busy + ours(bench, park(NONE_WAIT, count), park(
        OFF_NONE_WAIT, count, "CGIPark off\n"))
    makers.append(lighttpd(PEER + ", none waits", count))
    kinds = (("a file of 1 KiB", lambda server: FILE),
             ("the C program",
              lambda server: script_url(server, "hello-c")))
    begin = len(busy) * (2 * count / RATE + 15)
    seconds = begin + len(kinds) * bench.rounds * len(makers) * (
        bench.seconds + 1)
    title = "While %d requests wait: " % count
    with bench.up(*makers) as servers, contextlib.ExitStack() as stack:
        waiters = []
        for server in servers[:len(busy)]:
            waiters.append(stack.enter_context(measure.Waiters(
                server, script_url(server, "waits"), count, RATE, seconds,
                2 * count / RATE)))
            seen = waiters[-1].gather()
            if seen < count:
                raise measure.WrongAnswer("%s: only %d wait\n%s" % (
                    server.name, seen, server.complaint()))
        for label, path in kinds:
            series = Series("requests/s")

            def one(name, server, series=series, path=path, label=label):
                series.add(name, measure.wrk(server.url(path(server)),
                                             bench.seconds, 8)[0])
                bench.say("%s, %s: %.0f/s" % (label, name,
                                              series.values[name][-1]))

            bench.turns({s.name: s for s in servers}, one)
            bench.report.series(title + label, series)
            if path(servers[0]) == FILE:
                bench.report.goal(
                    "%d wait, %s, against none that waits" % (count, label),
                    series, OURS, NONE_WAIT, 0.9)
        bench.report.goal(
            "small request, CGIPark 50ms against off, none waits", series,
            NONE_WAIT, OFF_NONE_WAIT, 0.99)
        for some in waiters:
            if some.running() < count:
                raise measure.WrongAnswer("%s: some that waited have ended "
                                          "too early" % some.server.name)
        for some in waiters:
            seen = some.result()
            bench.say("%s: %s" % (some.server.name, seen))
            if seen["right"] != count:
                raise measure.WrongAnswer("%s: %s" % (some.server.name, seen))


def waiting(bench, count=2000):
    need_descriptors(10 * count)
    how_many(bench, count)
    what_is_left(bench, count)


def waiting_10000(bench):
    waiting(bench, 10000)


ROWS = {"waiting": waiting}
EXTRA_ROWS = {"waiting-10000": waiting_10000}
