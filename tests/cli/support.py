"""What the tests of the program share: running it, and small data files made without NumPy."""
import gzip
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '..', '..'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'python'))
import tap

BUILD = os.environ.get('KILN_TEST_BUILD', os.path.join(ROOT, 'build'))
KILN = os.path.join(BUILD, 'src', 'cli', 'kiln')
DATA = os.environ.get('KILN_DATA_DIR', '')
main = tap.main


def environment(extra=None):
    env = dict(os.environ)
    for name in ('KILN_DEVICE', 'KILN_GEMM'):
        env.pop(name, None)
    if not env.get('KILN_DEBUG', '').startswith('limits:'): # a smaller device is one to be tested
        env.pop('KILN_DEBUG', None)
    env.update(extra or {})
    return {name: value for name, value in env.items() if value is not None}


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return 'exit %d\n-- stdout\n%s\n-- stderr\n%s' % (self.code, self.out, self.err)


def kiln(*arguments, env=None, cwd=None, timeout=240):
    done = subprocess.run([KILN] + [str(a) for a in arguments], env=environment(env), cwd=cwd,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout)
    return Done(done.returncode, done.stdout.decode('utf-8', 'replace'), done.stderr.decode('utf-8', 'replace'))


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix='kiln-cli-')
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def child(self, parent, word):
        """The process that a command started for this work, once it runs."""
        while parent.poll() is None:
            for name in os.listdir('/proc'):
                try:
                    with open('/proc/%s/stat' % name, encoding='utf-8') as file:
                        above = int(file.read().rsplit(')', 1)[1].split()[1])
                    with open('/proc/%s/cmdline' % name, 'rb') as file:
                        words = file.read().split(b'\0')
                except (OSError, IndexError, ValueError):
                    continue
                if above == parent.pid and word.encode() in words:
                    return int(name)
            time.sleep(0.01)
        self.fail('no such process')

    def write(self, name, content):
        path = self.path(name)
        with open(path, 'wb') as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def ok(self, *arguments, **options):
        done = kiln(*arguments, **options)
        self.assertEqual(done.code, 0, done)
        return done

    def fails(self, *arguments, code=1, says=(), **options):
        """One clear line on standard error, besides notices of compilations and skipped platforms."""
        done = kiln(*arguments, **options)
        self.assertEqual(done.code, code, done)
        lines = [line for line in done.err.splitlines() if line.startswith('kiln: ')]
        self.assertEqual(len(lines), 1, done)
        self.assertEqual(lines[0], done.err.splitlines()[-1], done)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, lines[0])
        self.assertNotRegex(lines[0], r'  |\(null\)|: :|: $')
        if code == 1:
            self.assertRegex(lines[0], r'^kiln: [^;]+: .+; .{8}', 'not "what failed: why; what to do"')
        return lines[0]

    def needs_data(self, name):
        path = os.path.join(DATA, name)
        if not DATA or not os.path.exists(path):
            self.skipTest('%s is not in KILN_DATA_DIR' % name)
        return path


def npy(shape, values, dtype='<f4'):
    code = {'<f4': 'f', '<i4': 'i', '|u1': 'B', '<i8': 'q', '<f8': 'd'}[dtype]
    text = "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }" % (
        dtype, ''.join('%d,' % n for n in shape))
    text += ' ' * (-(len(text) + 11) % 64) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode() + struct.pack(
        '<%d%s' % (len(values), code), *values)


def read_npy(data):
    length = struct.unpack('<H', data[8:10])[0]
    header = eval(data[10:10 + length].decode(), {'__builtins__': {}}, {'True': True, 'False': False})
    count = 1
    for n in header['shape']:
        count *= n
    return header['shape'], struct.unpack('<%df' % count, data[10 + length:10 + length + 4 * count])


def npz(path, **arrays):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in arrays.items():
            archive.writestr(name + '.npy', content)
    return path


def idx(shape, values, magic=0x0800):
    return struct.pack('>I', magic + len(shape)) + b''.join(struct.pack('>I', n) for n in shape) + bytes(values)


def blobs(count, features=4, classes=3, seed=1):
    """Rows around a centre for each class."""
    draw = random.Random(seed)
    centres = [[draw.uniform(-3, 3) for _ in range(features)] for _ in range(classes)]
    x, y = [], []
    for i in range(count):
        label = i % classes
        y.append(label)
        x += [c + draw.gauss(0, 0.3) for c in centres[label]]
    return x, y


def csv_text(count, names=('cat', 'dog', 'eel'), header=True, labelled=True, seed=1):
    x, y = blobs(count, 4, len(names), seed)
    lines = ['a,b,c,d' + (',kind' if labelled else '')] if header else []
    for i in range(count):
        lines.append(','.join('%.4f' % v for v in x[4 * i:4 * i + 4]) + (',' + names[y[i]] if labelled else ''))
    return '\n'.join(lines) + '\n'


def gz(data):
    return gzip.compress(data)
