#!/usr/bin/env python3
"""What the documentation says holds: its listings compile and run, its commands work, its tables are complete."""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'python'))
import tap

BUILD = os.environ.get('KILN_TEST_BUILD', os.path.join(ROOT, 'build'))
KILN = os.path.join(BUILD, 'src', 'cli', 'kiln')
LIBRARY = os.path.join(BUILD, 'src')
DATA = os.environ.get('KILN_DATA_DIR', '')
STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-O1', '-I' + os.path.join(ROOT, 'include')]
COMMANDS = ['devices', 'new', 'summary', 'fit', 'evaluate', 'predict', 'generate', 'convert', 'plot', 'bench', 'compare', 'profile', 'report',
            'tune']


def read(*path):
    with open(os.path.join(ROOT, *path), encoding='utf-8') as file:
        return file.read()


def listings(text, language):
    return re.findall(r'^```%s\n(.*?)^```$' % re.escape(language), text, re.MULTILINE | re.DOTALL)


def sanitizers():
    """The options of a build under sanitizers, which a program that loads its library needs too."""
    symbols = subprocess.run(['nm', '-D', os.path.join(LIBRARY, 'libkiln.so')], stdout=subprocess.PIPE, text=True).stdout
    return ['-fsanitize=address,undefined'] if '__asan_init' in symbols else []


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='kiln-docs-')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_in(self, command, **options):
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=500, **options)
        self.assertEqual(done.returncode, 0, '%s\n%s' % (command, done.stdout))
        return done.stdout

    def build(self, text, compiler, options, name):
        source = os.path.join(self.folder, name)
        with open(source, 'w', encoding='utf-8') as file:
            file.write(text)
        program = source + '.out'
        self.run_in([compiler] + options + STRICT + sanitizers() +
                    [source, '-o', program, '-L' + LIBRARY, '-Wl,-rpath,' + LIBRARY, '-lkiln'])
        return program


class Readme(Case):
    def test_first_listing_is_the_example(self):
        self.assertEqual(listings(read('README.md'), 'c')[0], read('examples', 'mnist_mlp.c'))

    def test_example_is_short(self):
        code = [line for line in read('examples', 'mnist_mlp.c').splitlines() if line.strip()]
        self.assertLessEqual(len(code), 25)

    def test_c_listings_compile_and_run(self):
        for number, text in enumerate(listings(read('README.md'), 'c')):
            with self.subTest(listing=number):
                program = self.build(text, 'gcc', ['-std=c11'], 'listing%d.c' % number)
                if 'mnist' in text and not os.path.isdir(os.path.join(DATA, 'mnist')):
                    self.skipTest('mnist is not in KILN_DATA_DIR')
                out = self.run_in([program])
                self.assertNotIn('kiln:', out)
                if 'mnist' in text:
                    figures = re.search(r'accuracy: (0\.\d{4}) - loss: 0\.\d{4}\s*$', out)
                    self.assertTrue(figures, out)
                    self.assertGreater(float(figures.group(1)), 0.965)

    def test_cxx_listings_compile_and_run(self):
        if not shutil.which('g++'):
            self.skipTest('g++ is not installed')
        for number, text in enumerate(listings(read('README.md'), 'cpp')):
            with self.subTest(listing=number):
                self.run_in([self.build(text, 'g++', ['-std=c++17'], 'listing%d.cc' % number)])

    def draw_pets(self):
        """A folder of pictures, two of them under the names that the README has, and a network for them."""
        for number in range(24):
            name = ('tom.jpg', 'rex.png')[number] if number < 2 else '%d.png' % number
            tone = 60 + 6 * number + 20 * (number % 2)
            pixels = b''.join(b'\0' + bytes([tone, 255 - tone, (7 * row) % 256] * 40) for row in range(30))
            chunks = [(b'IHDR', struct.pack('>IIBBBBB', 40, 30, 8, 2, 0, 0, 0)), (b'IDAT', zlib.compress(pixels)),
                      (b'IEND', b'')]
            png = b'\x89PNG\r\n\x1a\n' + b''.join(
                struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
                for kind, data in chunks)
            folder = os.path.join(self.folder, 'pets', ('cats', 'dogs')[number % 2])
            os.makedirs(folder, exist_ok=True)
            for path in [os.path.join(folder, '%d.png' % number)] + [os.path.join(self.folder, name)] * (number < 2):
                with open(path, 'wb') as file:
                    file.write(png)
        layers = [('InputLayer', {'batch_shape': [None, 64, 64, 3]}), ('Rescaling', {'scale': 1 / 255}), ('Flatten', {}),
                  ('Dense', {'units': 2})]
        with open(os.path.join(self.folder, 'pets.json'), 'w', encoding='utf-8') as file:
            json.dump({'class_name': 'Sequential', 'config': {'name': 'pets', 'layers': [
                {'class_name': kind, 'config': dict(config, name=kind.lower())} for kind, config in layers]}}, file)

    def test_commands_run(self):
        if not os.path.isdir(os.path.join(DATA, 'mnist')):
            self.skipTest('mnist is not in KILN_DATA_DIR')
        for name in ('iris.csv', 'airline-passengers.csv'):
            shutil.copy(os.path.join(DATA, name), self.folder)
        self.draw_pets()
        for name, source, lines in (('shakespeare.txt', 'tinyshakespeare.txt', 900), ('sms.tsv', 'sms.tsv', 400)):
            with open(os.path.join(DATA, source), encoding='utf-8') as file:  # their starts: examples are to be quick
                start = ''.join(line for line, _ in zip(file, range(lines)))
            with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as file:
                file.write(start)
        environment = dict(os.environ, PATH=os.path.dirname(KILN) + ':' + os.environ['PATH'])
        count = 0
        for text in listings(read('README.md'), 'sh'):
            for line in text.splitlines():
                if line.startswith('kiln '):
                    count += 1
                    with self.subTest(command=line.split('#')[0].strip()):
                        self.run_in(['sh', '-c', line], env=environment)
        self.assertGreater(count, 8)

    def test_links(self):
        for folder, _, names in os.walk(ROOT):
            if os.path.basename(folder).startswith(('build', '.')) and folder != ROOT:
                continue
            for name in names:
                if name.endswith('.md') and '/build' not in folder and '/.' not in folder[len(ROOT):]:
                    path = os.path.join(folder, name)
                    with open(path, encoding='utf-8') as file:
                        for link in re.findall(r'\]\(([^)#:]+)\)', file.read()):
                            with self.subTest(file=os.path.relpath(path, ROOT), link=link):
                                self.assertTrue(os.path.exists(os.path.join(folder, link)))


