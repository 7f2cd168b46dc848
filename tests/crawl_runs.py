"""Runs the crawler, and looks at what it has stored. Used by the parts of crawl_test.py and by bench/crawl_compare.py."""

import collections
import hashlib
import pathlib
import signal
import sqlite3
import subprocess
import sys

from crawl_site import Site
from example_servers import expect

PARTS = {}  # of the test, by name
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

    def query(self, statement):
        database = sqlite3.connect(self.out / ".crawl" / "manifest.sqlite")
        try:
            return database.execute(statement).fetchall()
        finally:
            database.close()

    def pages(self, where="1"):
        Page = collections.namedtuple("Page", "url state file hash size status error")
        rows = self.query(f"SELECT url, state, file, hash, size, status, error FROM pages WHERE {where}")
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


def folder_of(work, **files):
    """A folder to serve: the values are contents, the keys names, with __ for a dot."""
    root = work / "root"
    root.mkdir()
    for name, content in files.items():
        (root / name.replace("__", ".")).write_text(content)
    return root
