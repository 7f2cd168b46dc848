#!/usr/bin/env python3
"""Compiles every public header alone, twice in one translation unit: it must include all that it uses, and stand being repeated.

usage: check_headers.py BUILD_DIR
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import compiler

include_root = pathlib.Path(__file__).resolve().parent.parent / "runtime"


def main(build):
    syntax_only = compiler.command(build) + ["-fsyntax-only", "-x", "c++", "-"]

    def compile_alone(header):
        source = f"#include <{header}>\n" * 2
        return subprocess.run(syntax_only, cwd=build, input=source, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    headers = [path.relative_to(include_root) for path in sorted(include_root.rglob("*.hpp"))]
    headers = [header for header in headers if "detail" not in header.parts]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, result in zip(headers, pool.map(compile_alone, headers)):
            if result.returncode != 0:
                failed += 1
                print(f"<{header}> does not compile alone:\n{result.stdout}")
    print(f"{len(headers)} headers, {failed} of them do not compile alone")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
