#!/usr/bin/env python3
"""Runs an example in each way that the table below has for it, and compares what it prints.

usage: examples_test.py NAME PROGRAM
"""

import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass


@dataclass
class Run:
    prints: str  # a regular expression that the whole of stdout matches; `.` matches newlines too
    args: tuple = ()
    stdin: str = ""
    exit_code: int = 0
    interrupt_after: str = ""  # send SIGINT once a line of stdout matches this (for programs that run until Ctrl-C)
    seconds: float = 30


EXAMPLES = {
    # "hello": [Run(prints=r"hello, world\n")],
}


def check(program, run):
    """What is wrong, or None."""
    process = subprocess.Popen(
        [program, *run.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    timer = threading.Timer(run.seconds, process.kill)
    timer.start()
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    process.stdin.write(run.stdin)
    process.stdin.close()
    output = ""
    for line in process.stdout:
        output += line
        if run.interrupt_after and re.search(run.interrupt_after, line):
            process.send_signal(signal.SIGINT)
    exit_code = process.wait()
    timed_out = not timer.is_alive()
    timer.cancel()
    reader.join()

    what = f"{' '.join([program, *run.args])}\n--- stdout\n{output}\n--- stderr\n{errors[0]}\n---\n"
    if timed_out:
        return f"{what}did not end within {run.seconds} s"
    if exit_code != run.exit_code:
        return f"{what}ended with {exit_code}, expected {run.exit_code}"
    if not re.fullmatch(run.prints, output, re.DOTALL):
        return f"{what}stdout does not match {run.prints!r}"
    return None


def main(name, program):
    if not EXAMPLES.get(name):
        return f"no expectation for {name}: add one to EXAMPLES in {__file__}"
    problems = [problem for problem in (check(program, run) for run in EXAMPLES[name]) if problem]
    return "\n".join(problems) or None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
