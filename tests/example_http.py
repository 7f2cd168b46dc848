"""Drives http_service, as good clients would and bad ones. Used by examples_test.py."""

import os
import pathlib
import re
import select
import signal
import socket

from example_servers import Server, check, eventually, expect, read_all


def head(peer):
    """The head of a response, byte by byte, so that nothing of what follows is taken."""
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        byte = peer.recv(1)
        expect(byte, f"the connection ended after {text!r}")
        text += byte
    return text


def answer(peer):
    """One response: its status and body."""
    start = head(peer)
    length = int(re.search(rb"\r\nContent-Length: (\d+)\r\n", start)[1])
    body = b""
    while len(body) < length:
        body += peer.recv(length - len(body))
    return int(start.split()[1]), body


def get(path, more=b""):
    return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + more + b"\r\n"


@check
def http(program):
    with Server(program, "--port", "0", "--read-timeout", "5", "--idle-timeout", "600", "--drain", "600") as server:
        peer = server.connect()
        for _ in range(3):  # one connection, and the requests in pieces
            for byte in get(b"/hello?name=ad%22a"):
                peer.sendall(bytes([byte]))
            expect(answer(peer) == (200, b'{"hello":"ad%22a"}'), "hello")
        # pipelined, with a body in between
        body = b"[1, 2,\n3.5]"
        post = b"POST /sum HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        peer.sendall(get(b"/plaintext") * 50 + post + get(b"/primes?below=1000000") + get(b"/nowhere"))
        for _ in range(50):
            expect(answer(peer) == (200, b"Hello, World!"), "pipelined")
        expect(answer(peer) == (200, b'{"sum":6.5}'), "sum")
        expect(answer(peer) == (200, b'{"below":1000000,"primes":78498}'), "primes")
        expect(answer(peer)[0] == 404, "nowhere")
        peer.sendall(get(b"/sum"))
        expect(answer(peer)[0] == 405, "a GET of what wants a POST")
        peer.sendall(b"POST /sum HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n")
        expect(answer(peer) == (200, b'{"sum":3}'), "chunked")

        # a client that holds its body back, one that offers another protocol, and one that wants the head only
        peer.sendall(b"POST /sum HTTP/1.1\r\nContent-Length: 3\r\nexpect: 100-continue\r\n\r\n")
        expect(head(peer) == b"HTTP/1.1 100 Continue\r\n\r\n", "it was not told to go on")
        peer.sendall(b"[4]")
        expect(answer(peer) == (200, b'{"sum":4}'), "a body that was held back")
        peer.sendall(get(b"/plaintext", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"))
        expect(answer(peer) == (200, b"Hello, World!"), "an upgrade that need not be")
        peer.sendall(get(b"/plaintext").replace(b"GET", b"HEAD") + get(b"/plaintext"))
        expect(head(peer).endswith(b"Content-Length: 13\r\n\r\n"), "HEAD")
        expect(answer(peer) == (200, b"Hello, World!"), "what comes after a HEAD")
        old = server.connect(b"GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        expect(read_all(old).endswith(b"\r\nConnection: close\r\n\r\nHello, World!"), "HTTP/1.0")

        hostile = [
            (400, b"\x00\xff\x16garbage\r\n\r\n"),
            (400, b"GET / HTTP/9.9\r\nHost\r\n\r\n"),
            (431, b"GET / HTTP/1.1\r\nX: " + b"y" * 100000),
            (431, get(b"/plaintext", b"X: " + b"y" * 10000 + b"\r\n")),  # within one read
            (431, b"\r\n" * 100000),
            (431, b"POST /sum HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 20000),  # trailers
            (413, b"POST /sum HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n"),
            (501, b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
            (413, b"POST /sum HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"80000\r\n" + b"1" * 0x80000 + b"\r\n") * 3),
            (400, get(b"/primes?below=many")),
            (400, get(b"/primes?below=99999999999999999999999")),
            *((400, b"POST /sum HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(b), b)) for b in (b"[1,,]", b"[1,]", b"[1 2]", b"[inf]", b"[1e308,1e308]")),
        ]
        for status, data in hostile:
            bad = server.connect()
            try:
                bad.sendall(data)
            except ConnectionError:
                pass
            expect(answer(bad)[0] == status, f"{data[:40]!r} was not answered with {status}")
            expect(read_all(bad) in (b"", b"<reset>"), f"the connection stayed open after {data[:40]!r}")
        refused = len(hostile) + 1  # the slow one below
        slow = server.connect(b"GET /plain")
        half_open = server.connect(get(b"/plaintext"))
        half_open.shutdown(socket.SHUT_WR)
        expect(read_all(half_open).endswith(b"Hello, World!"), "who had said all it had to was not answered")
        expect(answer(slow)[0] == 408, "a slow head was waited for")
        for _ in range(50):
            server.connect(b"GET /pl").close()

        peer.sendall(get(b"/metrics"))
        status, metrics = answer(peer)
        expect(status == 200 and b"http_refused_total %d\n" % refused in metrics, f"the metrics say {metrics!r}")
        # A stop with a request in flight, one that has begun, and one connection idle.
        busy = server.connect(get(b"/primes?below=5000000"))
        expect(eventually(lambda: has_begun(busy, peer)), "the request did not begin")
        server.send(signal.SIGTERM)
        expect(read_all(peer) == b"", "the idle connection was not closed")
        status, body = answer(busy)
        expect((status, body) == (200, b'{"below":5000000,"primes":348513}'), f"the request in flight got {status} {body!r}")
        server.ended(r"stopped; requests: \d+, connections: \d+, cut off: 0\n")


def is_under_way(peer):
    """Whether one request is, but that of `peer`, who asks."""
    peer.sendall(get(b"/metrics"))
    return b"http_in_flight 2\n" in answer(peer)[1]


def has_begun(busy, peer):
    """Whether the request on `busy`, the only one, is under way or has been answered."""
    return is_under_way(peer) or select.select([busy], [], [], 0)[0] != []


@check
def http_cut_off(program):
    with Server(program, "--port", "0", "--drain", "0.2") as server:
        stuck = server.connect(b"POST /sum HTTP/1.1\r\nContent-Length: 9\r\n\r\n[1,")
        busy = server.connect(get(b"/primes?below=100000000"))  # a second or so: on a fast machine it may be answered
        peer = server.connect()
        expect(eventually(lambda: has_begun(busy, peer)), "the request did not begin")
        server.send()
        expect(read_all(stuck) in (b"", b"<reset>"), "what never came whole was answered")
        got = read_all(busy)
        whole = got.endswith(b'{"below":100000000,"primes":5761455}')
        expect(whole or got in (b"", b"<reset>"), f"what was cut off was answered with {got!r}")
        server.ended(rf"stopped; requests: \d+, connections: 3, cut off: {1 if whole else 2}\n")


def stat(pid):
    """The fields of /proc/PID/stat, from the third: the state, the parent, …"""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def name_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def children(pid):
    """The processes that it has started."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int(stat(process.name)[1]) == pid:
                found.append(int(process.name))
        except OSError:
            pass  # it has gone
    return found


@check
def http_processes(program):
    with Server(program, "--port", "0", "--processes", "1") as server:
        peer = server.connect(get(b"/primes?below=1000000"))
        expect(answer(peer) == (200, b'{"below":1000000,"primes":78498}'), "primes in another process")
        (fork_server,) = children(server.process.pid)
        # Who is to become a spare has that name a moment after it has begun.
        workers = lambda: [pid for pid in children(fork_server) if name_of(pid) != "tandem-spare"]
        expect(eventually(lambda: len(workers()) == 1), f"one worker process was asked for, and there are {len(workers())}")
        (worker,) = workers()
        spent = int(stat(worker)[11])
        peer.sendall(get(b"/primes?below=100000000"))
        expect(eventually(lambda: int(stat(worker)[11]) > spent + 1), "the worker did not begin")
        os.kill(worker, signal.SIGSTOP)  # so that it is at it for as long as we like
        other = server.connect(get(b"/plaintext"))
        expect(answer(other) == (200, b"Hello, World!"), "the rest was held up")
        expect(eventually(lambda: is_under_way(other)), "the metrics do not know of the request that hangs")
        os.kill(worker, signal.SIGKILL)
        crash = answer(peer)
        expect(crash == (500, b'{"error":"the computation crashed"}'), f"a crash was answered with {crash}")
        peer.sendall(get(b"/primes?below=1000"))
        expect(answer(peer) == (200, b'{"below":1000,"primes":168}'), "primes after a crash")
        server.stop(r"stopped; requests: \d+, connections: 2, cut off: 0\n", signal.SIGTERM)
