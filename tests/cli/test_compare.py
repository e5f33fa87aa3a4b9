#!/usr/bin/env python3
"""Devices side by side, and where their time goes: kiln compare, kiln profile --trace."""
import html.parser
import json
import os
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
        self.assertGreater(len(found['devices']), 0)
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
        self.assertNotIn('other bits', done.out)
        self.assertRegex(done.out, r'0\.0e\+00', 'the same device twice: the same bits')
        text = self.check_page(page, found['devices'] * 2)
        self.assertIn('<i>& "gpu" (there <b>)', text)
        done = self.ok('compare', '--network', 'tabular', '--steps', 30, '--seed', 2, '--with', there)
        self.assertIn('other bits', done.out)

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
        words = [KILN, 'compare', '--devices', device, '--network', 'mlp,tabular,tabular', '--steps', '20']
        with subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as comparing:
            os.kill(self.child(comparing, 'tabular'), signal.SIGKILL)
            out, err = comparing.communicate(timeout=400)
        self.assertEqual((comparing.returncode, err), (0, ''), out)
        self.assertRegex(out, r'\nmlp\nrank.*\n   -  A   failed: its driver crashed: Aborted; try another version')
        self.assertRegex(out, r'\ntabular: .*\nrank.*\n   1  A  .*\n   -  A   failed: it was killed, .*; free memory '
                              r'or take a smaller --batch-size\n')

    def test_a_hang_costs_its_time(self):
        done = kiln('compare', '--devices', 0, '--network', 'tabular', '--steps', 10**7, '--limit', 1)
        self.assertEqual(done.code, 1, done)
        self.assertIn('it took longer than 1 s and was stopped', done.out)
        self.assertIn('kiln: comparing: no device could train; ', done.err)

    def test_a_failure_costs_its_row(self):
        done = kiln('compare', '--devices', 'no such device', '--network', 'tabular')
        self.assertEqual(done.code, 1, done)
        self.assertRegex(done.out, r'A +no such device .* not measured: .*no such device')
        done = kiln('compare', '--devices', 0, '--network', 'tabular', '--json',
                    env={'KILN_DEBUG': 'fail:clCreateCommandQueue:1'})
        self.assertEqual(done.code, 1, done)
        self.assertIn('clCreateCommandQueue', done.json()['runs'][0]['problem'])

    def test_no_device(self):
        self.fails('compare', env={'OCL_ICD_VENDORS': self.folder}, says='no OpenCL device found')

    def test_bad_files(self):
        good = {'format': 'kiln compare', 'devices': [{'name': 'x'}], 'runs': []}
        for text, says in (('{', 'not JSON'), ('[]', 'no comparison'), ('{"format": "kiln compare"}', 'no comparison'),
                           (json.dumps(dict(good, runs=[{'device': 1}])), 'no device in the file'),
                           (json.dumps(dict(good, runs=[{'device': 0}])), 'neither figures nor a reason'),
                           (json.dumps(dict(good, runs=[{'device': 0, 'kernels': [{}, 3], 'losses': 'x'}])), 'neither')):
            self.fails('compare', '--with', self.write('w.json', text), says=['w.json', says])
        self.fails('compare', '--with', self.path('none.json'), says='none.json')

    def test_usage(self):
        self.fails('compare', '--network', 'mlp,nothing', code=2, says="no built-in network 'nothing'")
        self.fails('compare', '--network', ',', code=2, says='names no network')
        self.fails('compare', '-o', 'r.txt', code=2, says='.html')
        self.fails('compare', '--gemm', 'fast', code=2, says='--gemm')
        self.fails('compare', '-o', self.path('missing/r.html'), says='r.html')


if __name__ == '__main__':
    main()
