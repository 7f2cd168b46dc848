#!/usr/bin/env python3
"""Checks that a file does not compile, and that the compiler's output matches each `// expect: <regex>` line in the file.

usage: compile_fail.py BUILD_DIR FILE
"""

import pathlib
import re
import subprocess
import sys

import compiler


def main(build, source):
    expected = re.findall(r"^// expect: (.+)$", pathlib.Path(source).read_text(), re.MULTILINE)
    if not expected:
        return f"{source} has no line `// expect: <regex>`"
    command = compiler.command(build) + ["-fsyntax-only", source]
    result = subprocess.run(command, cwd=build, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode == 0:
        return f"{source} compiles, and should not"
    missing = [regex for regex in expected if not re.search(regex, result.stdout)]
    if missing:
        return f"{result.stdout}\n{source}: the output above does not match: " + "; ".join(missing)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
