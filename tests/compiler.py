"""The compiler and the flags that a build directory compiles the library with, for the checks that call the compiler themselves."""

import json
import pathlib
import shlex
import sys


def command(build):
    """The command as a list, without the source and without outputs. Run it in `build`."""
    for entry in json.loads((pathlib.Path(build) / "compile_commands.json").read_text()):
        if entry["file"].endswith("runtime/tandem/sched/asio_impl.cpp"):
            break
    else:
        sys.exit(f"{build}/compile_commands.json does not mention asio_impl.cpp")
    words = iter(shlex.split(entry["command"]))
    kept = []
    for word in words:
        if word in ("-o", "-c", "-MF", "-MQ"):
            next(words)
        elif word != "-MD" and not word.endswith("ccache"):
            kept.append(word)
    return kept + ["-fdiagnostics-color=never"]
