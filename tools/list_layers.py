#!/usr/bin/env python3
"""Lists the layer classes that the files of a folder define.

list_layers.py FOLDER             prints the names of the .c files, one a line
list_layers.py FOLDER OUTPUT.c    writes the registry: every `const layer_class NAME = ...`
"""
import pathlib
import re
import sys


def main():
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.c"))
    if len(sys.argv) == 2:
        print("\n".join(f.name for f in files))
        return
    names = []
    for file in files:
        names += re.findall(r"^const layer_class (\w+) =", file.read_text(), re.MULTILINE)
    if not names:
        sys.exit(f"no layer classes in {sys.argv[1]}")
    lines = ['/* Made by tools/list_layers.py. */', '#include "layer/layer.h"', ""]
    lines += [f"extern const layer_class {name};" for name in names]
    lines += ["", "const layer_class *const layer_registry[] = {"]
    lines += [f"    &{name}," for name in names]
    lines += ["    NULL,", "};", ""]
    pathlib.Path(sys.argv[2]).write_text("\n".join(lines))


main()