class ForCi(Case):
    def test_container_has_the_libraries(self):
        """Every library that the program needs is in a package that the container installs."""
        container = read('docs', 'ci', 'Containerfile')
        listed = set(re.findall(r'\b(?:lib|zlib|ocl-icd-)[a-z0-9.-]+', container.split('AS build')[1].split('FROM')[1]))
        setup = read('tools', 'setup')
        for program in (KILN, os.path.join(BUILD, 'src', 'format', 'kiln-hdf5')):
            out = subprocess.check_output(['readelf', '-d', program], text=True)
            for name in re.findall(r'\(NEEDED\).*\[(.*)\]', out):
                if re.match(r'(libc|libm|libasan|libubsan|ld-linux.*|libpthread|libkiln)\.so', name):
                    continue
                stem = re.match(r'lib([A-Za-z]+)', name).group(1).lower()
                with self.subTest(library=name):
                    self.assertTrue(any(stem in package.replace('-', '') or
                                        (stem == 'z' and package == 'zlib1g') for package in listed), sorted(listed))
        for command in re.findall(r'tools/\w+', container):
            self.assertTrue(os.path.exists(os.path.join(ROOT, command)), command)
        self.assertIn('pocl-opencl-icd', container)
        self.assertIn('meson', setup)

    def test_workflow_commands_run(self):
        lines = re.findall(r'^ +run: (kiln .*)$', read('docs', 'ci', 'workflow.yml'), re.MULTILINE)
        self.assertEqual(len(lines), 3)
        for line in lines:
            self.run_in(['bash', '-o', 'pipefail', '-c', line],
                        env=dict(os.environ, PATH=os.path.dirname(KILN) + ':' + os.environ['PATH']))


class UsersProgram(Case):
    def test_plain_functions_in_c_and_cxx(self):
        source = read('tests', 'house', 'users_program.c')
        self.run_in([self.build(source, 'gcc', ['-std=c11'], 'user.c')])
        if shutil.which('g++'):
            self.run_in([self.build(source, 'g++', ['-std=c++17'], 'user.cc')])

    def test_macros(self):
        self.run_in([self.build(read('tests', 'house', 'users_macros.c'), 'gcc', ['-std=c11'], 'macros.c')])


