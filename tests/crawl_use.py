"""Parts of crawl_test.py: what the user and the servers may ask for, and what is said."""

import collections
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time

from crawl_runs import FAST, Crawl, folder_of, part, skip
from crawl_site import TestServer
from example_servers import eventually, expect


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
    with TestServer(test_server, work, "--delay", "200", root=root) as server:
        Crawl(crawl.program, work / "slots").run(server.url + "/", "--rate", "0", "--per-host", "3", code=1)
        most = server.at_a_time()
        expect(most == 3, f"{most} requests at a time, not 3")
    with TestServer(test_server, work, "--delay", "200", root=root) as server:
        Crawl(crawl.program, work / "total").run(server.url + "/", *FAST, "--concurrency", "2", code=1)
        most = server.at_a_time()
        expect(most == 2, f"{most} requests at a time in all, not 2")
    with TestServer(test_server, work) as server:
        impatient = Crawl(crawl.program, work / "impatient")
        impatient.run(server.url + "/bad/drip", "--attempts", "1", "--timeout", "0.5", code=1)
        page = impatient.pages()[server.url + "/bad/drip"]
        expect("timed out" in page.error, f"{page}")
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
        some, _ = stored("max", start, "--max-pages", "20")
        expect(len(some) == 20, f"20 pages at most, 17 of them by an earlier run: {some}")
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
        # Who asks for one host and is sent to another means that one; a page on the way that leads elsewhere does not.
        shutil.rmtree(root)
        root = folder_of(work, index__html="<a href=away>")
        (root / "away.location").write_text(f"{other.url}/made/5/0")
        (root / "start.location").write_text(f"{other.url}/made/5/0")
        with TestServer(test_server, work / "4", root=root) as front:
            stay, c = stored("away", front.url)
            expect(len(stay) == 1 and c.pages()[front.url + "/away"].state == "redirect" and len(c.pages()) == 2, f"{c.pages()}")
            for name, depth in (("moved", ()), ("moved, 4 deep", ("--depth", "4"))):
                moved, c = stored(name, front.url + "/start", *depth)
                expect(len(moved) == 5, f"{c.pages()}")


@part
def trouble(crawl, test_server, work, size):
    """What the user can do wrong, and what the machine: it says so in a line, and ends with the code for it."""

    def fails(code, word, *args, out=work / "trouble", **streams):
        command = [crawl.program, *args] + (["--out", out] if out else [])
        process = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120, **streams)
        said = process.stderr
        expect(process.returncode == code and word in said, f"{args}: ended with {process.returncode}, not {code}: {said!r}, without {word!r}")
        expect(said.startswith("crawl: ") and said.count("\n") <= 2, f"{args}: it said {said!r}")

    fails(2, "--out DIR is missing", "http://x", out=None)
    fails(2, "--out needs something", "http://x", "--out", out=None)
    fails(2, "'ftp://x' is no address", "ftp://x")
    fails(2, "--depth takes a number from 0", "--depth", "deep", "http://x")
    fails(2, "--rate takes a number", "--rate", "nan", "http://x")
    fails(2, "--max-size takes a number", "--max-size", "16T", "http://x")
    fails(2, "--per-host takes a number", "--per-host=0", "http://x")
    fails(2, "'--json=yes'", "--json=yes", "http://x")
    fails(2, "'--nonsense'", "--nonsense")
    expect(not (work / "trouble").exists(), "a wrong command has left something")
    fails(3, "give a URL")
    file = work / "file"
    file.write_text("")
    fails(3, str(file), "http://x", out=file)
    fails(3, str(file), "http://x", out=file / "below")
    fails(3, "/proc", "http://x", out="/proc/nowhere")
    with TestServer(test_server, work, "--delay", "20") as server:
        start = server.url + "/made/1000/0"
        first = subprocess.Popen([crawl.program, start, "--out", crawl.out], stdout=subprocess.PIPE)
        first.stdout.readline()
        fails(3, "another crawl is at work", start, out=crawl.out)
        # Whoever read its lines has gone.
        first.stdout.close()
        expect(first.wait(60) == 3, f"without a reader it ended with {first.returncode}")
        with open("/dev/full", "w") as full:
            fails(3, "No space left", *FAST, out=crawl.out, stdout=full)
        crawl.run(*FAST)
        expect(len(crawl.pages("state = 'stored'")) == 1000, "did not go on")


@part
def interrupt(crawl, test_server, work, size):
    """Ctrl-C lets what is under way finish; the next run does the rest, and nothing twice."""
    with TestServer(test_server, work, "--delay", "100") as server:  # a second for all, since we may be late with the signal
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen(
                [crawl.program, server.url + "/made/300/0", "--out", crawl.out, *FAST], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(30):
                process.stdout.readline()
            process.send_signal(number)
            output, errors = process.communicate()
            expect(process.returncode == 130 and not errors, f"ended with {process.returncode}: {errors}")
            expect(output.splitlines()[-1].startswith("interrupted; "), f"it said {output[-300:]!r}")
            crawl.check_files(crawl.pages())
            expect(len(crawl.pages("state = 'stored'")) < 300, "it went on to the end")
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
        expect(eventually(lambda: server.times_asked_for("/bad/drip") >= 1), "the page was not asked for")
        process.send_signal(signal.SIGINT)
        process.communicate()
        expect(process.returncode == 130, f"ended with {process.returncode}")
        expect([page.state for page in slow.pages().values()] == ["taken"], f"{slow.pages()}")
        # A second Ctrl-C does not wait.
        process = subprocess.Popen(
            [crawl.program, server.url + "/bad/drip", "--out", slow.out, "--drain", "600"],
            stdout=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job would have it ignored
        )
        expect(eventually(lambda: server.times_asked_for("/bad/drip") >= 2), "the page was not asked for")
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        process.communicate()
        expect(process.returncode == -signal.SIGINT, f"ended with {process.returncode}")


def on_terminal(rows, columns, command):
    """What a program says on a terminal of this size, and the code that it ends with."""
    try:
        pid, screen = pty.fork()
    except OSError:
        skip()  # a bare chroot has no terminals
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execve(command[0], command, {**os.environ, "TERM": "xterm"})
    text = b""
    try:
        while more := os.read(screen, 65536):
            text += more
    except OSError:
        pass  # the other side has closed it
    os.close(screen)
    return text.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@part
def terminal(crawl, test_server, work, size):
    """The live view: drawn while it runs, within the screen, gone at the end."""
    with TestServer(test_server, work, "--delay", "20") as server:
        for rows, columns in ((24, 80), (6, 40)):
            out = str(work / f"{columns} columns")
            text, code = on_terminal(rows, columns, [crawl.program, server.url + "/made/200/0", "--out", out, "--rate", "0", "--per-host", "8"])
            expect(code == 0, f"ended with {code}: {text[-500:]!r}")
            expect("pages/s" in text and " in flight" in text and re.search(r"  200 +1\.\d KB", text), f"no picture: {text[:500]!r}")
            pictures = text.split("\x1b[J")
            expect(pictures[-1].startswith("200 pages in") and pictures[-1].count("\n") == 1, f"it ends with {pictures[-1]!r}")
            for picture in pictures[:-1]:
                lines = re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", picture).replace("\r", "").split("\n")
                expect(len(lines) <= min(rows, 10) and max(map(len, lines)) < columns, f"too large for {rows} x {columns}: {lines}")


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
