#!/usr/bin/env python3
"""Checks the includes under runtime/tandem against the layers of the design. Prints one line per violation.

- Includes point down the list of layers only, and never in a circle.
- Only tandem.hpp, the umbrella, stands above the layers; it leaves out io/ and process/.
- A layer's detail/ is its own: no other layer includes it, unless the header says why in a line `// shared-detail: <reason>`.
  It never includes public headers of its layer.
- A public header outside io/ includes nothing of Asio but <asio/async_result.hpp>, not through other headers either.

usage: check_layers.py [--self-test]
"""

import pathlib
import re
import sys
import tempfile

LAYERS = ["base", "trace", "cancel", "task", "sched", "sync", "combine", "pool", "io", "process"]  # upwards
UMBRELLA = "tandem.hpp"
NOT_IN_UMBRELLA = {"io", "process"}
LIGHT_ASIO = {"asio/async_result.hpp", "asio/detail/config.hpp"}  # the second is all that the first includes

INCLUDE = re.compile(r'\s*#\s*include\s*[<"]([^>"]+)[>"]')
SHARED_DETAIL = re.compile(r"^\s*// shared-detail: \S", re.MULTILINE)


def layer_of(name):
    """The layer of a file that is named by its path below tandem/; None for the umbrella."""
    return name.split("/")[0] if "/" in name else None


def is_detail(name):
    return "/detail/" in name


def is_public(name):
    return name.endswith(".hpp") and not is_detail(name)


def is_asio(target):
    return target == "asio.hpp" or target.startswith("asio/")


def check(root):
    """The violations in the files below `root`, the folder tandem/, as a list of lines."""
    problems = []
    texts = {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.[ch]pp"))}
    includes = {}  # file: [(line number, file below tandem/ or Asio header)]

    def complain(name, line, message):
        problems.append(f"{root.name}/{name}:{line}: {message}")

    for name, text in texts.items():
        includes[name] = []
        layer = layer_of(name)
        if layer not in LAYERS and name != UMBRELLA:
            complain(name, 1, f"is in no layer; the layers are {' '.join(LAYERS)}")
            continue
        for line, content in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(content)
            if not match:
                continue
            target = match[1]
            if is_asio(target):
                includes[name].append((line, target))
                continue
            if not target.startswith("tandem/"):
                if '"' in content:
                    complain(name, line, f'write #include <tandem/...>, not "{target}"')
                continue
            target = target.removeprefix("tandem/")
            if target not in texts:
                complain(name, line, f"<tandem/{target}> does not exist")
                continue
            includes[name].append((line, target))
            target_layer = layer_of(target)
            if target == UMBRELLA:
                complain(name, line, f"the library does not include its umbrella <tandem/{UMBRELLA}>")
            elif target_layer not in LAYERS:
                pass  # the file itself was complained of
            elif name == UMBRELLA:
                if target_layer in NOT_IN_UMBRELLA:
                    complain(name, line, f"the umbrella leaves out {target_layer}/")
            elif LAYERS.index(target_layer) > LAYERS.index(layer):
                complain(name, line, f"upward include: {layer}/ is below {target_layer}/ (<tandem/{target}>)")
            if is_detail(target) and target_layer != layer and not SHARED_DETAIL.search(texts[target]):
                complain(name, line, f"<tandem/{target}> is private to {target_layer}/ (it has no line `// shared-detail: <reason>`)")
            if is_detail(name) and is_public(target) and target_layer == layer:
                complain(name, line, f"detail/ includes a public header of its own layer (<tandem/{target}>)")

    # Circles: a depth-first walk that meets a file it has not left yet.
    done, path = set(), []

    def walk(name):
        if name in done:
            return
        path.append(name)
        for line, target in includes[name]:
            if target in path:
                circle = path[path.index(target) :] + [target]
                complain(name, line, "circle: " + " -> ".join(circle))
            elif target in includes:
                walk(target)
        path.pop()
        done.add(name)

    for name in includes:
        walk(name)

    # Asio in public headers: each header's own line, or the chain of headers that leads to it.
    for name in includes:
        if not is_public(name) or layer_of(name) == "io":
            continue
        seen, chains = {name}, [(None, [name])]
        while chains:
            first_line, chain = chains.pop()
            for line, target in includes[chain[-1]]:
                if is_asio(target) and target not in LIGHT_ASIO:
                    complain(name, first_line or line, f"a public header outside io/ includes <{target}> ({' -> '.join(chain)})")
                elif target in includes and target not in seen:
                    seen.add(target)
                    # A public header answers for itself, so only detail/ is looked through.
                    if is_detail(target):
                        chains.append((first_line or line, chain + [target]))
    return problems


def self_test():
    """Plants violations, one tree each, and sees that each is found and that a good tree passes."""
    good = {
        "tandem.hpp": "#include <tandem/task/task.hpp>",
        "base/errc.hpp": "#include <asio/async_result.hpp>",
        "task/task.hpp": "#include <tandem/base/errc.hpp>\n#include <tandem/task/detail/frame.hpp>",
        "task/detail/frame.hpp": "// shared-detail: the scheduler recycles frames\n#include <tandem/base/errc.hpp>",
        "sched/scheduler.cpp": "#include <asio/post.hpp>\n#include <tandem/task/detail/frame.hpp>",
        "io/sleep.hpp": "#include <asio/steady_timer.hpp>\n#include <tandem/task/task.hpp>",
    }
    planted = [
        ({}, None),
        ({"base/errc.hpp": "\n#include <tandem/task/task.hpp>"}, "tandem/base/errc.hpp:2: upward include: base/ is below task/"),
        ({"base/a.hpp": "#include <tandem/base/b.hpp>", "base/b.hpp": "#include <tandem/base/a.hpp>"}, "circle: base/a.hpp -> base/b.hpp"),
        ({"base/a.hpp": "#include <tandem/base/a.hpp>"}, "circle: base/a.hpp -> base/a.hpp"),
        ({"task/task.hpp": "#include <asio.hpp>"}, "outside io/ includes <asio.hpp> (task/task.hpp)"),
        ({"task/detail/frame.hpp": "#include <asio/post.hpp>"}, "includes <asio/post.hpp> (task/task.hpp -> task/detail/frame.hpp)"),
        ({"task/detail/frame.hpp": ""}, "tandem/sched/scheduler.cpp:2: <tandem/task/detail/frame.hpp> is private to task/"),
        ({"task/detail/a.hpp": "#include <tandem/task/task.hpp>"}, "detail/ includes a public header of its own layer"),
        ({"tandem.hpp": "#include <tandem/io/sleep.hpp>"}, "the umbrella leaves out io/"),
        ({"io/sleep.hpp": "#include <tandem/tandem.hpp>"}, "does not include its umbrella"),
        ({"misc/a.hpp": ""}, "is in no layer"),
        ({"base/errc.cpp": '#include "errc.hpp"'}, "write #include <tandem/...>"),
        ({"base/errc.cpp": "#include <tandem/base/gone.hpp>"}, "<tandem/base/gone.hpp> does not exist"),
    ]
    failed = 0
    for files, expected in planted:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder) / "tandem"
            for name, text in {**good, **files}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            problems = check(root)
        if problems != [] if expected is None else not any(expected in problem for problem in problems):
            failed += 1
            print(f"planted {files}: expected {expected!r}, found {problems}")
    print(f"{len(planted)} planted, {failed} not found")
    return failed != 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    problems = check(pathlib.Path(__file__).resolve().parent.parent / "runtime" / "tandem")
    print("\n".join(problems) if problems else "the layers hold")
    return problems != []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
