"""The compiler and the flags that a build directory compiles the library with, for the checks that call the compiler themselves."""

import json
import pathlib
import shlex
import sys


def command(build):
    """The command as a list, without the source and without outputs. Run it in `build`."""
    for entry in json.loads((pathlib.Path(build) / "compile_commands.json").read_text()):
        if entry["output"].startswith("runtime/libtandem."):  # any of its files, or some of them as one
            break
    else:
        sys.exit(f"{build}/compile_commands.json does not mention the library")
    words = iter(shlex.split(entry["command"]))
    kept = []
    for word in words:
        if word in ("-o", "-c", "-MF", "-MQ"):
            next(words)
        elif word != "-MD" and not word.endswith("ccache"):
            kept.append(word)
    return kept + ["-fdiagnostics-color=never"]
