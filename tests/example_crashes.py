"""What examples_test.py does with the example crash_proof besides letting it end: Ctrl-C, once and twice."""

import os
import pathlib
import re
import signal
import subprocess
import time


def wait_until(condition):
    """Gives up only when something hangs."""
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def catches_interrupts(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)[1], 16) & 1 << (signal.SIGINT - 1))


def alive_in_session(session):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(") ")[2].split()[:4]
        except OSError:
            continue  # it has ended
        if int(its_session) == session and state != "Z":
            found.append(stat.parent.name)
    return found


def interrupt(program, times, length):
    process = subprocess.Popen(
        [program, "--seconds", length], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        if not wait_until(lambda: catches_interrupts(process)):
            return "no handler of SIGINT"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the server and the workers as well
        if times == 2:
            if not wait_until(lambda: not catches_interrupts(process)):
                return "the first SIGINT was not handled"
            os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=120)
        left = [] if wait_until(lambda: not alive_in_session(process.pid)) else alive_in_session(process.pid)
    finally:
        process.kill()
    prints, code = (r"(.*\n)*\d+ of 25 done, then interrupted\n", 0) if times == 1 else (r"", -signal.SIGINT)
    if process.returncode != code or errors or left or not re.fullmatch(prints, output):
        return f"SIGINT {times} times: ended with {process.returncode}, stdout {output!r}, stderr {errors!r}, still there: {left}"
    return None


def ctrl_c(program):
    """The first lets what has begun end, which takes as long as it takes; the second ends all at once."""
    return interrupt(program, 1, "0.4") or interrupt(program, 2, "60")
