# Licensed under the Apache License, Version 2.0; see LICENSE.
"""Where the time of a small request goes: system calls and microseconds of
processor time by stage, ours and mod_cgid's. The table in README.md is made
with `bench/run budget`, which needs root, strace and perf (linux-perf)."""

import collections
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from . import measure
from .report import table
from .rows import OURS, httpd, script_url
from .servers import program_of

TRACED = 200  # requests under strace

# Stage by role and system call; what is not named is "other".
STAGES = {
    "worker": (
        ("the URL's files", "newfstatat stat lstat openat getdents64"),
        ("pipes, request to the launcher or daemon",
         "socketpair pipe2 pipe fcntl sendmsg socket connect sendto memfd"),
        ("waiting for the script", "ppoll poll select"),
        ("reading from client, script, launcher",
         "read readv recvfrom recvmsg"),
        ("writing the answer", "writev write sendfile64"),
        ("closing", "close shutdown"),
        ("threads and keep-alive",
         "futex epoll_wait epoll_ctl times accept4 setsockopt getsockname"),
    ),
    "launcher": (
        ("taking the request", "epoll_wait poll ppoll accept accept4 "
                               "recvmsg read recvfrom select"),
        ("starting the script", "vfork clone clone3 fork pipe2 epoll_ctl "
                                "rt_sigprocmask mmap munmap"),
        ("telling the worker", "sendto write writev sendmsg"),
        ("waiting for its end", "wait4 waitid rt_sigreturn kill"),
        ("closing", "close"),
    ),
}
ORDER = ("worker", "launcher", "child", "script")
TITLES = {"worker": "httpd", "launcher": "launcher or daemon",
          "child": "the new process before exec", "script": "the C program"}
PREFIX = re.compile(r"^(__x64_sys_|__se_sys_|__do_sys_|__sys_|ksys_|"
                    r"kernel_|do_)+")


def stage_of(role, call):
    if call == "user":
        return "user code"
    for stage, calls in STAGES.get(role, ()):
        if call in calls.split():
            return stage
    return "other" if role in STAGES else "all"


class Roles:
    """Which process is what. Threads count as their process."""

    def __init__(self, server):
        root = server.roots[0].pid
        self.role = {root: "parent"}
        for pid in server.server_pids():
            if pid == root:
                continue
            with open("/proc/%d/task/%d/status" % (pid, pid),
                      encoding="ascii") as f:
                threads = int(re.search(r"Threads:\s+(\d+)",
                                        f.read()).group(1))
            # httpd's workers have threads; mod_cgid's daemon has none.
            self.role[pid] = "worker" if (
                program_of(pid) == "apache2" and threads > 1) else "launcher"
        self.of_thread = {}
        for pid, role in self.role.items():
            for thread in os.listdir("/proc/%d/task" % pid):
                self.of_thread[int(thread)] = role


def system_calls(server):
    """{(role, call): number per request}"""
    roles = Roles(server)
    output = os.path.join(server.dir, "strace")
    command = ["strace", "-f", "-o", output]
    for pid, role in roles.role.items():
        if role != "parent":
            command += ["-p", str(pid)]
    url = server.url(script_url(server, "hello-c"))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        time.sleep(2)
        measure.h2load(url, requests=TRACED, http1=True)
        time.sleep(0.5)
        tracer.send_signal(signal.SIGINT)
    counts = collections.Counter()
    executed = set()
    with open(output, encoding="ascii", errors="replace") as f:
        for line in f:
            m = re.match(r"(\d+) +([a-z_0-9]+)\(", line)
            if not m:
                continue
            pid, call = int(m.group(1)), m.group(2)
            role = roles.of_thread.get(pid)
            if not role:
                role = "script" if pid in executed else "child"
            counts[role, call] += 1
            if call == "execve":
                executed.add(pid)
    return {key: n / TRACED for key, n in counts.items()}


