#!/usr/bin/env python3
"""The tools say what they do, refuse what they do not know, and are sound shell."""
import os
import subprocess
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'python'))
import tap

TOOLS = ['tools/quickstart', 'tools/setup', 'tools/test', 'tools/fuzz/run']


class Tools(unittest.TestCase):
    def run_it(self, *words):
        return subprocess.run([os.path.join(ROOT, words[0])] + list(words[1:]), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)

    def test_help(self):
        for tool in TOOLS + ['tools/bench/compare']:
            with self.subTest(tool=tool):
                done = self.run_it(tool, '--help')
                self.assertEqual((done.returncode, done.stderr), (0, ''))
                self.assertIn('usage: ', done.stdout)

    def test_unknown_options(self):
        for tool in TOOLS:
            with self.subTest(tool=tool):
                done = self.run_it(tool, '--nonsense')
                self.assertEqual((done.returncode, done.stdout), (2, ''))
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn("'--nonsense'", done.stderr)

    def test_help_names_every_option(self):
        for tool in TOOLS:
            with open(os.path.join(ROOT, tool), encoding='utf-8') as file:
                text = file.read()
            out = self.run_it(tool, '--help').stdout
            for option in ('--no-install', '--tests', '--fuzz', '--check', '--sanitize', '--strict', '--build',
                           '--drivers', '--seconds'):
                if '\n    %s' % option in text or ' | %s' % option in text:
                    with self.subTest(tool=tool, option=option):
                        self.assertIn(option, out)

    def test_syntax(self):
        for tool in TOOLS + ['.ci/run']:
            with self.subTest(tool=tool):
                with open(os.path.join(ROOT, tool), encoding='utf-8') as file:
                    shell = file.readline().strip().split('/')[-1]
                done = subprocess.run([shell, '-n', os.path.join(ROOT, tool)], stderr=subprocess.PIPE, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ''))


if __name__ == '__main__':
    tap.main()
