#!/usr/bin/env python3
"""Fails on a .cpp that no meson.build names: Meson has no globs, and a forgotten test would pass for ever."""

import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
forgotten = 0
for folder in ("runtime", "tests", "examples", "bench"):
    lists = root / folder / "meson.build"
    text = re.sub(r"(?m)#.*$", "", lists.read_text()) if lists.exists() else ""
    for source in sorted((root / folder).rglob("*.cpp")):
        name = source.relative_to(root / folder).as_posix()
        if f"'{name}'" not in text:
            forgotten += 1
            print(f"{source.relative_to(root)} is not named in {folder}/meson.build: add '{name}'")
sys.exit(forgotten != 0)
