#!/usr/bin/env python3
"""Checks that the code in README.md and docs/*.md is real.

- A cpp block is a part of an example: examples/**/*.cpp, between `// [name]` and `// [/name]`. Each such part is quoted somewhere.
- A python block runs, and prints what the cpp block after it prints (`readme NAME`).
- What stands in the column "Tandem" of a table stands in examples/readme.cpp.
- The commands to compile by hand, and the project that takes Tandem as a subproject, build and run.
- A `./run` command is one that run has.

usage: readme_test.py BUILD_DIR README_PROGRAM [quotes | builds]       (without the last word, both)
"""

import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import compiler

root = pathlib.Path(__file__).resolve().parent.parent
documents = [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def parts():
    """The marked parts of the examples: name to text."""
    found = {}
    for source in sorted((root / "examples").rglob("*.cpp")):
        for match in re.finditer(r"^ *// \[(\w+)\]\n(.*?)^ *// \[/\1\]\n", source.read_text(), re.MULTILINE | re.DOTALL):
            assert match[1] not in found, f"two parts are called {match[1]}"
            found[match[1]] = textwrap.dedent(match[2])
    return found


def blocks(document):
    return re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


def output(command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=500, **options).stdout


def check_quotes(program):
    known = parts()
    quoted = set()
    for document in documents:
        python = None
        for language, text in blocks(document):
            if language == "cpp":
                names = [name for name, part in known.items() if part == text]
                if not names:
                    yield f"{document.name}: this is no part of an example:\n{text}"
                    continue
                quoted.update(names)
                if python is not None:
                    theirs, ours = output([sys.executable, "-c", python]), output([program, names[0]])
                    if theirs != ours:
                        yield f"{document.name}: the Python beside {names[0]} prints\n{theirs}and the C++\n{ours}"
                python = None
            elif language == "python":
                python = text
            elif language not in ("sh", "meson", "text"): # text: a drawing
                yield f"{document.name}: a block in the language {language!r}, which nobody checks:\n{text}"
        labels = re.findall(r"^([\w |-]+)\)", (root / "run").read_text(), re.MULTILINE)
        commands = {word for label in labels for word in label.split(" | ")}
        for command in re.findall(r"\./run (\w+)", document.read_text()):
            if command not in commands:
                yield f"{document.name}: there is no ./run {command}"
    for name in known.keys() - quoted:
        yield f"examples: nobody quotes [{name}]"

    code = " ".join((root / "examples" / "readme.cpp").read_text().split())
    tables = re.findall(r"^\| Python \| Tandem \|.*\n\|[-| ]+\n((?:\|.*\n)+)", (root / "README.md").read_text(), re.MULTILINE)
    for row in "".join(tables).splitlines():
        for span in re.findall(r"`([^`]*)`", row.split(" | ")[1]):
            if span not in code:
                yield f"README.md: examples/readme.cpp does not have {span!r}"


def check_builds(build):
    readme = {language: text for language, text in blocks(root / "README.md") if language == "meson"}
    by_hand = [text for language, text in blocks(root / "README.md") if language == "sh" and "libtandem.a" in text]
    command = compiler.command(build)
    if any("isystem" in word for word in command):
        print("not the system's Asio: the commands of README.md do not apply")
        return
    place = pathlib.Path(build) / "readme"  # kept: the next time there is less to do
    (place / "subprojects").mkdir(parents=True, exist_ok=True)
    for link in (place / "tandem", place / "subprojects" / "tandem"):
        if not link.exists():
            link.symlink_to(root)
    hello = parts()["hello"]
    (place / "hello.cpp").write_text(hello)
    (place / "meson.build").write_text(readme["meson"])

    # Each text is run as it stands, but for the compiler and the library, which are those of this build.
    defines = " ".join(word for word in command if "COROUTINE" in word or "CO_AWAIT" in word)  # what it says Clang needs
    for text in by_hand:
        text = text.replace("g++", f"{command[0]} {defines}", 1).replace("tandem/build/gcc-release", str(build))
        said = output(["sh", "-ec", text + "./hello"], cwd=place)
        if said != "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\n":
            yield f"the program built by hand printed {said!r}"
    if not (place / "build" / "build.ninja").exists():
        ccache = "ccache " if shutil.which("ccache") else ""
        output(["env", f"CXX={ccache}{command[0]}", "meson", "setup", "build"], cwd=place)
    output(["ninja", "-C", "build"], cwd=place)
    said = output(["build/hello"], cwd=place)
    if said != "[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\n":
        yield f"the program of the subproject printed {said!r}"


def main(build, program, *which):
    problems = []
    if "builds" not in which:
        problems += check_quotes(program)
    if "quotes" not in which:
        problems += check_builds(pathlib.Path(build).resolve())
    return "\n".join(problems) or None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
