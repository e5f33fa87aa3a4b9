#!/usr/bin/env python3
"""Devices side by side, and where their time goes: kiln compare, kiln profile --trace."""
import copy
import html.parser
import json
import os
import shlex
import signal
import subprocess
import time
import unittest

from support import KILN, Case, csv_text, environment, kiln, main


class Trace(Case):
    def trace(self, *more):
        data, path = self.write('d.csv', csv_text(200)), self.path('t.json')
        self.ok('profile', 'tabular', data, '--steps', 12, '--trace', path, *more)
        with open(path, encoding='utf-8') as file:
            return json.load(file)

    def check(self, trace):
        events = trace['traceEvents']
        spans = [e for e in events if e['ph'] == 'X']
        named = {(e['name'], e['tid']): e['args']['name'] for e in events if e['ph'] == 'M'}
        self.assertEqual(named['thread_name', 1], 'launches')
        self.assertEqual(named['thread_name', 2], 'steps')
        self.assertEqual(named['process_name', 1], trace['otherData']['device'])
        for e in spans:
            self.assertEqual(e['pid'], 1)
            self.assertGreaterEqual(e['ts'], 0)
            self.assertGreater(e['dur'], 0)
        steps = [e for e in spans if e['tid'] == 2]
        launches = [e for e in spans if e['tid'] == 1]
        self.assertEqual([e['name'] for e in steps], ['step %d' % (i + 1) for i in range(10)])
        self.assertEqual(len(launches), sum(e['args']['launches'] for e in steps))
        for step in steps: # a step covers its launches, which do not overlap
            inside = launches[:step['args']['launches']]
            del launches[:step['args']['launches']]
            self.assertEqual([e['args']['launch'] for e in inside], list(range(1, len(inside) + 1)))
            end = step['ts']
            for e in inside:
                self.assertGreaterEqual(e['ts'], end - 0.01)
                end = e['ts'] + e['dur']
            self.assertAlmostEqual(end, step['ts'] + step['dur'], delta=0.01)
            self.assertGreater(step['args']['busy'], 0)
            self.assertLessEqual(step['args']['busy'], 1.001)
        return [e for e in spans if e['tid'] == 1]

    def test_launches_and_steps(self):
        launches = self.check(self.trace())
        self.assertTrue(any(e['args']['layer'].startswith('dense') for e in launches))
        products = [e for e in launches if 'GFLOP/s' in e['args']]
        self.assertTrue(products)
        for e in products:
            self.assertGreater(e['args']['GFLOP/s'], 0)
            self.assertGreater(e['args']['GB/s'], 0)

    def test_calls_timed_from_outside(self):
        """CLBlast's launches are not seen one by one: its calls have their place among the others."""
        launches = self.check(self.trace('--gemm', 'clblast'))
        self.assertGreater(len([e for e in launches if 'GFLOP/s' in e['args'] and e['name'] == 'matmul']), 10 * 4)

    def test_unwritable(self):
        data = self.write('d.csv', csv_text(60))
        self.fails('profile', 'tabular', data, '--trace', self.path('missing/t.json'), says='t.json')


class Page(html.parser.HTMLParser):
    """Whether tags are closed in order; the texts; what would be fetched."""
    EMPTY = ('meta', 'img', 'br')

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.fetched, self.count = [], [], [], {}
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.fetched += [value for name, value in attributes if name in ('src', 'href') and not value.startswith('data:')]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)


