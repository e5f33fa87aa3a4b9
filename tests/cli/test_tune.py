#!/usr/bin/env python3
"""Looking for faster products: kiln tune."""
import glob
import os
import re
import subprocess
import time
import unittest

from support import Case, KILN, environment, kiln, main


class Tune(Case):
    def setUp(self):
        super().setUp()
        self.env = {'KILN_CACHE_DIR': self.path('cache'), 'OCL_ICD_VENDORS': os.environ.get('OCL_ICD_VENDORS')}

    def tune(self, *more, **env):
        return self.ok('tune', '--shape', '64x96x512,NT', '--minutes', 0.05, '--json', '--verbose', 0, *more,
                       env=dict(self.env, **env)).json()

    def record(self):
        folder = self.path('cache/products')
        names = os.listdir(folder)
        self.assertEqual(len(names), 1)
        with open(os.path.join(folder, names[0]), encoding='utf-8') as file:
            return file.read()

    def test_tuned_once_exported_imported(self):
        rows = self.tune()
        self.assertEqual([row['product'] for row in rows],
                         ['64x96x512 NT ld=512,512,96', '64x96x512 NT ld=512,512,96 tile'])
        row = rows[1]
        self.assertGreaterEqual(row['tried'], 1)
        self.assertEqual(row['wrong'], 0)
        self.assertGreater(row['before_gflops'], 0)
        self.assertGreater(row['after_gflops'], 0)
        self.assertFalse(row['tuned_before'])
        self.assertRegex(row['choice'], r'^(serial|local) tm=\d+ tn=\d+ ')
        self.assertRegex(self.record(), r'(?m)^64x96x512 NT ld=512,512,96 tile = (serial|local) .*, [\d.]+ GFLOP/s( \(tuned\))?$')

        shared = self.path('shared.txt')
        self.ok('tune', '--export', shared, env=self.env)
        before = self.record()
        with open(shared, encoding='utf-8') as file:
            text = file.read()
        self.assertEqual(text, before)
        text = re.sub(r'(?m)(GFLOP/s)$', r'\1 (tuned)', text) # as if there had been more time
        self.write('shared.txt', text)
        there = dict(self.env, KILN_CACHE_DIR=self.path('there'))
        done = self.ok('tune', '--import', shared, env=there)
        self.assertRegex(done.out, r'^[2-9]\d* lines taken over')
        done = self.ok('tune', '--shape', '64x96x512,NT', '--json', env=there).json()
        self.assertEqual([row['tuned_before'] for row in done], [True, True])
        self.assertEqual(done[1]['choice'], row['choice'])

        lines = text.split('\n', 2)
        self.fails('tune', '--import', self.write('other.txt', '\n'.join([lines[0], '# Another GPU, driver 7. x', lines[2]])),
                   env=there, says=['another device or driver', 'Another GPU'])
        self.fails('tune', '--import', self.write('no.txt', 'hello\n'), env=there, says='no file that kiln tune --export')
        damaged = text.replace('tm=', 'tm=x') + '\nnonsense\n0x0x0 NN ld=0,0,0 = serial\n'
        self.fails('tune', '--import', self.write('damaged.txt', damaged), env=there,
                   says='no line that this device can use')

    def test_no_tries(self):
        """The table says so, and shows no figures."""
        done = self.ok('tune', '--shape', '64x96x512,NT', '--tries', 0, '--verbose', 0, env=self.env)
        lines = done.out.splitlines()
        self.assertEqual(len(lines), 3)
        for line in lines[1:]:
            self.assertRegex(line, r'^64x96x512 NT \S+( tile)? +nothing tried; begins with (serial|local|clblast)\b')

    def test_wrong_candidates_are_not_taken(self):
        """Every tile of one kind computes wrongly: none is kept."""
        for fault in ('uninitialized-accumulator', 'wrong-transpose'):
            rows = self.tune('--again', KILN_DEBUG='miscompile:' + fault)
            if not any(row['wrong'] for row in rows):
                continue # the device has the other kind
            self.assertNotIn('(tuned)', self.record())
            return
        self.fail('no fault was found')

    def test_failures_cost_a_candidate(self):
        rows = self.tune(KILN_DEBUG='vanish:clEnqueueNDRangeKernel:1')
        for row in rows:
            self.assertGreater(row['tried'], 0)
            self.assertEqual((row['failed'], row['after_gflops']), (row['tried'], 0))

    def test_a_crash_a_hang_and_a_wrong_result_cost_their_candidates(self):
        """The first three candidates change the rows of the register tile; each of them meets another fault."""
        row = self.tune('--tries', 0)[1]
        self.assertEqual((row['tried'], row['after_gflops']), (0, 0))
        match = re.match(r'serial .*rm=(\d+) ', row['began_with'])
        if not match:
            self.skipTest('the tiles of this device have no such rows')
        rows = int(match.group(1))
        faults = ','.join('compiler:%s:KILN_TB 1\n#define KILN_RM %d\n' % (how, rows + more) for how, more in
                          (('crash', 1), ('hang', -1), ('wrong', 2)))
        row = self.tune('--tries', 3, '--minutes', 5, '--limit', 10, KILN_DEBUG=faults)[1]
        self.assertEqual((row['tried'], row['failed'], row['wrong']), (3, 2, 1), row)
        self.assertEqual(row['choice'], row['began_with'])
        self.assertGreater(row['before_gflops'], 0)
        self.assertEqual(row['after_gflops'], row['before_gflops'])
        self.assertNotIn('(tuned)', self.record())

    def test_it_goes_on_where_it_was_stopped(self):
        """What was tried is not tried again, nor kept when all has been."""
        shape = '48x32x64'
        first = self.ok('tune', '--shape', shape, '--tries', 2, '--json', '--verbose', 0, env=self.env).json()
        self.assertEqual([row['tried'] for row in first], [2, 2])
        before = set(re.findall(r'(?m)^tried (.*) = ', self.record()))
        self.assertGreaterEqual(len(before), 1)
        self.ok('tune', '--shape', shape, '--tries', 1, '--verbose', 0, env=self.env)
        after = set(re.findall(r'(?m)^tried (.*) = ', self.record()))
        self.assertGreaterEqual(after, before)
        self.assertGreater(after, before)
        self.ok('tune', '--shape', shape, '--tries', 1, '--again', '--verbose', 0, env=self.env)
        self.assertLess(len(re.findall(r'(?m)^tried ', self.record())), len(after))

    def test_several_at_once_share_a_file(self):
        shapes = ['%dx32x64,NT' % rows for rows in (16, 24, 32, 40)]
        words = [KILN, 'tune', '--tries', '1', '--verbose', '0', '--shape']
        running = [subprocess.Popen(words + [shape], env=environment(self.env), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for shape in shapes]
        for process in running:
            out, _ = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, out)
        record = self.record()
        for rows in (16, 24, 32, 40):
            self.assertRegex(record, r'(?m)^%dx32x64 NT ld=64,64,32 = ' % rows)
        self.assertNotRegex(record, r'(?m)^(ended|trying) ')

    def test_its_processes_end_with_it(self):
        words = [KILN, 'tune', '--shape', '256x256x256', '--minutes', '5', '--verbose', '0']
        with subprocess.Popen(words, env=environment(self.env), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as tuning:
            child = self.child(tuning, '--child')
            tuning.kill()
            tuning.wait(timeout=60)
        for _ in range(1000):
            try:
                with open('/proc/%d/stat' % child, encoding='utf-8') as file:
                    if file.read().rsplit(')', 1)[1].split()[0] == 'Z':
                        return
            except OSError:
                return
            time.sleep(0.01)
        self.fail('it still runs')

    def test_what_cannot_be_kept_is_told(self):
        self.ok('tune', '--shape', '16x32x64', '--tries', 1, '--verbose', 0, env=self.env)
        shared = self.path('shared.txt')
        self.ok('tune', '--export', shared, env=self.env)
        cut = self.write('cut.txt', ''.join(open(shared, encoding='utf-8').readlines()[:2]))
        self.fails('tune', '--import', cut, env=self.env, says='no line that this device can use')
        there = self.path('there')
        os.makedirs(os.path.join(there, 'products', os.path.basename(glob.glob(self.path('cache/products/*'))[0])))
        self.fails('tune', '--import', shared, env=dict(self.env, KILN_CACHE_DIR=there), says='is not kept')

    def test_a_convolution_by_its_name(self):
        name = ('conv 4x16x16 groups=1 splits=0 in=1,12,12 out=1,12,12 taps=1,3,3 by=1,1,1 apart=1,1,1 spread=1,1,1 '
                'before=0,1,1')
        began = set()
        for limits in ('', 'limits:threads'): # as on a CPU, as on a GPU
            cache = self.path('cache' + limits)
            row, = self.ok('tune', '--shape', name, '--tries', 2, '--json', '--verbose', 0,
                           env=dict(self.env, KILN_CACHE_DIR=cache, KILN_DEBUG=limits)).json()
            self.assertEqual((row['product'], row['tried'], row['failed'], row['wrong']), (name, 2, 0, 0))
            self.assertGreater(row['after_gflops'], 0)
            self.assertRegex(row['began_with'], r'^(winograd rm=\d+ rn=\d+ rows=\d+ tn=\d+|local .* kt=\d+)$')
            began.add(row['began_with'].split()[0])
            record, = glob.glob(os.path.join(cache, 'products', '*'))
            with open(record) as file:
                self.assertRegex(file.read(), r'(?m)^%s = (winograd|direct|local) .*, [\d.]+ GFLOP/s$' % name)
        self.assertIn('local', began)

    def test_a_bar_on_a_terminal(self):
        ours, its = os.openpty()
        done = subprocess.run([KILN, 'tune', '--shape', '64x96x512,NT', '--tries', '1'], env=environment(self.env),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=its)
        os.close(its)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
        self.assertEqual(done.returncode, 0, shown)
        bars = re.findall(r'\r\033\[K\[(=*)(\.*)\] (\S[^:\r]*): [\d.]+ GFLOP/s after 1 tries \(began with [\d.]+\)', shown)
        self.assertEqual([name for _, _, name in bars], ['64x96x512 NT ld=512,512,96', '64x96x512 NT ld=512,512,96 tile'])
        self.assertEqual([len(done) + len(left) for done, left, _ in bars], [20, 20])
        self.assertGreaterEqual(len(bars[1][0]), 10)

    def test_products_of_a_network(self):
        done = kiln('tune', 'tabular', '--minutes', 0.01, env=self.env)
        self.assertEqual(done.code, 1, done)
        self.assertIn('it has no product that is large enough to be tuned', done.err)

    def test_usage(self):
        self.fails('tune', 'nothing', code=2, says="no built-in network 'nothing'")
        self.fails('tune', '--shape', '8x8x8', env=dict(self.env, KILN_DEBUG='compiler:melts:KILN_RM'), says='compiler:melts')
        self.fails('tune', '--shape', '12', says='--shape: 12 is no product')
        self.fails('tune', '--shape', '12x0x5', says='is no product')
        self.fails('tune', '--export', self.path('x.txt'), env=self.env, says='nothing has been measured')
        self.fails('tune', '--import', self.path('none.txt'), says='none.txt')


if __name__ == '__main__':
    main()
