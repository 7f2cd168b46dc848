#!/usr/bin/env python3
"""Runs an example in each way that the table below has for it, and compares what it prints.

usage: examples_test.py NAME PROGRAM
"""

import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass

import example_crashes
import example_http
import example_servers


@dataclass
class Run:
    prints: str = ""  # a regular expression that the whole of stdout matches; `.` matches newlines too
    errors: str = ""  # the same for stderr
    args: tuple = ()
    stdin: str = ""
    exit_code: int = 0
    interrupt_after: str = ""  # send SIGINT once a line of stdout matches this (for programs that run until Ctrl-C)
    interrupt_at_once: float = 0  # send SIGINT so many seconds after the start (for programs that print nothing before)
    tries: int = 1  # it has to come out so once: for times that a busy machine may stretch
    seconds: float = 500


def check_echo(program):
    """The server and its client as a user runs them: clients one by one, at once, and leaving in the middle; Ctrl-C in between."""
    client = pathlib.Path(program).with_name("echo_client")
    server = subprocess.Popen([program, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    timer = threading.Timer(500, server.kill)
    timer.start()
    try:
        first_line = server.stdout.readline()
        match = re.fullmatch(r"listening on port (\d+); Ctrl-C stops\n", first_line)
        if not match:
            return f"the server said {first_line!r}, and then {server.communicate()}"
        port = match[1]

        one = Run(prints="a\nb c\n\n", stdin="a\nb c\n\n", args=("--port", port))
        long_line = Run(prints="x{100000}\n", stdin="x" * 100000 + "\n", args=("--port", port))
        many = Run(prints="(.{63}\n){20}", stdin=("y" * 63 + "\n") * 20, args=("--port", port, "--clients", "100"))
        leaving = [socket.create_connection(("127.0.0.1", int(port))) for _ in range(20)]
        for peer in leaving:
            peer.sendall(b"z" * 100000)
        problems = [check(client, run) for run in (one, long_line, many)]
        for peer in leaving[:10]:
            # Reset, since what was echoed is not read: the server is writing.
            peer.close()
        problems.append(check(client, one))
        in_use = Run(errors=f"echo_server: port {port}: bind: Address already in use\n", args=("--port", port), exit_code=1)
        problems.append(check(program, in_use))

        # Ctrl-C with connections open: ten that do not read, one that waits, and one whose client is in the middle of a session.
        # (The server may not have seen yet that the other ten are gone.)
        waiting = socket.create_connection(("127.0.0.1", int(port)))
        waiting.sendall(b"w")
        waiting.recv(1)
        talking = subprocess.Popen([client, "--port", port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        talking.stdin.write("before\n")
        talking.stdin.flush()
        talking.stdout.readline()
        server.send_signal(signal.SIGINT)
        output, errors = server.communicate()
        if server.returncode != 0 or errors or not re.fullmatch(r"stopped; bytes: \d+, connections: 125, still open: (1[2-9]|2[0-2])\n", output):
            problems.append(f"the server ended with {server.returncode}, stdout {output!r}, stderr {errors!r}")
        if waiting.recv(1) != b"":
            problems.append("a connection outlived the server")
        output, errors = talking.communicate("after\n")
        # What the client sees depends on whether its write or its read is the first to find the connection gone.
        gone = r"echo_client: port \d+: (the server closed the connection|.*(Connection reset by peer|Broken pipe).*)\n"
        if talking.returncode != 1 or output or not re.fullmatch(gone, errors):
            problems.append(f"the client ended with {talking.returncode}, stdout {output!r}, stderr {errors!r}")
        return "\n".join(problem for problem in problems if problem) or None
    except OSError as error:
        server.kill()
        return f"{error}; the server said {server.communicate()}"
    finally:
        server.kill()
        timer.cancel()


def check_no_server(program):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        port = str(bound.getsockname()[1])
        errors = f"echo_client: port {port}: (connect: )?Connection refused\n"
        return check(program, Run(errors=errors, args=("--port", port), exit_code=1))


def wrong(argument, *args, says):
    """A run with wrong arguments."""
    return Run(args=(argument, *args), errors=rf"\w+: {says}\nusage: .*\n", exit_code=2)


# For each example, the runs that are tested; a function takes the program and says what is wrong.
EXAMPLES = {
    "callbacks": [
        Run(prints=r"\[0, 1, 4, 9, 16, 25, 36, 49, 64, 81\]\n17 / 5 is 3, and 2 over\n1 / 0: division by zero\n"),
        wrong("3", says="there is no option '3'"),
    ],
    "chat_server": [
        example_servers.chat,
        example_servers.chat_idle,
        example_servers.chat_deaf,
        wrong("--idle", "0", says="--idle takes a number from 0.01 to 1000000, not '0'"),
    ],
    "coroutines": [Run(prints=r"(\[0, 1, 4, 9\]\n){2}0\.[2-9]\d s\n", args=("--seconds", "0.1"), tries=20)],
    "crash_proof": [
        Run(
            prints=r"(?=.*^null\.dat: died, signal 11$)(?=.*^assertion\.dat: died, signal 6$)(?=.*^exit\.dat: died, exit 3$)"
            r"(?=.*^endless\.dat: imap, call \d+.*: it took longer than the pool's task_timeout, and its worker was killed$)"
            r"(?=.*^malformed\.dat: no header$)(?s:.{150,500})^20 of 25 done\n",
            tries=5,
        ),
        Run(
            prints=r"(.*\n)?\d+ of 25 done, then interrupted\n",
            args=("--seconds", "0.4"),
            interrupt_at_once=0.3,
            tries=20,
        ),
        example_crashes.ctrl_c,
    ],
    "echo_client": [
        check_no_server,
        wrong("--port", "0", says="--port takes a number from 1 to 65535, not '0'"),
        wrong("--clients", says="--clients needs a number after it"),
    ],
    "echo_server": [
        Run(
            prints=r"listening on port \d+; Ctrl-C stops\nstopped; bytes: 0, connections: 0, still open: 0\n",
            args=("--port", "0"),
            interrupt_after="listening",
        ),
        check_echo,
        wrong("--port", "65536", says="--port takes a number from 0 to 65535, not '65536'"),
        wrong("--port", "-1", says="--port takes a number from 0 to 65535, not '-1'"),
    ],
    "guide": [
        Run(
            prints=r"\[1, 4, 9, 16\]\n1 4 9 16 25 36 49 \n(waiting\n)+42\nlog: nobody waits for this call\n"
            r'\["page a", "page b", "page c"\] page d page e 36\n25 3\n6 bytes: hello\n18\n'
            r".*the operation was cancelled\ntrue\npage a\ndownload: no name\n\[3, 3, 3\]\npage x page x\n46\n",
            tries=20,
        )
    ],
    "happy_eyeballs": [example_servers.happy, wrong("--host", says="--host needs a word after it")],
    "hello": [Run(prints=r"\[0, 1, 4, 9, 16, 25, 36, 49, 64, 81\]\n")],
    "http_service": [
        example_http.http,
        example_http.http_cut_off,
        example_http.http_processes,
        wrong("--threads", "0", says="--threads takes a number from 1 to 1024, not '0'"),
    ],
    "one_thread": [Run(prints="the program goes on\nhello world world world\n", args=("--seconds", "0.1"), tries=20)],
    "pool_scope": [Run(prints="8 calls started\n8 calls done after the block\n")],
    "process_pool": [
        # One by one takes four times as long.
        Run(
            prints=r"apply +[1-9]\.\d\d s  \[0, 1, 4, 9\]\n"
            r"apply_async +0\.[2-9]\d s  \[0, 1, 4, 9\]\nstarmap +0\.[2-9]\d s  \[0, 1, 4, 9\]\n"
            r"map +\[0, 1, 4, 9\]\ncallback +\[125\]; error: zero has no reciprocal\nanother process: true\n",
            args=("--seconds", "0.25"),
            tries=20,
        ),
        wrong("--seconds", "-1", says="--seconds takes a number from 0 to 60, not '-1'"),
    ],
    "readme": [
        # The other parts are compared with the Python beside them, by readme_test.py.
        Run(prints=r'\["a: done", "b: done", "c: done"\] 1000001\n', args=("mixed",)),
        Run(args=("table",)),
        Run(errors=r"usage: readme [a-z|]+\n", exit_code=2),
    ],
    "services": [
        Run(
            prints="manual_context: the task can never end, since no job is queued and nobody sleeps; what waits is:\n"
            r'    when_all of 2\n        #1 "pay" transfer \(\S*services.cpp:\d+\): mutex\n'
            r'        #2 "refund" transfer \(\S*services.cpp:\d+\): mutex\n'
            "with_timeout: not done within 0.005 s\nnear\n6\nat last after 3\n10\n"
            r'\["page 1", "page 2"\]\n6\nr17: begun, r17: done\nstopped\n',
            tries=20,
        )
    ],
    "sync_vs_async": [
        # One by one takes four times as long.
        Run(
            prints=r"apply +[1-9]\.\d\d s  \[0, 1, 4, 9\]\n"
            r"apply_async +0\.[2-9]\d s  \[0, 1, 4, 9\]\nmap +0\.[2-9]\d s  \[0, 1, 4, 9\]\n",
            args=("--seconds", "0.25"),
            tries=20,
        ),
        Run(prints="usage: sync_vs_async \\[--seconds N\\]\n", args=("--help",)),
        wrong("--seconds", "soon", says="--seconds takes a number from 0 to 60, not 'soon'"),
    ],
    "tcp_proxy": [example_servers.proxy],
}


def check(program, run):
    """What is wrong, the last time, or None."""
    for n in range(run.tries):
        problem = check_once(program, run, interrupt_after=run.interrupt_at_once * (1 + n / 4))
        if not problem:
            return None
    return problem


def check_once(program, run, interrupt_after):
    process = subprocess.Popen(
        [program, *run.args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    timer = threading.Timer(run.seconds, process.kill)
    timer.start()
    if interrupt_after:
        interrupter = threading.Timer(interrupt_after, lambda: process.send_signal(signal.SIGINT))
        interrupter.start()
    errors = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
    reader.start()
    try:
        process.stdin.write(run.stdin)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it ended without reading it all; the exit code says whether it should have
    output = ""
    for line in process.stdout:
        output += line
        if run.interrupt_after and re.search(run.interrupt_after, line):
            process.send_signal(signal.SIGINT)
    exit_code = process.wait()
    timed_out = not timer.is_alive()
    timer.cancel()
    reader.join()

    what = f"{' '.join([str(program), *run.args])}\n--- stdout\n{output}\n--- stderr\n{errors[0]}\n---\n"
    if timed_out:
        return f"{what}did not end within {run.seconds} s"
    if exit_code != run.exit_code:
        return f"{what}ended with {exit_code}, expected {run.exit_code}"
    if not re.fullmatch(run.prints, output, re.DOTALL | re.MULTILINE):
        return f"{what}stdout does not match {run.prints!r}"
    if not re.fullmatch(run.errors, errors[0], re.DOTALL):
        return f"{what}stderr does not match {run.errors!r}"
    return None


def main(name, program):
    if not EXAMPLES.get(name):
        return f"no expectation for {name}: add one to EXAMPLES in {__file__}"
    problems = [run(program) if callable(run) else check(program, run) for run in EXAMPLES[name]]
    return "\n".join(problem for problem in problems if problem) or None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
