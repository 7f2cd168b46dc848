"""Parts of crawl_test.py: every page is stored once, byte for byte, whatever happens to the crawler."""

import collections
import hashlib
import random
import resource
import shutil
import signal
import subprocess
import time

from crawl_runs import FAST, Crawl, part, site_of, skip
from crawl_site import Nginx, TestServer, serve
from example_servers import expect


@part
def whole_site(crawl, test_server, work, size):
    """Every page once, byte for byte; then again, and nothing is fetched."""
    site = site_of(work, size)
    begin = int(time.time())
    with serve(site, work / "server", test_server) as server:
        said = crawl.run(server.url + "/", *FAST)
        crawl.check_complete(server.url, site)
        entries = crawl.query("SELECT status, type, time, elapsed, depth FROM pages")
        fits = [s == 200 and t and begin <= at <= time.time() and ms >= 0 and depth >= 0 for s, t, at, ms, depth in entries]
        expect(all(fits), f"{[entry for entry, fit in zip(entries, fits) if not fit][:10]}")
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
        if isinstance(server, Nginx):
            again = {server.url + path for path in server.requests()[len(all_requests) :]} & stored
            expect(not again, f"seed {seed}: fetched again by the last run: {again}")
    shutil.rmtree(crawl.out)


@part
def levels(crawl, test_server, work, size):
    """Breadth first, exactly: over several sites, through redirects, to any depth."""
    rnd = random.Random()
    seed = rnd.randrange(1 << 30)
    rnd.seed(seed)
    roots = [work / f"root{n}" for n in range(3)]
    servers = [TestServer(test_server, work / f"server{n}", root=root) for n, root in enumerate(roots)]
    try:
        urls = ["/".join((servers[n % 3].url, f"p{n}.html")) for n in range(90)]
        links = {url: [rnd.choice(urls) for _ in range(rnd.choice((1, 1, 2, 3)))] for url in urls}
        redirects = {url: links[url][0] for url in urls[::5]}  # the first page among them
        for root in roots:
            root.mkdir()
        for n, url in enumerate(urls):
            if url in redirects:
                (roots[n % 3] / f"p{n}.html.location").write_text(redirects[url])
            else:
                (roots[n % 3] / f"p{n}.html").write_text(f"{n}" + "".join(f"<a href={to}>" for to in links[url]))
        depths, level = {}, [urls[0]]  # the least number of links; a redirect is none
        for depth in range(len(urls)):
            beyond = []
            while level:
                url = level.pop()
                if url not in depths:
                    depths[url] = depth
                    (level if url in redirects else beyond).extend([redirects[url]] if url in redirects else links[url])
            level = beyond
        for depth in (0, 1, 2, 3, 5, 8, None):
            out = Crawl(crawl.program, work / f"depth {depth}")
            limit = () if depth is None else ("--depth", str(depth))
            out.run(urls[0], *FAST, *limit, "--hosts", "127.0.0.1", "--quiet")
            found = dict(out.query("SELECT url, depth FROM pages"))
            expected = {url: d for url, d in depths.items() if depth is None or d <= depth}
            expect(found.keys() == expected.keys(), f"seed {seed}, depth {depth}: {sorted(found.keys() ^ expected.keys())}")
            expect(depth is None or found == expected, f"seed {seed}, depth {depth}: {[u for u in found if found[u] != expected[u]]}")
    finally:
        for server in servers:
            server.__exit__()


@part
def full_disk(crawl, test_server, work, size):
    """When nothing can be stored any more it says why and stops; with room again it goes on."""

    def limit():  # a file may not grow beyond this: the manifest soon would
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    with TestServer(test_server, work) as server:
        command = [crawl.program, server.url + "/made/1000/0", "--out", crawl.out, *FAST]
        process = subprocess.run(command, capture_output=True, text=True, timeout=600, preexec_fn=limit, restore_signals=False)
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
