#!/usr/bin/env python3
"""Crawls sites whose pages are known, and looks at what was stored. Everything stays on loopback, in a folder that goes afterwards.

usage: crawl_test.py PART CRAWL TEST_SERVER [--pages N] [--keep]      PART: a function marked @part in crawl_stores, _hostile or _use
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

import crawl_hostile  # noqa: F401: their parts
import crawl_stores  # noqa: F401
import crawl_use  # noqa: F401
from crawl_runs import PARTS, Crawl
from example_servers import Failed


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
