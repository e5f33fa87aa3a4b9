#!/usr/bin/env python3
"""Each floor of src/ includes only its own headers and those of the floors below it."""
import os
import re
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'python'))
import tap

FLOORS = ['base', 'report', 'device', 'ir', 'blas', 'op', 'graph', 'check', 'layer', 'model', 'data', 'format', 'train', 'cli']
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def sources(folder):
    for path, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in sorted(names):
            if name.endswith(('.c', '.h')):
                yield os.path.join(path, name)


def includes(path):
    with open(path, encoding='utf-8') as file:
        return INCLUDE.findall(file.read())


class Includes(unittest.TestCase):
    def test_floors_are_known(self):
        folders = sorted(name for name in os.listdir(os.path.join(ROOT, 'src'))
                         if os.path.isdir(os.path.join(ROOT, 'src', name)))
        self.assertEqual(folders, sorted(FLOORS))
        with open(os.path.join(ROOT, 'src', 'meson.build'), encoding='utf-8') as file:
            listed = re.search(r'foreach floor : \[([^\]]*)\]', file.read()).group(1)
        self.assertEqual(re.findall(r"'(\w+)'", listed), FLOORS[:-1])

    def test_direction(self):
        count = 0
        for height, floor in enumerate(FLOORS):
            for path in sources(os.path.join('src', floor)):
                for kind, name in includes(path):
                    if kind == '<' or name == 'config.h':
                        continue
                    count += 1
                    place = os.path.relpath(path, ROOT)
                    with self.subTest(file=place, include=name):
                        self.assertIn('/', name, 'inner headers are written FLOOR/NAME.h')
                        other = name.split('/')[0]
                        self.assertIn(other, FLOORS)
                        self.assertLessEqual(FLOORS.index(other), height,
                                             '%s is above %s' % (other, floor))
        self.assertGreater(count, 20)

    def test_public_headers_stand_alone(self):
        for path in sources('include'):
            for kind, name in includes(path):
                with self.subTest(file=os.path.relpath(path, ROOT), include=name):
                    if kind == '"':
                        self.assertTrue(os.path.exists(os.path.join(os.path.dirname(path), name)))
                    else:
                        self.assertIn(name, ['stddef.h', 'stdint.h', 'stdio.h', 'stdbool.h'],
                                      'public headers need nothing but the C library')

    def test_environment_is_read_in_one_file(self):
        for path in sources('src'):
            with open(path, encoding='utf-8') as file:
                if re.search(r'\b(secure_)?getenv\s*\(', file.read()):
                    self.assertEqual(os.path.relpath(path, ROOT), 'src/base/env.c')

    def test_files_have_a_readable_length(self):
        for folder in ('src', 'cl', 'include'):
            for path, _, names in os.walk(os.path.join(ROOT, folder)):
                for name in names:
                    with open(os.path.join(path, name), encoding='utf-8') as file:
                        length = sum(1 for _ in file)
                    with self.subTest(file=os.path.relpath(os.path.join(path, name), ROOT)):
                        self.assertLessEqual(length, 900)


if __name__ == '__main__':
    tap.main()
