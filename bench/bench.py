# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The benchmark: see README.md. Started by bench/run."""

import argparse
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import budget, machine, rows, scale, waiting, warm  # noqa: E402
from lib.measure import WrongAnswer           # noqa: E402
from lib.report import Report                 # noqa: E402
from lib.servers import ServerError           # noqa: E402

ROWS = {**rows.ROWS, **warm.ROWS, **waiting.ROWS, **scale.ROWS}
# On demand only.
EXTRA_ROWS = {**waiting.EXTRA_ROWS, **budget.ROWS, **scale.EXTRA_ROWS}


def arguments():
    p = argparse.ArgumentParser(
        prog="bench/run",
        description="Our modules against other servers' CGI, side by side.")
    p.add_argument("rows", nargs="*", metavar="ROW",
                   help="which rows (default: all): %s; and on demand: %s" % (
                       ", ".join(ROWS), ", ".join(EXTRA_ROWS)))
    p.add_argument("--rounds", type=int, default=5,
                   help="rounds in which each server has a turn (5)")
    p.add_argument("--seconds", type=int, default=3,
                   help="length of a turn (3)")
    p.add_argument("--megabytes", type=int, default=1024,
                   help="size of the large transfers in MiB (1024)")
    p.add_argument("--port", type=int,
                   default=int(os.environ.get("CGI_BENCH_PORT", 18500)),
                   help="first of 30 free ports on 127.0.0.1 (18500)")
    p.add_argument("--output", metavar="FILE",
                   help="where to write the results (default: RESULTS.md in "
                   "bench/ when all rows were run, else nowhere)")
    p.add_argument("--keep", action="store_true",
                   help="keep the folder with configurations and logs")
    p.add_argument("--against", metavar="DIR", type=os.path.abspath,
                   help="a directory with another build of the modules: only "
                   "the two are measured (small, latency, bulk, "
                   "instructions)")
    p.add_argument("--peers-only", action="store_true",
                   help="leave ours out; for work on the benchmark itself")
    options = p.parse_args()
    unknown = [r for r in options.rows
               if r not in ROWS and r not in EXTRA_ROWS]
    if unknown:
        p.error("no such row: %s" % ", ".join(unknown))
    if options.rounds < 1 or options.seconds < 1 or options.megabytes < 1:
        p.error("--rounds, --seconds and --megabytes must be 1 or more")
    return options


def require_build():
    for name in ("mod_runscripts.so", "cgi-launcher"):
        if not machine.built(name):
            sys.exit("bench: build/%s is missing; run `make -f "
                     "Makefile.apxs` first" % name)


def main():
    options = arguments()
    for sig in (signal.SIGTERM, signal.SIGHUP):
        # The servers are stopped on the way out.
        signal.signal(sig, lambda *_: sys.exit(1))
    if not options.peers_only:
        require_build()
    report = Report(rows.OURS, options.against and rows.BEFORE)
    before = machine.load_average()
    if before > 0.5:
        print("bench: the machine is busy (load %.1f): these figures are "
              "good for nothing but trying the benchmark" % before)
    began = time.monotonic()
    workspace = machine.Workspace(options.keep)
    failed = 0
    try:
        bench = rows.Bench(workspace, report, options)
        for name in options.rows or ROWS:
            print("\n-- %s" % name, flush=True)
            try:
                (ROWS.get(name) or EXTRA_ROWS[name])(bench)
            except (ServerError, WrongAnswer, OSError,
                    subprocess.SubprocessError) as e:
                # The other rows are worth having; this one is marked.
                failed = 1
                report.section("Row %s: FAILED" % name, str(e))
    finally:
        if options.keep:
            print("\nconfigurations and logs: %s" % workspace.dir)
        workspace.close()
    print("\n== Goals\n%s" % report.goals_table())
    output = options.output
    if not output and not options.rows and not options.peers_only:
        output = os.path.join(machine.BENCH, "RESULTS.md")
    if output:
        settings = ["%d rounds of %d s for each server in turn, %d minutes "
                    "in all; load of the machine before: %.1f" % (
                        options.rounds, options.seconds,
                        (time.monotonic() - began) / 60, before)]
        with open(output, "w", encoding="utf-8") as f:
            f.write(report.markdown(machine.describe(), settings))
        print("\nwritten to %s" % output)
    return failed


if __name__ == "__main__":
    sys.exit(main())
