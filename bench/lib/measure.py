# Licensed under the Apache License, Version 2.0; see LICENSE.
"""One measurement each: a load on one server, and the figures it gave.

Every function checks that the answers were right; a wrong answer raises
WrongAnswer, so that a server can't be fast by failing."""

import os
import re
import statistics
import subprocess
import threading
import time

from .servers import program_of


class WrongAnswer(Exception):
    """The server answered, but not with what the script wrote."""


UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def run(*command, timeout=300):
    done = subprocess.run(command, text=True, timeout=timeout, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise WrongAnswer("%s: exit status %d: %s" % (
            os.path.basename(command[0]), done.returncode,
            done.stdout.strip()[-500:]))
    return done.stdout


def check(server, path, expected, tls=False, status="200"):
    """One request with curl; the body must be what the script writes."""
    for attempt in range(100):
        try:
            out = run("curl", "-sk", "-m", "20", "-w", "\n%{http_code}",
                      server.url(path, tls))
        except WrongAnswer:
            out = "\nno answer"
        body, code = out.rsplit("\n", 1)
        if code == status and body.strip() == expected:
            return
        if code not in ("no answer", "502", "503"):
            break
        time.sleep(0.1)  # fcgiwrap may still be about to listen
    raise WrongAnswer("%s %s: %s, %r (wanted %s, %r)\n%s" % (
        server.name, path, code, body[:200], status, expected,
        server.complaint()))


def spread(unit_value):
    value, unit = re.fullmatch(r"([\d.]+)([a-z]+)", unit_value).groups()
    return float(value) * UNITS[unit]


def wrk(url, seconds, connections, status=200):
    """Keep-alive connections: (requests per second, p50 and p99 seconds)."""
    out = run("wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds,
              "--latency", "--timeout", "20s", url)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    total = int(re.search(r"(\d+) requests in", out).group(1))
    errors = re.search(r"Socket errors: (.*)", out)
    if errors or not total:
        raise WrongAnswer("wrk %s: %s" % (url, out))
    if (int(bad.group(1)) if bad else 0) != (total if status >= 400 else 0):
        raise WrongAnswer("wrk %s: %s" % (url, out))
    found = re.search(r"(?s)\s50%\s+([\d.]+[a-z]+)\s.*\s99%\s+([\d.]+[a-z]+)\s"
                      r".*Requests/sec:\s+([\d.]+)", out)
    if not found:
        raise WrongAnswer("wrk %s: %s" % (url, out))
    return float(found.group(3)), spread(found.group(1)), spread(found.group(2))


def spawn_loop(workspace, program, seconds, processes):
    """Starts of the program per second without any server."""
    return float(run(os.path.join(workspace.bin, "spawnloop"), str(seconds),
                     str(processes), program))


def transfer(server, arguments, expected_bytes=None, expected_text=None):
    """One large transfer: (seconds, processor seconds of the server)."""
    before = server.cpu_seconds()
    out = run(os.path.join(server.ws.bin, "xfer"), arguments[0], "127.0.0.1",
              str(server.port), *arguments[1:])
    status, body, seconds, text = (out.rstrip("\n") + " ").split(" ", 3)
    if (status != "200" or expected_bytes not in (None, int(body)) or
            expected_text not in (None, text.strip())):
        raise WrongAnswer("%s: %s" % (server.name, out))
    time.sleep(0.3)  # the script is waited for, its time is counted
    return float(seconds), server.cpu_seconds() - before


def events(server, path, tls=False, http2=False):
    """Delay of server-sent events, microseconds: (median, p99)."""
    with subprocess.Popen(
            ["curl", "-skN", "-m", "30",
             "--http2" if http2 else "--http1.1", server.url(path, tls)],
            stdout=subprocess.PIPE) as curl:
        out = subprocess.run([os.path.join(server.ws.bin, "stamps"), "read"],
                             stdin=curl.stdout, text=True, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if out.returncode:
        raise WrongAnswer("%s: %s" % (server.name, out.stdout.strip()))
    return tuple(map(float, out.stdout.split()[1:3]))


def h2load(url, requests=None, seconds=None, clients=1, streams=1, http1=False):
    """(requests per second, slowest request in seconds). All must be 2xx."""
    command = ["h2load", "-t1", "-c%d" % clients, "-m%d" % streams]
    if http1:
        command.append("--h1")
    if requests:
        command.append("-n%d" % requests)
    else:
        command += ["-D%d" % seconds]
    out = run(*command, url)
    asked = re.search(r"requests: (\d+) total, (\d+) started, (\d+) done, "
                      r"(\d+) succeeded, (\d+) failed", out)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, "
                      r"(\d+) 5xx", out)
    succeeded = int(asked.group(4))
    if requests and succeeded != requests or int(asked.group(5)) or any(
            int(codes.group(i)) for i in (2, 3, 4)) or not succeeded:
        raise WrongAnswer("h2load %s: %s" % (url, out))
    rate = float(re.search(r"finished in \S+, ([\d.]+) req/s", out).group(1))
    slowest = re.search(r"time for request:\s+\S+\s+(\S+)", out).group(1)
    return rate, spread(slowest)


def sleepers(server, path, count):
    """count connections at once, each a request that takes 2 s.

    Returns a dict: seconds until all were answered, failed requests, scripts
    seen running at the same time, KiB of memory per waiting request in all
    of the server's processes, measured in the middle of the sleep."""
    before = server.anonymous_kib()
    result = {}

    def load():
        begin = time.monotonic()
        out = subprocess.run(
            ["h2load", "--h1", "-t1", "-c%d" % count, "-n%d" % count,
             server.url(path)], text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        result["seconds"] = time.monotonic() - begin
        good = re.search(r"status codes: (\d+) 2xx", out)
        result["failed"] = count - int(good.group(1)) if good else count

    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(1.5)
    kib = server.anonymous_kib() - before
    together = 0
    while thread.is_alive():
        together = max(together,
                       sum(map(_is_sleeper, server.pids())))
        time.sleep(0.1)
    thread.join()
    result.update(together=together, kib=kib / count)
    return result


def held(server, path, count, go):
    """count connections at once, each with a script that runs until the file
    `go` is there.

    Returns KiB of memory per script in all of the server's processes."""
    if os.path.exists(go):
        os.unlink(go)
    before = server.memory_kib()
    load = subprocess.Popen(
        ["h2load", "--h1", "-t1", "-c%d" % count, "-n%d" % count,
         server.url(path)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    name = os.path.basename(path.partition("?")[0]).encode()
    until = time.monotonic() + 60
    kib = last = -1
    try:
        # All run, and none of them grows any more.
        while time.monotonic() < until:
            time.sleep(1)
            here = sum(map(lambda pid: _has_word(pid, name), server.pids()))
            last, kib = kib, server.memory_kib()
            if here == count and abs(kib - last) <= kib / 200:
                break
        else:
            raise WrongAnswer("%s: %d of %d scripts wait" % (
                server.name, here, count))
    finally:
        with open(go, "wb"):
            pass
        out = load.communicate()[0]
        os.unlink(go)
    if "status codes: %d 2xx" % count not in out:
        raise WrongAnswer("h2load %s: %s" % (path, out))
    return (kib - before) / count


class Waiters:
    """count connections at once, each with a request for a script that waits
    (src/waiters.c). They come at `rate` a second; the first is answered
    `seconds` after the start, the last when `spread` more are over.

        with Waiters(server, path, 2000, 500, 60, 4) as waiters:
            waiters.gather()    # how many scripts run
            ...
            waiters.result()    # waits for the end
    """

    def __init__(self, server, path, count, rate, seconds, spread):
        self.server = server
        self.path = path
        self.numbers = (count, rate, seconds, spread)

    def __enter__(self):
        count, rate, seconds, spread = self.numbers
        self.due = time.monotonic() + seconds
        self.load = subprocess.Popen(
            [os.path.join(self.server.ws.bin, "waiters"), "127.0.0.1",
             str(self.server.port), self.path, str(count), str(rate),
             str(seconds), str(spread)], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.load.kill()
        self.load.wait()
        self.load.stdout.close()

    def running(self):
        return sum(program_of(pid).startswith("waits")
                   for pid in self.server.pids())

    def gather(self):
        """Wait until all scripts run, or no more come: how many run."""
        count, rate = self.numbers[:2]
        time.sleep(count / rate)
        seen, since = self.running(), time.monotonic()
        while seen < count and time.monotonic() < since + 3:
            time.sleep(0.2)
            now = self.running()
            if now > seen:
                seen, since = now, time.monotonic()
        if time.monotonic() > self.due:
            raise WrongAnswer("%s: too slow, the first script has ended "
                              "before the last was there" % self.server.name)
        return seen

    def result(self):
        """A dict: how many were right, failed, wrong, lost; and by how many
        microseconds answers were late: median, p99."""
        out = self.load.communicate()[0]
        if self.load.returncode:
            raise WrongAnswer("waiters: " + out.strip())
        names = ("right", "failed", "wrong", "lost", "median", "p99")
        return dict(zip(names, map(int, out.split()[-6:])))


def answers_within(server, path, seconds):
    """Is one request answered in that time?"""
    return subprocess.run(
        ["curl", "-sf", "-o", "/dev/null", "-m", str(seconds),
         server.url(path)], check=False).returncode == 0


def _is_sleeper(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read() == b"sleep\x002\x00"
    except OSError:
        return False


def _has_word(pid, name):
    """Is a word of its command line a path to such a file?"""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return any(word.rpartition(b"/")[2].startswith(name)
                       for word in f.read().split(b"\0"))
    except OSError:
        return False


def median(values):
    return statistics.median(values)
