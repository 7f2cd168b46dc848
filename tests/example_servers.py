"""Drives the examples that are servers, as their clients would, good ones and bad ones. Used by examples_test.py."""

import pathlib
import re
import signal
import socket
import subprocess
import threading
import time


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


class Server:
    """A running example: `with Server(program, args) as s: s.connect() …; s.stop("regular expression of its last words")`."""

    def __init__(self, program, *args, seconds=500):
        self.process = subprocess.Popen([program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.timer = threading.Timer(seconds, self.process.kill)
        self.timer.start()
        line = self.process.stdout.readline()
        match = re.fullmatch(r"listening on port (\d+); Ctrl-C stops\n", line)
        if not match:
            self.__exit__()
            raise Failed(f"the server said {line!r}, and then {self.process.communicate()}")
        self.port = int(match[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.timer.cancel()

    def connect(self, send=b""):
        peer = socket.create_connection(("127.0.0.1", self.port))
        peer.settimeout(300)
        peer.sendall(send)
        return peer

    def send(self, number=signal.SIGINT):
        self.process.send_signal(number)

    def ended(self, says):
        output, errors = self.process.communicate()
        expect(
            self.process.returncode == 0 and not errors and re.fullmatch(says, output),
            f"the server ended with {self.process.returncode}, stdout {output!r}, stderr {errors!r}; expected {says!r}",
        )

    def stop(self, says, number=signal.SIGINT):
        self.send(number)
        self.ended(says)


def read_until(peer, end):
    text = b""
    while not text.endswith(end):
        more = peer.recv(65536)
        expect(more, f"the connection ended after {text!r}, before {end!r}")
        text += more
    return text


def read_all(peer):
    text = b""
    try:
        while more := peer.recv(65536):
            text += more
    except ConnectionResetError:
        text += b"<reset>"
    return text


def eventually(what, seconds=300):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.02)
    return False


def check(run):
    """Makes a check of examples_test.py from a function that raises Failed."""

    def checked(program):
        try:
            return run(program)
        except (Failed, OSError) as problem:
            return f"{program}: {type(problem).__name__}: {problem}"

    return checked


# --- chat_server -------------------------------------------------------------------------------


def enter(server, name, end=b"\n"):
    peer = server.connect(name + end)
    expect(read_until(peer, b"\n") == name + b" has come\n", f"{name} did not see himself come")
    return peer


@check
def chat(program):
    with Server(program, "--port", "0", "--idle", "500") as server:
        ada = enter(server, b"ada")
        bob = enter(server, b"bob", b"\r\n")
        expect(read_until(ada, b"\n") == b"bob has come\n", "ada did not see bob come")
        bob.sendall(b"hi there\nand again\n")
        expect(read_until(ada, b"again\n") == b"bob: hi there\nbob: and again\n", "ada did not hear bob")
        ada.sendall(b"/quit\n")
        expect(read_until(bob, b"left\n") == b"ada has left\n", "bob did not see ada leave")
        expect(read_all(ada) == b"", "ada was not let go")
        # One who never reads, and one who sends a line without end, do not hold up the others.
        deaf = enter(server, b"deaf")
        expect(read_until(bob, b"come\n") == b"deaf has come\n", "bob did not see the deaf one come")
        flood = enter(server, b"flood")
        expect(read_until(bob, b"come\n") == b"flood has come\n", "bob did not see the flood come")
        flood.sendall(b"x" * 5000)
        expect(read_until(bob, b"left\n") == b"flood has left\n", "the line without end was not cut")
        for _ in range(200):
            bob.sendall(b"y" * 1000 + b"\n")
        bob.sendall(b"/quit\n")
        expect(b"<reset>" not in read_all(bob), "bob was reset")
        deaf.close()
        eve = enter(server, b"eve")
        server.send()
        expect(read_all(eve).endswith(b"the server is going down\n"), "eve was not told")
        server.ended(r"stopped; connections: 5, cut off: \d\n")


@check
def chat_idle(program):
    with Server(program, "--port", "0", "--idle", "0.2") as server:
        nameless = server.connect()
        silent = server.connect(b"silent\n")
        expect(read_all(nameless) == b"" and read_all(silent) in (b"", b"silent has come\n"), "the silent were not let go")
        server.stop(r"stopped; connections: 2, cut off: 0\n")


@check
def chat_deaf(program):
    """One who stays, and even talks, but does not read: when nothing more goes out to him for --idle seconds he has to go."""
    with Server(program, "--port", "0", "--idle", "1") as server:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(b"deaf\n")
        talker = server.connect(b"talker\n")
        try:
            for _ in range(300):  # more than the kernel holds
                talker.sendall((b"y" * 1000 + b"\n") * 40)
                deaf.sendall(b"d\n")
                time.sleep(0.002)
        except ConnectionError:
            pass  # he has had to go already
        talker.sendall(b"/quit\n")
        read_all(talker)
        server.stop(r"stopped; connections: 2, cut off: 0\n")


# --- tcp_proxy and happy_eyeballs --------------------------------------------------------------


@check
def proxy(program):
    echo = pathlib.Path(program).with_name("echo_server")
    with Server(echo, "--port", "0") as target, Server(program, "--port", "0", "--to-host", "127.0.0.1", "--to-port", str(target.port)) as server:
        data = bytes(range(256)) * 4000
        peer = server.connect()
        sender = threading.Thread(target=lambda: (peer.sendall(data), peer.shutdown(socket.SHUT_WR)))
        sender.start()
        expect(read_all(peer) == data, "what came back is not what was sent")  # and the end came after all of it
        sender.join()
        gone = server.connect(b"z" * 100000)
        gone.close()
        waiting = server.connect(b"w")
        expect(waiting.recv(1) == b"w", "nothing came back")
        target.stop(r"stopped; bytes: \d+, connections: [23], still open: \d\n")  # the one that left at once may not have been passed on
        expect(read_all(waiting) in (b"", b"<reset>"), "the proxy kept the connection when its target had gone")
        refused = server.connect(b"?")
        expect(read_all(refused) in (b"", b"<reset>"), "the proxy answered for a target that is not there")
        server.send()
        output, errors = server.process.communicate()
        expect(re.fullmatch(r"stopped; connections: 4, failed: \d+, bytes there: \d+, back: \d+\n", output), f"it said {output!r}")
        expect("Connection refused" in errors, f"it did not say why: {errors!r}")


@check
def happy(program):
    echo = pathlib.Path(program).with_name("echo_server")
    with Server(echo, "--port", "0") as server:
        port = str(server.port)
        for delay in ("250", "0"):
            run = subprocess.run([program, "--port", port, "--delay", delay], capture_output=True, text=True, timeout=300)
            expect(
                re.fullmatch(rf"connected to 127\.0\.0\.1 port {port} by attempt [12]\n", run.stdout) and run.returncode == 0,
                f"it said {run.stdout!r} and {run.stderr!r}",
            )
        # Connected is not accepted, and a server that stops leaves those who wait. They are accepted in the order in which they came.
        last = server.connect(b"x")
        expect(last.recv(1) == b"x", "nothing came back")
        server.stop(r"stopped; bytes: 1, connections: 3, still open: \d\n")
    run = subprocess.run([program, "--host", "127.0.0.1", "--port", port], capture_output=True, text=True, timeout=300)
    expect(
        run.returncode == 1 and re.fullmatch(r"happy_eyeballs: 127\.0\.0\.1 port \d+: .*Connection refused\n", run.stderr),
        f"without a server it said {run.stdout!r} and {run.stderr!r}",
    )
