#!/usr/bin/env python3
"""The crawler against `wget --mirror`, over the same site on loopback, and at sizes where memory shows. `./run crawl` runs it.

usage: crawl_compare.py BUILD_DIR [--pages N] [--latency MS] [--latency-pages N] [--large N] [--runs N] [--work DIR]

Ends with 1 when a page is missing or different, or when one of the targets is missed.
"""

import argparse
import collections
import hashlib
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))

from crawl_runs import Crawl, site_of
from crawl_site import Site, TestServer, serve
from crawl_stores import kills
from example_servers import Failed, expect

FAST = ("--rate", "0", "--per-host", "256", "--concurrency", "256", "--quiet")


Result = collections.namedtuple("Result", "seconds cpu megabytes")


def measured(command):
    """The time it took, that on the processors, and its memory at the most: the kernel's count for the program itself."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    kilobytes = 0
    while process.poll() is None:
        try:
            found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())
            kilobytes = max(kilobytes, int(found[1]) if found else 0)
        except OSError:
            pass  # it has just ended
        time.sleep(0.01)
    took = time.monotonic() - begin
    expect(process.returncode == 0, f"{command} ended with {process.returncode}: {process.stderr.read()[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Result(took, cpu, kilobytes / 1024)


class Comparison:
    def __init__(self, build, work):
        self.work = work
        self.program = build / "examples" / "crawl"
        self.test_server = build / "examples" / "crawl_test_server"
        self.wget = shutil.which("wget")
        self.folders = 0
        self.missed = []

    def folder(self):
        self.folders += 1
        return self.work / f"out{self.folders}"

    def crawl(self, url, site=None):
        crawl = Crawl(self.program, self.folder())
        result = measured([self.program, url + "/", "--out", crawl.out, *FAST])
        if site:
            crawl.check_complete(url, site)
        return result

    def mirror(self, url, site):
        out = self.folder()
        result = measured([self.wget, "--mirror", "--quiet", "-P", out, url + "/"])
        stored = {hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*") if path.is_file()}
        missing = set(site.pages.values()) - stored
        expect(not missing, f"wget has not stored {len(missing)} pages")
        return result

    @staticmethod
    def busy():
        """Whether others are at work on this machine. Who waits after each request is then preferred to who always has work to do."""
        load, cores = os.getloadavg()[0], os.cpu_count()
        if load > 2 * cores:
            print(f"{'':<28}(but {load:.0f} programs are at work on {cores} cores: this is no measurement)")
        return load > 2 * cores

    @staticmethod
    def row(what, who, pages, results):
        best = Result(*map(min, zip(*results)))  # the run that was disturbed least
        memory = max(result.megabytes for result in results)
        per_second = f"{pages / best.seconds:8,.0f} a second"
        print(f"{what:<28}{who:<15}{pages:>8,} pages {best.seconds:8.2f} s {per_second} {best.cpu:8.2f} s of CPU {memory:6.0f} MB", flush=True)
        return best

    def compare(self, what, url, site, runs, target):
        ours, theirs = [], []
        for _ in range(runs):  # by turns, so that what else the machine does strikes both
            ours.append(self.crawl(url, site))
            if self.wget:
                theirs.append(self.mirror(url, site))
        us = self.row(what, "crawl", len(site.pages), ours)
        if not self.wget:
            return print("  (there is no wget to compare with)")
        them = self.row("", "wget --mirror", len(site.pages), theirs)
        factor = them.seconds / us.seconds
        print(f"{'':<28}{factor:.2f} times as fast, with {us.cpu / them.cpu:.2f} of its CPU; the target is {target}", flush=True)
        if factor < target and not self.busy():
            self.missed.append(f"{what}: {factor:.2f} times as fast as wget, not {target}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--pages", type=int, default=10_000, help="of the site without latency (10000)")
    parser.add_argument("--latency", type=int, default=50, help="milliseconds that are added to each request (50)")
    parser.add_argument("--latency-pages", type=int, default=1000, help="of the site with latency: wget takes them one by one (1000)")
    parser.add_argument("--large", type=int, default=100_000, help="pages of the site that is to show the use of memory (100000)")
    parser.add_argument("--runs", type=int, default=3, help="of both without latency, of which the best counts (3)")
    parser.add_argument("--work", type=pathlib.Path, help="where the files go, and are removed from in the end")
    o = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="crawl-", dir=o.work))
    c = Comparison(o.build, work)
    try:
        site = site_of(work, o.pages)
        with serve(site, work / "server", c.test_server) as server:
            c.compare(f"{type(server).__name__}, no latency", server.url, site, o.runs, 1)
        small = Site(work / "small", o.latency_pages)
        small.forget_unlinked()
        with TestServer(c.test_server, work / "slow", "--delay", str(o.latency), root=small.root) as server:
            c.compare(f"{o.latency} ms of latency", server.url, small, 1, 3)

        begin = time.monotonic()
        kills(Crawl(c.program, work / "killed"), c.test_server, work / "again", o.pages)
        print(f"{'killed 5 times, and gone on':<28}all pages once, byte for byte; nothing stored was fetched again ({time.monotonic() - begin:.1f} s)")

        memory = {}
        for pages in (o.large // 10, o.large):
            with TestServer(c.test_server, work / f"made{pages}") as server:
                result = c.crawl(f"{server.url}/made/{pages}/0")
            c.row("a made-up site", "crawl", pages, [result])
            memory[pages] = result.megabytes
        if memory[o.large] > 100:
            c.missed.append(f"{o.large} pages took {memory[o.large]:.0f} MB")
    except Failed as problem:
        return f"crawl: {problem}"
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return "\n".join(c.missed) or None


if __name__ == "__main__":
    sys.exit(main())