class Compare(Case):
    def test_figures_page_and_other_machines(self):
        page, there = self.path('r.html'), self.path('there <b>.json')
        found = self.ok('compare', '--network', 'tabular', '--steps', 30, '--json', '-o', page).json()
        self.assertEqual((found['format'], found['steps'], found['seed']), ('kiln compare', 30, 1))
        self.assertEqual([(d['address'], d['default']) for d in found['devices']],
                         [(d['address'], d['default']) for d in self.ok('devices', '--json').json()])
        self.assertTrue(any(d['default'] for d in found['devices']))
        self.assertEqual([r['device'] for r in found['runs']], list(range(len(found['devices']))))
        for device in found['devices']:
            for name in ('fma_gflops', 'copy_gbytes_per_second', 'launch_us', 'upload_gbytes_per_second',
                         'download_gbytes_per_second'):
                self.assertGreater(device['peaks'][name], 0)
            self.assertEqual('fp16_gflops' in device['peaks'], device['fp16'])
        for r in found['runs']:
            self.assertGreater(len(r['losses']), 2)
            self.assertEqual((r['bits_in'], r['batch_size'], r['data']),
                             (found['runs'][0]['bits_in'], 32, 'random rows'))
            for a, b in zip(r['losses'], found['runs'][0]['losses']):
                self.assertLess(abs(a - b), 1e-4 * abs(b))
            self.assertGreaterEqual(r['median_ms_per_step'], r['best_ms_per_step'])
            self.assertAlmostEqual(r['samples_per_second'] * r['best_ms_per_step'] / 32000, 1, delta=0.01)
            for name in ('first_step_s', 'compile_s', 'device_memory_bytes', 'host_memory_bytes'):
                self.assertGreater(r[name], 0)
            self.assertGreaterEqual(len(r['timeline']), r['launches_per_step'])
            self.assertGreater(sum(k['flops'] for k in r['kernels']), 2 * 3 * 32 * 64 * 64)
            end = 0
            for kernel, start, seconds in r['timeline']:
                self.assertIn('kernel', r['kernels'][kernel])
                self.assertGreaterEqual(start, end - 1e-7)
                end = start + seconds
        self.check_page(page, found['devices'])
        for device in found['devices']: # as if from a machine whose names are odd
            device['name'] = '<i>& "gpu"'
        with open(there, 'w', encoding='utf-8') as file:
            json.dump(found, file)
        done = self.ok('compare', '--network', 'tabular', '--steps', 30, '--with', there, '-o', page)
        self.assertIn('<i>& "gpu"', done.out)
        self.assertRegex(done.out, r'(?m)^   1  [A-Z] .*')
        self.assertIn('reference', done.out)
        self.assertNotIn('unlike', done.out)
        self.assertRegex(done.out, r'0\.0e\+00', 'the same device twice: the same bits')
        text = self.check_page(page, found['devices'] * 2)
        self.assertIn('<i>& "gpu" (there <b>)', text)

    def check_page(self, path, devices):
        with open(path, encoding='utf-8') as file:
            text = file.read()
        self.assertLess(len(text), 500000)
        page = Page(text)
        self.assertEqual(page.fetched, [])
        self.assertNotRegex(text, r'url\(|@import|<script|NaN|-?inf\b')
        self.assertGreaterEqual(page.count['svg'], 2 * (2 + 2 * len(devices)))
        words = ' '.join(page.words)
        self.assertIn('kiln compare --network tabular --steps 30', words)
        return words

    def test_a_crash_costs_its_row(self):
        """Of the three trainings the first has a compiler that crashes on rows of 784 values (a signal from outside
        would not do: compilers catch those that say a crash), the second is killed."""
        device = self.ok('devices', '--json').json()[0]['address']
        env = environment({'KILN_DEBUG': 'compiler:crash:784u'})
        words = [KILN, 'compare', '--devices', device, '--network', 'mlp,tabular,tabular-tiny', '--steps', '20']
        with subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as comparing:
            os.kill(self.child(comparing, 'tabular'), signal.SIGKILL)
            out, err = comparing.communicate(timeout=400)
        self.assertEqual((comparing.returncode, err), (0, ''), out)
        self.assertRegex(out, r'\nmlp\nrank.*\n   -  A   failed: its driver crashed: Aborted; try another version')
        self.assertRegex(out, r'\ntabular\nrank.*\n   -  A   failed: it was killed, .*; free memory '
                              r'or take a smaller --batch-size\n')
        self.assertRegex(out, r'\ntabular-tiny: .*\nrank.*\n   1  A  ')

    def test_a_hang_costs_its_time(self):
        done = kiln('compare', '--devices', 0, '--network', 'tabular', '--steps', 10**7, '--limit', 1)
        self.assertEqual(done.code, 1, done)
        self.assertIn('it took longer than 1 s and was stopped', done.out)
        self.assertIn('kiln: comparing: no device could train; ', done.err)

    def test_a_failure_costs_its_row(self):
        done = kiln('compare', '--devices', 0, '--network', 'tabular', '--json',
                    env={'KILN_DEBUG': 'fail:clCreateCommandQueue:1'})
        self.assertEqual(done.code, 1, done)
        self.assertIn('clCreateCommandQueue', done.json()['runs'][0]['problem'])

    def test_peaks_are_measured_twice(self):
        """Before the trainings and after them; what the second time fails costs nothing."""
        words = [KILN, 'compare', '--devices', '0', '--network', 'tabular', '--steps', '20', '--json']
        with subprocess.Popen(words, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as comparing:
            self.child(comparing, 'train')
            os.kill(self.child(comparing, 'measure'), signal.SIGKILL)
            out, err = comparing.communicate(timeout=400)
        self.assertEqual((comparing.returncode, err), (0, ''), out)
        device = json.loads(out)['devices'][0]
        self.assertNotIn('problem', device)
        self.assertGreater(device['peaks']['fma_gflops'], 0)
        with subprocess.Popen(words, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as comparing:
            os.kill(self.child(comparing, 'measure'), signal.SIGKILL)
            out, err = comparing.communicate(timeout=400)
        device = json.loads(out)['devices'][0]
        self.assertNotIn('problem', device)
        self.assertGreater(device['peaks']['fma_gflops'], 0)

    def test_each_device_and_network_once(self):
        found = self.ok('compare', '--devices', '0,0:0', '--network', 'tabular,tabular', '--steps', 5, '--json').json()
        self.assertEqual((len(found['devices']), len(found['runs'])), (1, 1))

    def test_unknown_device(self):
        """Refused before anything runs."""
        for words in ('0,99', 'no such device'):
            self.fails('compare', '--devices', words, '--network', 'tabular', says=[words.split(',')[-1], 'number'])

    def test_no_device(self):
        self.fails('compare', env={'OCL_ICD_VENDORS': self.folder}, says='no OpenCL device found')

    def test_bad_files(self):
        good = {'format': 'kiln compare', 'devices': [{'name': 'x'}], 'runs': []}
        for text, says in (('{', 'not JSON'), ('[]', 'no comparison'), ('{"format": "kiln compare"}', 'no comparison'),
                           (json.dumps(dict(good, runs=[{'device': 1}])), 'no device in the file'),
                           (json.dumps(dict(good, runs=[{'device': 0}])), 'neither figures nor a reason'),
                           (json.dumps(dict(good, runs=[{'device': 0, 'kernels': [{}, 3], 'losses': 'x'}])), 'neither'),
                           (json.dumps(dict(good, runs=[{'device': 0, 'batch_size': '32'}])), 'batch_size is "32"'),
                           (json.dumps(dict(good, devices=[3])), 'a device is no object'),
                           (json.dumps(dict(good, devices=[{'peaks': {'launch_us': -1}}])), 'launch_us is -1'),
                           (json.dumps(dict(good, runs=[{'device': 0, 'best_ms_per_step': 1, 'median_ms_per_step': 1,
                                                         'steps_wanted': 1, 'batch_size': 1, 'losses': [1]}])),
                            'does not say its batch size, steps or seed')):
            self.fails('compare', '--with', self.write('w.json', text), says=['w.json', says])
        self.fails('compare', '--with', self.path('none.json'), says='none.json')

    def test_usage(self):
        self.fails('compare', '--network', 'mlp,nothing', code=2, says="no built-in network 'nothing'")
        self.fails('compare', '--network', ',', code=2, says='names no network')
        self.fails('compare', '--devices', ',', code=2, says='names no device')
        self.fails('compare', '-o', 'r.txt', code=2, says='.html')
        self.fails('compare', '--gemm', 'fast', code=2, says='--gemm')
        self.fails('compare', '-o', self.path('missing/r.html'), says='r.html')


class OtherMachines(Case):
    """What --with adds: files as if from machines with one device, made from a comparison of the first one here."""
    COMMON = ('compare', '--devices', 0, '--network', 'tabular', '--steps', 30)

    @classmethod
    def setUpClass(cls):
        cls.here = kiln(*cls.COMMON, '--json').json()

    def there(self, name, more=None, **changes):
        document = copy.deepcopy(self.here)
        run, device = document['runs'][0], document['devices'][0]
        device['name'] = 'device of ' + name
        device.update(more or {})
        run.update(changes)
        count = run['steps_wanted']
        run['losses'] = (run['losses'] * (1 + count // 30))[:count]
        return self.write(name + '.json', json.dumps(document))

    def rows(self, done):
        """By the name of the device, the row of its run."""
        letters = dict(line.split(None, 1) for line in done.out.splitlines() if line[:1].isupper())
        out = {}
        for letter, name in letters.items():
            rows = [line for line in done.out.splitlines() if line.split()[1:2] == [letter] and line[3:4].isdigit()]
            self.assertEqual(len(rows), 1, done)
            out[name.split(',')[0]] = rows[0]
        return out

    def compared(self, *files):
        page = self.path("it's.html")
        rows = self.rows(self.ok(*self.COMMON, '--with', ','.join(files), '-o', page))
        with open(page, encoding='utf-8') as file:
            words = ' '.join(Page(file.read()).words)
        self.assertIn('Batch size 32, 30 steps on random rows, seed 1:', words)
        return rows, words

    def test_unlike_runs(self):
        """They do not become the reference, and each is told apart by what differs."""
        rows, words = self.compared(
            self.there('seed', seed=2, bits_in='12', steps_wanted=60),
            self.there('rows', data='digits', bits_in='13'),
            self.there('batch', batch_size=64),
            self.there('short', steps_wanted=5),
            self.there('version', bits_in='14'))
        self.assertRegex(rows['this machine'], r'reference$')
        self.assertRegex(rows['seed'], r'unlike it  seed 2, 60 steps$')
        self.assertRegex(rows['rows'], r'unlike it  data digits$')
        self.assertRegex(rows['batch'], r'unlike it  batch size 64$')
        self.assertRegex(rows['short'], r'0\.0e\+00  5 steps$')
        self.assertRegex(rows['version'], r'unlike it  other initial weights or data$')
        for name, says in (('seed', 'seed 2, 60 steps'), ('batch', 'batch size 64'), ('short', '5 steps')):
            self.assertIn('device of %s (%s); %s' % (name, name, says), words)
        self.assertIn('but where the table says what differs', words)
        self.assertIn('Left out: those', words)

    def test_the_reference_is_of_what_the_heading_says(self):
        """Those of another seed are more, but not what was asked for."""
        rows, _ = self.compared(*[self.there(name, seed=2, bits_in='12') for name in 'ab'])
        self.assertRegex(rows['this machine'], r'reference$')
        for name in 'ab':
            self.assertRegex(rows[name], r'unlike it  seed 2$')

    def test_rank_by_samples(self):
        """A step of a hundred times the samples may take ten times as long."""
        best = self.here['runs'][0]['best_ms_per_step']
        rows, words = self.compared(self.there('large', batch_size=3200, best_ms_per_step=10 * best,
                                               median_ms_per_step=10 * best))
        self.assertEqual((rows['large'].split()[0], rows['this machine'].split()[0]), ('1', '2'))
        self.assertIn('Time of 1,000 samples', words)
        self.assertIn('device of large trains tabular fastest', words)

    def test_losses_that_are_no_numbers(self):
        rows, _ = self.compared(self.there('nan', losses=[None] * 30))
        self.assertRegex(rows['nan'], r'nan +no number$')

    def test_json(self):
        """Their devices are in it, marked; such a file can be given again."""
        file = self.there('there', seed=2, bits_in='12')
        found = self.ok(*self.COMMON, '--json', '--with', file).json()
        self.assertEqual([d.get('file') for d in found['devices']], [None, file])
        self.assertEqual(found['devices'][1]['processor'], self.here['processor'])
        self.assertEqual([(r['device'], r['seed']) for r in found['runs']], [(0, 1), (1, 2)])
        both = self.write('both.json', json.dumps(found))
        again = self.ok(*self.COMMON, '--json', '--with', both).json()
        self.assertEqual([d.get('file') for d in again['devices']], [None, both, file])
        self.assertEqual([(r['device'], r['seed']) for r in again['runs']], [(0, 1), (1, 1), (2, 2)])
        self.assertEqual(sorted(self.rows(self.ok(*self.COMMON, '--with', both))), ['both', 'there', 'this machine'])

    def test_above_the_peaks(self):
        """Shares above 100 % are printed, with why they can be."""
        peaks = self.here['devices'][0]['peaks']
        kernels = self.here['runs'][0]['kernels']
        done = self.ok(*self.COMMON, '--with', ','.join((
            self.there('slow', {'peaks': dict(peaks, fma_gflops=1e-3)}),
            self.there('cached', {'peaks': dict(peaks, fma_gflops=1e9, copy_gbytes_per_second=1e-3)},
                       kernels=kernels * 5))), '-o', self.path('r.html'))
        why = 'above its measured peak: '
        busier = 'the machine was busier while the peak was measured\n'
        self.assertIn(why + busier, done.out)
        self.assertIn(why + 'the data came from a cache, or ' + busier, done.out)
        with open(self.path('r.html'), encoding='utf-8') as file:
            words = ' '.join(Page(file.read()).words)
        self.assertIn(why + busier[:-1], words)
        self.assertIn('above the measured peak; ' + busier[:-1], words)
        self.assertIn('the last of which all the others share', words)

    def test_the_command_that_repeats_it(self):
        page, file = self.path("it's.html"), self.there("o'ther")
        self.ok(*self.COMMON, '--with', file, '--limit', 100, '-o', page)
        with open(page, encoding='utf-8') as text:
            words = Page(text.read()).words
        command = [shlex.split(w) for w in words if w.startswith('kiln compare --network')]
        self.assertEqual(command, [['kiln', 'compare', '--network', 'tabular', '--steps', '30', '--seed', '1',
                                    '--devices', '0', '--limit', '100', '--with', file, '-o', page]])


if __name__ == '__main__':
    main()
