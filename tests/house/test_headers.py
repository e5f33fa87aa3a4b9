#!/usr/bin/env python3
"""A user's program compiles without a warning as C11 and as C++17, and runs against the shared library, which
exports nothing but what the headers declare."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'python'))
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-I' + os.path.join(ROOT, 'include')]
C = ['-std=c11'] + STRICT
CXX = ['-x', 'c++', '-std=c++17'] + STRICT
BUILD = os.environ.get('KILN_TEST_BUILD', os.path.join(ROOT, 'build'))
LIBRARY = os.path.join(BUILD, 'src', 'libkiln.so')


def compilers(names):
    return [path for path in map(shutil.which, names) if path]


class Headers(unittest.TestCase):
    def compile(self, compiler, options, source, *more):
        done = subprocess.run([compiler] + options + [source] + list(more), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)

    def each(self, names, options, source):
        found = compilers(names)
        if not found:
            self.skipTest('none of %s is installed' % ', '.join(names))
        for compiler in found:
            with self.subTest(compiler=compiler):
                self.compile(compiler, options, source, '-fsyntax-only')

    def test_c11(self):
        self.each(['gcc', 'clang'], C, os.path.join(HERE, 'users_program.c'))

    def test_macros_in_c11(self):
        self.each(['gcc', 'clang'], C, os.path.join(HERE, 'users_macros.c'))

    def test_cxx17(self):
        self.each(['g++', 'clang++'], CXX, os.path.join(HERE, 'users_program.c'))

    def test_each_header_alone(self):
        folder = os.path.join(ROOT, 'include', 'kiln')
        for name in sorted(os.listdir(folder)):
            if name.endswith('.h'):
                with tempfile.TemporaryDirectory() as temporary:
                    source = os.path.join(temporary, 'alone.c')
                    with open(source, 'w', encoding='utf-8') as file:
                        file.write('#include <kiln/%s>\n#include <kiln/%s>\nextern int alone;\n' % (name, name))
                    with self.subTest(header=name, language='C'):
                        self.compile('gcc', C, source, '-fsyntax-only')
                    if shutil.which('g++'):
                        with self.subTest(header=name, language='C++'):
                            self.compile('g++', CXX, source, '-fsyntax-only')

    def declared(self):
        names = set()
        folder = os.path.join(ROOT, 'include', 'kiln')
        for name in os.listdir(folder):
            if name.endswith('.h'):
                with open(os.path.join(folder, name), encoding='utf-8') as file:
                    names.update(re.findall(r'KILN_API[^;()]*?\b(kiln_\w+)\s*\(', file.read()))
        return names

    def test_each_macro_has_a_plain_form(self):
        """A function for what a macro builds: NAME_with or NAME_from, or for values TYPE_of."""
        folder = os.path.join(ROOT, 'include', 'kiln')
        declared, seen = self.declared(), 0
        for header in sorted(os.listdir(folder)):
            if not header.endswith('.h'):
                continue
            with open(os.path.join(folder, header), encoding='utf-8') as file:
                text = file.read().replace('\\\n', ' ')
            self.assertEqual(re.findall(r'^#define \w+\([^)]*\b(\w+), \.\.\.\)(?!.*__VA_ARGS__).*$', text, re.MULTILINE), [],
                             'a macro forgets its arguments')
            for name, body in re.findall(r'^#define (kiln_\w+|KILN_METRICS|KILN_SHAPE)\([^)]*\)\s+(.*)$', text, re.MULTILINE):
                called = re.findall(r'\b(kiln_\w+_(?:with|from))\(', body)
                made = re.match(r'\(\((kiln_\w+)\)\{', body)
                if made:
                    called = [made.group(1) + '_of']
                elif not called:  # another macro, which has its own
                    continue
                seen += 1
                for function in called:
                    self.assertIn(function, declared, '%s has no plain form' % name)
        self.assertGreater(seen, 40)

    def test_only_declared_symbols_are_exported(self):
        if not shutil.which('nm'):
            self.skipTest('nm is not installed')
        lines = subprocess.check_output(['nm', '-D', '--defined-only', LIBRARY], text=True).splitlines()
        exported = {line.split()[-1] for line in lines} - {'_init', '_fini'}
        exported = {name for name in exported if not re.match(r'__(asan|odr_asan|ubsan)', name)}
        declared = self.declared()
        self.assertGreater(len(declared), 80)
        self.assertEqual(sorted(exported - declared), [])
        self.assertEqual(sorted(name for name in exported if not name.startswith('kiln_')), [])


if __name__ == '__main__':
    tap.main()
