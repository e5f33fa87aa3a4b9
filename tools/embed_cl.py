#!/usr/bin/env python3
"""Writes every .cl and .clh file of a folder into one C file, as an array of embedded_source.

usage: embed_cl.py OUTPUT.c DEPFILE FOLDER

The depfile names the files and the folder itself, so that an edited, added or removed file runs this
again."""
import os
import sys


def c_string(text):
    lines = []
    for line in text.splitlines():
        escaped = line.replace('\\', '\\\\').replace('"', '\\"').replace('\t', '\\t').replace('??', '?\\?')
        lines.append('    "%s\\n"' % escaped)
    return '\n'.join(lines) or '    ""'


def main():
    output, depfile, folder = sys.argv[1:]
    names = sorted(n for n in os.listdir(folder) if n.endswith(('.cl', '.clh')))
    parts = ['/* Made by embed_cl.py. */\n#include "device/source.h"\n',
             'const embedded_source embedded_sources[] = {']
    for name in names:
        with open(os.path.join(folder, name), encoding='ascii') as file:
            parts.append('{"%s",\n%s},' % (name, c_string(file.read())))
    parts.append('};\nconst size_t embedded_source_count = %d;' % len(names))
    with open(output, 'w', encoding='ascii') as file:
        file.write('\n'.join(parts) + '\n')
    paths = [folder] + [os.path.join(folder, n) for n in names]
    with open(depfile, 'w', encoding='utf-8') as file:
        file.write('%s: %s\n' % (output, ' '.join(p.replace(' ', '\\ ') for p in paths)))


main()
