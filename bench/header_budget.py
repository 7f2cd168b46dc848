#!/usr/bin/env python3
"""What the headers cost to include: CPU seconds of -fsyntax-only as a ratio to <asio.hpp>, beside the budgets of the design.

usage: header_budget.py BUILD_DIR       (a release build; it lends its compiler and flags: ASIO_SEPARATE_COMPILATION among them)
"""

import os
import pathlib
import statistics
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root / "tests"))
import compiler  # noqa: E402

BUDGETS = {"tandem/task/task.hpp": 0.25, "tandem/pool/thread_pool.hpp": 0.6, "tandem/tandem.hpp": 0.8}
ROUNDS = 5


def cpu_seconds(command, build, header):
    before = os.times()
    subprocess.run(command, cwd=build, input=f"#include <{header}>\n", text=True, check=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def main(build):
    command = compiler.command(build) + ["-fsyntax-only", "-x", "c++", "-"]
    headers = ["asio.hpp"] + [header for header in BUDGETS if (root / "runtime" / header).exists()]
    times = {header: [] for header in headers}
    for _ in range(ROUNDS):  # interleaved, so that a busy moment falls on all of them
        for header in headers:
            times[header].append(cpu_seconds(command, build, header))
    asio = statistics.median(times["asio.hpp"])
    print(f"{'header':<30} {'CPU s':>6} {'ratio':>6} {'budget':>6}")
    print(f"{'asio.hpp':<30} {asio:6.2f} {1:6.2f}")
    for header, budget in BUDGETS.items():
        if header not in times:
            print(f"{header:<30} not there yet")
            continue
        seconds = statistics.median(times[header])
        ratio = seconds / asio
        print(f"{header:<30} {seconds:6.2f} {ratio:6.2f} {budget:6.2f}{'   over' if ratio > budget else ''}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
