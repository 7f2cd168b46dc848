#!/usr/bin/env python3
"""Crawls sites whose pages are known, and looks at what was stored. Everything stays on loopback, in a folder that goes afterwards.

usage: crawl_test.py PART CRAWL TEST_SERVER [--pages N] [--keep]        PART: one of the functions below that are marked @part
"""

import argparse
import collections
import gzip
import hashlib
import json
import pathlib
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from crawl_site import Nginx, Site, TestServer, serve
from example_servers import Failed, expect

PARTS = {}
FAST = ("--rate", "0", "--per-host", "32")


def part(function):
    PARTS[function.__name__] = function
    return function


def skip():
    """Ends a part that this machine lacks something for."""
    sys.exit(77)  # Meson's word for a test that was skipped


class Crawl:
    """The crawler, and the folder that it fills."""

    def __init__(self, program, out):
        self.program, self.out = program, pathlib.Path(out)

    def run(self, *args, code=0, seconds=120):
        """What it printed. Fails unless it ends with `code`."""
        process = subprocess.run(
            [self.program, *args, "--out", self.out], capture_output=True, text=True, timeout=seconds, errors="replace"
        )
        expect(
            process.returncode == code,
            f"{args}: ended with {process.returncode}, expected {code}; stdout ends {process.stdout[-2000:]!r}, stderr {process.stderr[-2000:]!r}",
        )
        return process.stdout

    def kill_after(self, lines, *args):
        """Starts it, and kills it when so many pages were reported. False: it was done before."""
        process = subprocess.Popen([self.program, *args, "--out", self.out], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(lines):
            if not process.stdout.readline():
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def pages(self, where="1"):
        database = sqlite3.connect(self.out / ".crawl" / "manifest.sqlite")
        try:
            rows = database.execute(f"SELECT url, state, file, hash, size, status, error FROM pages WHERE {where}").fetchall()
        finally:
            database.close()
        Page = collections.namedtuple("Page", "url state file hash size status error")
        return {row[0]: Page(*row) for row in rows}

    def files(self):
        return {
            path.relative_to(self.out).as_posix()
            for path in self.out.rglob("*")
            if path.is_file() and ".crawl" not in path.relative_to(self.out).parts
        }

    def check_files(self, pages):
        """Each file in the folder is a page's, and holds what the manifest says."""
        for page in pages.values():
            if page.state in ("stored", "duplicate"):
                content = (self.out / page.file).read_bytes()
                expect(hashlib.sha256(content).hexdigest() == page.hash and len(content) == page.size, f"{page} is not what is in its file")
        known = {page.file for page in pages.values() if page.state == "stored"}
        expect(self.files() == known, f"files of no page: {self.files() - known}; without a file: {known - self.files()}")

    def check_complete(self, url, site):
        """Every page that can be reached is stored, once, as it is on the server; and nothing else."""
        pages = self.pages()
        expected = {url + address: content for address, content in site.pages.items()}
        expect(pages.keys() == expected.keys(), f"not found: {expected.keys() - pages.keys()}; too much: {pages.keys() - expected.keys()}")
        for address, content in expected.items():
            page = pages[address]
            expect(page.state in ("stored", "duplicate") and page.hash == content, f"{page} should have the hash {content}")
        self.check_files(pages)


def site_of(work, size):
    site = Site(work / "site", size)
    site.forget_unlinked()
    return site


@part
def whole_site(crawl, test_server, work, size):
    """Every page once, byte for byte; then again, and nothing is fetched."""
    site = site_of(work, size)
    with serve(site, work / "server", test_server) as server:
        said = crawl.run(server.url + "/", *FAST)
        crawl.check_complete(server.url, site)
        expect(f"{len(site.pages)} pages in" in said and said.count("\n") == len(site.pages) + 1, f"it said {said[-500:]!r}")
        crawl.run(*FAST)
        counts = collections.Counter(server.requests())
    once = {address: 1 for address in site.pages}
    once["/robots.txt"] = counts["/robots.txt"]
    expect(counts == once, f"not fetched once: {[(a, n) for a, n in counts.items() if once.get(a) != n][:10]}")


@part
def kills(crawl, test_server, work, size):
    """Killed five times at random; nothing is lost, and nothing that was stored is fetched again."""
    site = site_of(work, size)
    rnd = random.Random()
    seed = rnd.randrange(1 << 30)
    rnd.seed(seed)
    with serve(site, work / "server", test_server) as server:
        stored, previous, all_requests = set(), set(), []
        killed = 0
        pace = FAST if size > 5000 else ("--rate", str(size), "--per-host", "32")  # a small site would be done before we can kill
        for _ in range(5):
            killed += crawl.kill_after(rnd.randrange(1, size // 7), server.url + "/", *pace)
            now = {url for url, page in crawl.pages("state IN ('stored', 'duplicate')").items()}
            expect(stored <= now, f"seed {seed}: lost {stored - now}")
            stored = now
            if isinstance(server, Nginx):
                before = len(all_requests)
                all_requests = server.requests()
                again = {server.url + path for path in all_requests[before:]} & previous
                expect(not again, f"seed {seed}: fetched again: {again}")
                previous = stored
        expect(killed >= 4, f"seed {seed}: it was done after {killed} kills")
        crawl.run(*FAST)
        crawl.check_complete(server.url, site)
    shutil.rmtree(crawl.out)


@part
def bad_pages(crawl, test_server, work, size):
    """All that a server can do wrong; the crawl goes on."""
    root = work / "root"
    root.mkdir()
    (root / "bomb.gz").write_bytes(gzip.compress(bytes(100_000_000)))
    bulk = 1_000_000 if size >= 1000 else 50_000  # tags in the largest
    with TestServer(test_server, work, "--bulk", str(bulk), root=root) as server:
        bad = server.url + "/bad/"
        crawl.run(
            bad, *FAST, "--slow", "2", "--timeout", "60", "--max-size", "60M", "--exclude", "*/m/*", "--attempts", "3", "--quiet", code=1
        )
        pages = crawl.pages()
        crawl.check_files(pages)

        def ended(name, state, error="", status=None):
            page = pages[bad + name]
            fits = page.state == state and error in (page.error or "") and status in (None, page.status)
            expect(fits, f"{page}: expected {state} with {error!r}, {status}")

        for hop in range(10):
            ended(f"redirect/{hop}", "redirect", f"redirect/{hop + 1}")
        ended("redirect/10", "failed", "more than 10 redirects")
        expect(bad + "redirect/11" not in pages, "the redirects did not end")
        ended("circle", "redirect", "circle2")
        ended("circle2", "redirect", "circle")
        ended("drip", "failed", "too slow")
        ended("long", "failed", "bytes remaining")
        ended("short", "stored", status=200)
        expect(pages[server.url + "/bomb.gz"].error == "larger than 62914560 bytes", f"{pages[server.url + '/bomb.gz']}")
        ended("endless", "failed", "larger than")
        for name in ("huge", "million", "deep", "unclosed"):
            ended(name, "stored")
            ended("from-" + name, "stored")  # its first link
        expect(pages[bad + "huge"].size > 50 * bulk, f"{pages[bad + 'huge']}")
        ended("latin1", "stored")
        ended("caf%C3%A9", "stored")
        for path in ("/etc/passwd", "/etc/shadow"):
            expect(pages[server.url + path].status == 404, f"{pages[server.url + path]}")
        ended("..%2F..%2Fetc%2Fgroup", "stored")
        ended("y", "stored")
        ended("reset", "failed", "eset")
        ended("reset-early", "failed", "eset")
        ended("busy", "stored", status=200)
        ended("limited", "stored", status=200)
        ended("down", "failed", "HTTP 500", 500)
        ended("headers", "failed", "headers do not end")
        ended("garbage", "failed")
        ended("empty", "stored", status=204)
        for name in ("a", "a/b", "a/", "a/index.html", "q", "q?x=2", "n" * 1500):
            ended(name, "stored")
            expect((crawl.out / pages[bad + name].file).read_text() == "this is " + name, f"{name} is not in its file")
        expect({pages[bad + name].state for name in ("same1", "same2")} == {"stored", "duplicate"}, "not one of the same is the duplicate")
        expect(pages[bad + "same1"].file == pages[bad + "same2"].file, "the same content is stored twice")
        outside = [url for url in pages if not url.startswith(server.url + "/")]
        expect(not outside, f"left its host: {outside}")
        requests = collections.Counter(server.requests())
        expect(requests["/bad/down"] == 3 and requests["/bad/busy"] == 2 and requests["/bad/limited"] == 3, f"{requests}")
        expect(requests["/bad/garbage"] == 1, "what cannot get better was tried again")


def folder_of(work, **files):
    """A folder to serve: the values are contents, the keys names, with __ for a dot."""
    root = work / "root"
    root.mkdir()
    for name, content in files.items():
        (root / name.replace("__", ".")).write_text(content)
    return root


@part
def manners(crawl, test_server, work, size):
    """robots.txt, Crawl-delay, the rate and the concurrency for a host, and the name."""
    links = "".join(f"<a href=/p{n}.html></a>" for n in range(8))
    pages = {f"p{n}__html": str(n) for n in range(8)}
    robots = "User-agent: *\nDisallow: /\n\nUser-agent: Tandem-Crawl\nDisallow: /private\nDisallow: /p7\nCrawl-delay: 0.1\n"
    root = folder_of(work, index__html=links + "<a href=/private/x>", robots__txt=robots, **pages)
    with TestServer(test_server, work, root=root) as server:
        begin = time.monotonic()
        crawl.run(server.url + "/", "--rate", "0")
        took = time.monotonic() - begin
        expect(took >= 0.7, f"8 pages, 0.1 s between two of them, took {took} s")
        skipped = crawl.pages("state = 'skipped'")
        expect({server.url + "/private/x", server.url + "/p7.html"} == skipped.keys(), f"skipped: {skipped}")
        requests = server.requests()
        expect(sorted(requests) == sorted(["/robots.txt", "/", *(f"/p{n}.html" for n in range(7))]), f"asked for {requests}")
    (root / "robots.txt").unlink()
    with TestServer(test_server, work, "--delay", "30", root=root) as server:
        begin = time.monotonic()
        Crawl(crawl.program, work / "rate").run(server.url + "/", "--rate", "20", code=1)  # /private/x is a 404
        took = time.monotonic() - begin
        expect(took >= 0.45, f"11 requests at 20 a second took {took} s")
        Crawl(crawl.program, work / "slots").run(server.url + "/", "--rate", "0", "--per-host", "3", code=1)
        most = server.at_a_time()
        expect(most == 3, f"{most} requests at a time, not 3")
    (root / "robots.txt.status").write_text("503")
    with TestServer(test_server, work, root=root) as server:
        refused = Crawl(crawl.program, work / "refused")
        refused.run(server.url + "/", "--rate", "0", "--attempts", "2", code=1)
        expect("robots.txt could not be read: HTTP 503" in refused.pages()[server.url + "/"].error, "went on without its robots.txt")
        expect(server.requests() == ["/robots.txt"] * 2, "asked for pages all the same")
    with TestServer(test_server, work) as server:
        named = Crawl(crawl.program, work / "named")
        named.run(server.url + "/bad/agent", "--quiet")
        page = named.pages()[server.url + "/bad/agent"]
        expect((named.out / page.file).read_text().startswith("tandem-crawl/"), f"{page}")


@part
def rules(crawl, test_server, work, size):
    """What belongs to a crawl: depth, number, patterns, hosts; and what an earlier run had."""

    def stored(name, *args, code=0):
        c = Crawl(crawl.program, work / name)
        c.run(*args, *FAST, "--quiet", code=code)
        return {url.split("/made/40/")[-1] for url, page in c.pages().items() if page.state in ("stored", "duplicate")}, c

    with TestServer(test_server, work) as server, TestServer(test_server, work / "2") as other:
        start = server.url + "/made/40/0"
        everything, _ = stored("all", start)
        expect(everything == {str(n) for n in range(40)}, f"all: {everything}")
        expect(stored("depth0", start, "--depth", "0")[0] == {"0"}, "depth 0")
        # Depth 1 by the links of page 0 alone.
        with_links = Crawl(crawl.program, work / "json")
        lines = [json.loads(line) for line in with_links.run(start, *FAST, "--depth", "1", "--json").splitlines()]
        expect({line["depth"] for line in lines[:-1]} == {0, 1} and len(lines) > 3, f"{lines}")
        expect(lines[-1]["stored"] == len(lines) - 1 and lines[-1]["failed"] == 0 and not lines[-1]["interrupted"], f"{lines[-1]}")
        for line in lines[:-1]:
            expect(line["state"] == "stored" and line["status"] == 200 and (work / "json" / line["file"]).stat().st_size == line["size"], f"{line}")
        some, c = stored("max", start, "--max-pages", "17")
        expect(len(some) == 17, f"17 pages at most: {some}")
        rest, _ = stored("max", start)
        expect(rest == everything and len(c.pages()) == 40, "did not go on after --max-pages")
        ones, _ = stored("include", start, "--include", "*/40/1*")
        expect(ones == {"0"} | {n for n in ones if n.startswith("1")} and len(ones) > 1, f"include: {ones}")
        few, _ = stored("exclude", start, "--exclude", "*/40/1*", "--exclude", "*/2?")
        expect(few and not any(n.startswith("1") for n in few), f"exclude: {few}")
        # A page that links to another host.
        root = folder_of(work, index__html=f"<a href={other.url}/made/5/0><a href=gone>", )
        with TestServer(test_server, work / "3", root=root) as front:
            stay, c = stored("stay", front.url, code=1)
            expect(len(stay) == 1 and c.pages()[front.url + "/gone"].status == 404, f"{c.pages()}")
            both, c = stored("both", front.url, "--hosts", "127.0.0.*", code=1)
            expect(len(both) == 6, f"{c.pages()}")
            # What has failed is tried again only when asked to.
            (root / "gone").write_text("back")
            said = c.run("--hosts", "127.0.0.1", *FAST, code=1)
            expect(said.startswith("0 pages"), f"tried again: {said}")
            c.run("--hosts", "127.0.0.1", *FAST, "--retry-failed")
            expect(c.pages()[front.url + "/gone"].state == "stored", "--retry-failed")
    empty = Crawl(crawl.program, work / "empty")
    empty.run(code=3)
    empty.run("ftp://x", code=2)
    empty.run("--depth", "deep", "http://x", code=2)
    empty.run("--nonsense", code=2)


@part
def interrupt(crawl, test_server, work, size):
    """Ctrl-C lets what is under way finish; the next run does the rest, and nothing twice."""
    with TestServer(test_server, work, "--delay", "20") as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(
                [crawl.program, server.url + "/made/300/0", "--out", crawl.out, *FAST], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(30):
                process.stdout.readline()
            begin = time.monotonic()
            process.send_signal(number)
            output, errors = process.communicate()
            expect(process.returncode == 130 and not errors, f"ended with {process.returncode}: {errors}")
            expect(output.splitlines()[-1].startswith("interrupted; "), f"it said {output[-300:]!r}")
            expect(time.monotonic() - begin < 5, "did not stop soon")
            crawl.check_files(crawl.pages())
        crawl.run(*FAST)
        pages = crawl.pages()
        expect(len(pages) == 300 and all(page.state == "stored" for page in pages.values()), "not all pages")
        counts = collections.Counter(server.requests())
        twice = {path for path, n in counts.items() if n > 1} - {"/robots.txt"}
        expect(not twice, f"fetched twice: {twice}")
    # What does not end by itself is cut off, and is queued again.
    with TestServer(test_server, work) as server:
        slow = Crawl(crawl.program, work / "slow")
        process = subprocess.Popen([crawl.program, server.url + "/bad/drip", "--out", slow.out, "--drain", "0.3"], stdout=subprocess.PIPE)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        expect(process.returncode == 130, f"ended with {process.returncode}")
        expect([page.state for page in slow.pages().values()] == ["taken"], f"{slow.pages()}")


@part
def full_disk(crawl, test_server, work, size):
    """When nothing can be stored any more it says why and stops; with room again it goes on."""

    def limit():  # a file may not grow beyond this: the manifest soon would
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    with TestServer(test_server, work) as server:
        command = [crawl.program, server.url + "/made/1000/0", "--out", crawl.out, *FAST]
        process = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=limit, restore_signals=False)
        expect(process.returncode == 3 and "SQLite" in process.stderr, f"ended with {process.returncode}: {process.stderr!r}")
        crawl.run(*FAST)
        pages = crawl.pages()
        expect(len(pages) == 1000 and all(page.state == "stored" for page in pages.values()), "not all pages")
        crawl.check_files(pages)


@part
def tls(crawl, test_server, work, size):
    """Certificates are verified; HTTP/2; compressed pages are stored as they are."""
    if not Nginx.program or not shutil.which("openssl"):
        skip()
    site = site_of(work, min(size, 200))
    key, certificate = work / "key.pem", work / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", certificate]
        + ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    settings = f" ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key}"
    with Nginx(site.root, work / "server", settings, gzip="on") as server:
        Crawl(crawl.program, work / "wary").run(server.url + "/", *FAST, "--attempts", "1", code=1)
        error = Crawl(crawl.program, work / "wary").pages()[server.url + "/"].error
        expect("certificate" in error, f"the certificate was not looked at: {error}")
        crawl.run(server.url + "/", *FAST, "--ca", certificate)
        crawl.check_complete(server.url, site)
        protocols = {protocol for _, protocol in server.log()}
        expect(protocols == {"HTTP/2.0"}, f"{protocols}")


@part
def warc(crawl, test_server, work, size):
    """A WARC file in place of the mirror, also after being killed."""
    site = site_of(work, min(size, 500))
    with serve(site, work / "server", test_server) as server:
        crawl.kill_after(len(site.pages) // 3, server.url + "/", *FAST, "--warc")
        crawl.run(*FAST, "--warc")
        expect(crawl.files() == {"crawl.warc"}, f"{crawl.files()}")
        data = (crawl.out / "crawl.warc").read_bytes()
        at, found = 0, {}
        while at < len(data):
            head_end = data.index(b"\r\n\r\n", at)
            lines = data[at:head_end].decode().split("\r\n")
            fields = dict(line.split(": ", 1) for line in lines[1:])
            begin, end = head_end + 4, head_end + 4 + int(fields["Content-Length"])
            expect(lines[0] == "WARC/1.1" and data[end : end + 4] == b"\r\n\r\n", f"no record at {at}: {lines}")
            if fields["WARC-Type"] == "response":
                status, content = data[begin:end].split(b"\r\n\r\n", 1)
                expect(status.startswith(b"HTTP/1.1 200"), f"{status}")
                expect(fields["WARC-Target-URI"] not in found, f"twice: {fields}")
                found[fields["WARC-Target-URI"]] = hashlib.sha256(content).hexdigest()
            at = end + 4
        expected = {server.url + address: content for address, content in site.pages.items()}
        expect(set(found.values()) == set(expected.values()), "not all contents are there")
        expect(all(expected[url] == content for url, content in found.items()), "a content is not its page's")


@part
def isolated(crawl, test_server, work, size):
    """Parsing in other processes gives the same."""
    site = site_of(work, min(size, 300))
    with serve(site, work / "server", test_server) as server:
        crawl.run(server.url + "/", *FAST, "--isolate")
        crawl.check_complete(server.url, site)


@part
def terminal(crawl, test_server, work, size):
    """The live view: drawn while it runs, gone at the end."""
    import os
    import pty

    with TestServer(test_server, work, "--delay", "20") as server:
        try:
            pid, screen = pty.fork()
        except OSError:
            skip()  # a bare chroot has no terminals
        if pid == 0:
            os.execv(crawl.program, [crawl.program, server.url + "/made/200/0", "--out", str(crawl.out), "--rate", "0", "--per-host", "8"])
        text = b""
        try:
            while more := os.read(screen, 65536):
                text += more
        except OSError:
            pass  # the other side has closed it
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        expect(code == 0, f"ended with {code}: {text[-500:]!r}")
        expect(b"pages/s" in text and b" in flight" in text and b"/made/200/" in text, f"no picture: {text[:500]!r}")
        last = text.split(b"\x1b[J")[-1]  # after the picture was taken away
        expect(last.startswith(b"200 pages in") and last.count(b"\n") == 1, f"it ends with {last!r}")


@part
def downloads(crawl, test_server, work, size):
    """The other program: map gives all at the end, apply_async each as it comes."""
    root = folder_of(work, **{f"f{n}__txt": "x" * n for n in range(5)})
    with TestServer(test_server, work, "--delay", "100", root=root) as server:
        urls = [f"{server.url}/f{n}.txt" for n in range(5)]
        said = crawl.run(*urls).splitlines()
        expect(said[0].startswith("map: ") and said[6].startswith("apply_async: ") and len(said) == 12, f"{said}")
        for block in (said[1:6], said[7:12]):
            expect(sorted(line.split()[4] for line in block) == urls, f"{block}")
        for n in range(5):
            expect((crawl.out / f"127.0.0.1+{server.port}" / f"f{n}.txt").read_text() == "x" * n, f"f{n}.txt")
        said = crawl.run(urls[0], server.url + "/gone", code=1)
        expect(said.count("/gone: HTTP 404") == 2 and said.count("f0.txt ->") == 1, f"{said}")
        expect(list(crawl.out.iterdir()) == [crawl.out / f"127.0.0.1+{server.port}"], "something is left over")
    crawl.run("ftp://x", code=2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("crawl")
    parser.add_argument("test_server")
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--keep", action="store_true")
    o = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="crawl-"))
    try:
        PARTS[o.part](Crawl(o.crawl, work / "out"), o.test_server, work, o.pages)
    except (Failed, OSError, subprocess.TimeoutExpired) as problem:
        return f"{o.part}: {type(problem).__name__}: {problem}"
    finally:
        if o.keep:
            print(work)
        else:
            shutil.rmtree(work, ignore_errors=True)
    return None


if __name__ == "__main__":
    sys.exit(main())