def processor_time(server, seconds=6):
    """{(role, call): microseconds per request}, and the total.

    The total is exact (control group). perf says how it is shared out; what
    perf itself costs is in all shares alike."""
    roles = Roles(server)
    data = os.path.join(server.dir, "perf.data")
    seen = {}
    url = server.url(script_url(server, "hello-c"))

    def load():
        before = server.cpu_seconds()
        rate = measure.wrk(url, seconds, 8)[0]
        seen["total"] = ((server.cpu_seconds() - before) /
                         (rate * seconds) * 1e6)

    load()  # without perf: this is the total that counts
    total = seen["total"]
    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(1)
    subprocess.run(["perf", "record", "-q", "-a", "-g", "-e", "cpu-clock",
                    "-F", "5000", "-o", data, "--", "sleep",
                    str(seconds - 2)], check=True, stderr=subprocess.DEVNULL)
    thread.join()
    text = subprocess.run(
        ["perf", "script", "-i", data, "-F", "comm,pid,ip,sym"], check=True,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    samples = collections.Counter()
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        m = re.match(r"\s*(\S.*?)\s+(\d+)\s*$", lines[0])
        if not m:
            continue
        comm, pid = m.group(1), int(m.group(2))
        role = roles.role.get(pid)
        if not role:
            role = ("child" if comm in ("cgi-launcher", "apache2") else
                    "script" if comm.startswith("hello-c") else None)
        if role:
            samples[role, call_in(lines[1:])] += 1
    share = total / sum(samples.values())
    return {key: n * share for key, n in samples.items()}, total


def call_in(frames):
    """The system call that a sample's call chain (innermost first) is in."""
    names = [line.strip().split(" ", 1)[-1] for line in frames]
    if "do_syscall_64" in names:
        i = names.index("do_syscall_64")
        while i and names[i - 1] == "x64_sys_call":
            i -= 1
        return PREFIX.sub("", names[i - 1]) if i else "entry"
    if any("page_fault" in n for n in names):
        return "page fault"
    if any("sysvec" in n or "irq" in n for n in names):
        return "interrupt"
    return "user"


def budget(bench):
    """Stages of a small request, ours and mod_cgid's."""
    for tool in ("strace", "perf"):
        if not shutil.which(tool):
            bench.report.section("Budget", "Not made: no " + tool)
            return
    makers = [httpd("mod_cgid", cgi="cgid")]
    if bench.with_ours:
        makers.insert(0, httpd(OURS, cgi="runscripts"))
    calls, times, totals, names = {}, {}, {}, []
    for make in makers:
        with bench.up(make) as (server,):
            measure.check(server, script_url(server, "hello-c"), "hello")
            names.append(server.name)
            times[server.name], totals[server.name] = processor_time(server)
            calls[server.name] = system_calls(server)
    bench.report.section(
        "Budget of a small request: C program, 8 connections",
        table(["process", "stage"] + [n + what for n in names for what in
                                      (", calls", ", us")],
              budget_lines(names, calls, times, totals)))


def budget_lines(names, calls, times, totals):
    lines = []
    for role in ORDER:
        stages = []
        for source in list(calls.values()) + list(times.values()):
            for r, call in source:
                stage = stage_of(role, call)
                if r == role and stage not in stages:
                    stages.append(stage)
        known = [s for s, _ in STAGES.get(role, ())] + ["user code"]
        stages.sort(key=lambda s: known.index(s) if s in known else 99)
        for stage in stages:
            line = [TITLES[role], stage]
            for name in names:
                for source, form in ((calls[name], "%.1f"),
                                     (times[name], "%.0f")):
                    line.append(form % sum(
                        n for (r, call), n in source.items()
                        if r == role and stage_of(role, call) == stage))
            lines.append(line)
    total = ["all", ""]
    for name in names:
        total += ["%.0f" % sum(n for (r, _), n in calls[name].items()
                               if r != "parent"), "%.0f" % totals[name]]
    return lines + [total]


ROWS = {"budget": budget}
