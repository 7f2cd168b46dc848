#!/usr/bin/env python3
"""Runs tandem-measure small, in a pipe: its table, its JSON, its exit codes, and that Ctrl-C ends it.

usage: measure_test.py PROGRAM
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

STYLES = {"one_by_one", "threads", "many_threads", "coroutines", "processes"}
WORKLOADS = {"timers", "requests", "primes", "services"}
SMALL = ["--workers", "2", "--items", "6", "--repeat=2", "--latency=5"]


def run(program, *args):
    return subprocess.run([program, *args], capture_output=True, text=True, timeout=500)


def check_measurement(program, folder):
    file = pathlib.Path(folder) / "measure.json"
    done = run(program, *SMALL, "--json", file)
    assert done.returncode == 0, done
    assert done.stderr == "", f"there is no progress line in a pipe: {done.stderr!r}"
    assert "\033" not in done.stdout and "\r" not in done.stdout, done.stdout

    figures = json.loads(file.read_text())
    assert figures["options"] == {"workers": 2, "items": 6, "repeat": 2, "latency_ms": 5}, figures["options"]
    assert figures["machine"]["cores"] >= 1
    workloads = {w["name"]: {s["name"]: s for s in w["styles"]} for w in figures["workloads"]}
    assert WORKLOADS <= set(workloads), set(workloads)
    for workload in figures["workloads"]:
        assert workload["answers"] == "checked"
        assert workload["title"] in done.stdout and workload["finding"] in done.stdout, done.stdout
    for styles in workloads.values():
        assert STYLES <= set(styles), set(styles)
        assert styles["one_by_one"]["speed_up"] == 1
        for style in styles.values():
            assert style["title"] in done.stdout, done.stdout
            assert len(style["runs"]) == 2 and all(r["wall_s"] > 0 and r["cpu_s"] >= 0 for r in style["runs"]), style
    waiting = (workloads["timers"], workloads["requests"])
    for styles in waiting:
        assert all(r["wall_s"] >= 0.030 for r in styles["one_by_one"]["runs"]), styles  # six waits one after the other
    return all(styles["coroutines"]["speed_up"] > 1.2 for styles in waiting)


def check_one_worker(program):
    done = run(program, "--workers=1", "--items=1", "--repeat=1", "--latency=0")
    assert done.returncode == 0 and "coroutines on 1 thread" in done.stdout, done


def check_python(program):
    done = run(program, "--workers=2", "--items=2", "--repeat=1", "--latency=1", "--python")  # it checks the answers itself
    assert done.returncode == 0 and "Python, 2 threads" in done.stdout and "Python, 2 processes" in done.stdout, done


def check_options(program, folder):
    help = run(program, "--help")
    assert help.returncode == 0 and "--workers" in help.stdout, help
    for wrong in (
        ["--workers", "0"],
        ["--workers", "-1"],
        ["--items", "many"],
        ["--items", "3x"],
        ["--repeat="],
        ["--latency"],
        ["--json"],
        ["--python=3"],
        ["--colour"],
        ["7"],
    ):
        done = run(program, *wrong)
        assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, (wrong, done)
        assert wrong[0].rstrip("=") in done.stderr, (wrong, done)
    nowhere = run(program, *SMALL, "--json", pathlib.Path(folder) / "nowhere" / "measure.json")
    assert nowhere.returncode == 1 and "nowhere" in nowhere.stderr, nowhere


def check_interrupt(program):
    process = subprocess.Popen([program, "--latency", "60000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=500) == -signal.SIGINT


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        # Where the waits overlap it takes less time; a busy machine may spoil that now and then.
        assert any(check_measurement(program, folder) for _ in range(10)), "coroutines are not faster than one by one"
        check_one_worker(program)
        check_python(program)
        check_options(program, folder)
        check_interrupt(program)


if __name__ == "__main__":
    main(sys.argv[1])
