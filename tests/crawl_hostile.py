"""Parts of crawl_test.py: servers that are made to hurt."""

import collections
import gzip

from crawl_runs import FAST, part
from crawl_site import TestServer
from example_servers import expect


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


@part
def million_links(crawl, test_server, work, size):
    """A page with a million links, all of them to be followed: they are queued, in bounded memory, and the crawl goes on."""
    links = 1_000_000 if size >= 1000 else 50_000
    with TestServer(test_server, work, "--bulk", str(links)) as server:
        crawl.run(server.url + "/bad/million", *FAST, "--max-size", "60M", "--max-pages", "20", "--quiet")
        counts = dict(crawl.query("SELECT state, count(*) FROM pages GROUP BY state"))
        expect(counts.pop("stored") == 20 and sum(counts.values()) == links + 2 - 20, f"{counts}")
        crawl.run("--max-pages", "30", *FAST, "--quiet")  # and in a second run
        expect(len(crawl.pages("state = 'stored'")) == 30, "did not go on")