class Tables(Case):
    def options(self, command):
        out = self.run_in([KILN, command, '--help'])
        return re.findall(r'^  (--?[a-z][a-z-]*)', out, re.MULTILINE)

    def test_man_page_names_every_option(self):
        page = read('docs', 'kiln.1').replace('\\-', '-')
        for command in COMMANDS:
            self.assertIn('.SS kiln ' + command, page)
            for option in self.options(command):
                with self.subTest(command=command, option=option):
                    self.assertTrue(re.search(r'(?m)^\.(B|BI) "?%s\b' % re.escape(option), page), option)

    def test_completion_names_every_option(self):
        script = os.path.join(ROOT, 'docs', 'kiln.bash')
        for command in COMMANDS:
            out = self.run_in(['bash', '-c', 'source "$0"; COMP_WORDS=(kiln "$1" -); COMP_CWORD=2; _kiln; '
                               'printf "%s\\n" "${COMPREPLY[@]}"', script, command])
            self.assertEqual(sorted(set(out.split()) - {'--help'}), sorted(set(self.options(command)) - {'--help'}))

    def test_environment_is_documented(self):
        source, page, man = read('src', 'base', 'env.c'), read('docs', 'environment.md'), read('docs', 'kiln.1')
        names = re.findall(r'\{"(KILN_\w+)"', source)
        self.assertGreater(len(names), 5)
        for name in names:
            self.assertIn('| `%s` |' % name, page)
            self.assertIn('\n.B %s\n' % name, man)
        table = source[source.index('words[] = {'):]
        for word in re.findall(r'\{"([a-z-]+)", "', table[:table.index('};')]):
            self.assertRegex(page, r'\| `%s\b' % word)

    def test_calls_of_the_keras_table_exist(self):
        declared = ''.join(read('include', 'kiln', name) for name in os.listdir(os.path.join(ROOT, 'include', 'kiln')))
        for name in set(re.findall(r'\b(?:kiln|KILN)_\w+', read('docs', 'keras.md') + read('README.md'))):
            if name.startswith('KILN_TEST_'): # of the tests themselves
                continue
            with self.subTest(name=name):
                self.assertRegex(declared, r'\b%s\b' % name)


class Vendors(Case):
    """A page for each vendor: what to install, what kiln devices shows there, in its own words, and known faults."""
    LABELS = ['address', 'type', 'vendor', 'driver', 'memory', 'extras']

    def labels(self, text):
        return [line.split()[0] for line in text.splitlines() if re.match(r' {5}[a-z]+  ', line)]

    def test_each_page_has_its_three_parts(self):
        pages = sorted(os.listdir(os.path.join(ROOT, 'docs', 'vendors')))
        self.assertEqual(pages, ['amd.md', 'arm.md', 'cpu.md', 'intel.md', 'nvidia.md'])
        for page in pages:
            with self.subTest(page=page):
                text = read('docs', 'vendors', page)
                self.assertRegex(text, r'`apt install|`libmali\.so`')
                self.assertRegex(text, r'`kiln devices`\s+should\s+show')
                self.assertIn('Known faults:', text)
                sample = re.search(r'(?m)^    (\* 0  .*\n(    .*\n)+)', text).group(0)
                labels = self.labels(re.sub('(?m)^    ', '', sample))
                if page != 'cpu.md': # shortened
                    self.assertEqual(labels, self.LABELS)

    def test_the_program_has_these_labels(self):
        out = self.run_in([KILN, 'devices'])
        self.assertEqual(self.labels(out)[:len(self.LABELS)], self.LABELS)
        self.assertRegex(out, r'(?m)^[* ] 0  ')


class Install(Case):
    def test_what_is_installed(self):
        subprocess.run(['meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', self.folder], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(self.folder) for name in names]
        files = {os.path.basename(path): path for path in paths}
        for name in ('kiln.pc', 'kiln.1', 'kiln.h', 'ops.h', 'libkiln.so', 'libkiln.so.0'):
            self.assertIn(name, files)
        for name in os.listdir(os.path.join(ROOT, 'include', 'kiln')):
            if name.endswith('.h'):
                self.assertTrue(files.get(name, '').endswith('/include/kiln/' + name), name)
        for end in ('/bin/kiln', '/share/bash-completion/completions/kiln', '/man1/kiln.1'):
            self.assertTrue(any(path.endswith(end) for path in paths), paths)
        self.assertTrue(files.get('kiln-hdf5', '').endswith('/libexec/kiln/kiln-hdf5'), paths)
        self.assertFalse(any('kiln_inside' in path for path in paths))
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(files['kiln.pc']), PKG_CONFIG_SYSROOT_DIR=self.folder)
        flags = subprocess.check_output(['pkg-config', '--cflags', '--libs', 'kiln'], env=env, text=True).split()
        source, program = os.path.join(self.folder, 'user.c'), os.path.join(self.folder, 'user')
        shutil.copy(os.path.join(ROOT, 'tests', 'house', 'users_program.c'), source)
        self.run_in(['gcc', '-std=c11'] + sanitizers() + [source, '-o', program] + flags)
        self.run_in([program], env=dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(files['libkiln.so'])))


if __name__ == '__main__':
    tap.main()
