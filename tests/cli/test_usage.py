#!/usr/bin/env python3
"""Help, options and mistakes in them: exit 2 and one line; devices; new."""
import json
import os
import re
import unittest
from xml.etree import ElementTree

from support import Case, environment, kiln, main

COMMANDS = ['devices', 'new', 'summary', 'fit', 'evaluate', 'predict', 'bench', 'compare', 'profile', 'report']


class Help(Case):
    def test_list(self):
        for words in (['--help'], ['help'], ['-h']):
            done = self.ok(*words)
            for name in COMMANDS:
                self.assertIn('\n  ' + name, done.out)
            self.assertEqual(done.err, '')

    def test_each_command(self):
        for name in COMMANDS:
            for words in ([name, '--help'], [name, '-h'], ['help', name]):
                done = self.ok(*words)
                self.assertTrue(done.out.startswith('usage: kiln ' + name), done)
                self.assertIn('\nexample:\n  kiln ' + name, done.out)

    def test_parentheses_are_defaults(self):
        line, = [line for line in self.ok('fit', '--help').out.splitlines() if '--validation-data' in line]
        self.assertEqual(re.findall(r'\(([^)]*)\)', line), ['none'])

    def test_version(self):
        self.assertRegex(self.ok('--version').out, r'^kiln \d+\.\d+\.\d+\n$')


class Mistakes(Case):
    def wrong(self, *arguments, says=()):
        self.fails(*arguments, code=2, says=says)

    def test_no_command(self):
        done = kiln()
        self.assertEqual(done.code, 2)
        self.assertEqual(done.out, '')
        self.assertIn('usage: kiln COMMAND', done.err)

    def test_unknown_words(self):
        self.wrong('frobnicate', says="unknown command 'frobnicate'")
        self.wrong('help', 'frobnicate', says="unknown command 'frobnicate'")
        self.wrong('fit', 'mlp', 'digits', '--epoch', '3', says=["'--epoch'", "did you mean '--epochs'?"])
        self.wrong('fit', 'mlp', 'digits', '--zzzzzzzz', says="unknown option '--zzzzzzzz'")
        self.wrong('devices', '-x', says="unknown option '-x'")
        self.wrong('report', '--device', '0', says="unknown option '--device'")
        self.wrong('devices', '--check', '--json', says=['--check', '--json'])

    def test_too_few_and_too_many_words(self):
        self.wrong('fit', 'mlp', says='MODEL DATA')
        self.wrong('fit', 'mlp', 'digits', 'more', says="'more' is one word too many")
        self.wrong('summary', says='MODEL')
        self.wrong('devices', 'all', says="'all'")

    def test_values(self):
        fit = ['fit', 'mlp', 'digits']
        self.wrong(*fit, '--epochs', says='--epochs needs a value')
        self.wrong(*fit, '--epochs', 'five', says=['--epochs', "'five'", 'whole number'])
        self.wrong(*fit, '--epochs', '0', says=['--epochs', 'at least 1'])
        self.wrong(*fit, '--epochs=-1', says='--epochs')
        self.wrong(*fit, '--epochs', '99999999999999999999', says='--epochs')
        self.wrong(*fit, '--batch-size', '0', says='--batch-size')
        self.wrong(*fit, '--seed', '-1', says='--seed')
        self.wrong(*fit, '--seed', '1.5', says='--seed')
        self.wrong(*fit, '--learning-rate', '0', says=['--learning-rate', 'above 0'])
        self.wrong(*fit, '--learning-rate', 'nan', says='--learning-rate')
        self.wrong(*fit, '--learning-rate', 'inf', says='--learning-rate')
        self.wrong(*fit, '--learning-rate', '1e', says='--learning-rate')
        self.wrong(*fit, '--verbose', '3', says=['--verbose', '0, 1 or 2'])
        self.wrong(*fit, '--gemm', 'fast', says=['--gemm', 'auto, clblast or tile'])
        self.wrong(*fit, '--loss', '', says='--loss is empty')
        self.wrong(*fit, '--check-numerics=1', says='--check-numerics takes no value')
        self.wrong(*fit, '--validation-split', '1', says='--validation-split')
        self.wrong(*fit, '--validation-split', '0.1', '--validation-data', 'digits', says='only one of them')
        self.wrong(*fit, '--class-weight', 'fair', says='balanced')
        self.wrong('new', 'nothing', says="no built-in network 'nothing'")
        self.wrong('new', '-o', 'x.json', says='no network is named')
        self.wrong('bench', 'nothing', says="no built-in network 'nothing'")
        self.wrong('predict', 'mlp', 'digits', '-o', 'x.txt', says='.npy, .npz or .csv')


class Devices(Case):
    def test_table_and_json_agree(self):
        devices = self.ok('devices', '--json').json()
        self.assertGreater(len(devices), 0)
        self.assertEqual(sum(d['default'] for d in devices), 1)
        table = self.ok('devices').out
        for number, device in enumerate(devices):
            self.assertEqual(device['index'], number)
            self.assertIn(device['name'], table)
            self.assertIn(device['type'], ('CPU', 'GPU', 'accelerator', 'other'))
            self.assertGreater(device['memory_bytes'], 0)
            self.assertGreater(device['largest_allocation_bytes'], 0)
            self.assertGreater(device['compute_units'], 0)
            for flag in ('fp16', 'fp64', 'subgroups', 'unified_memory'):
                self.assertIsInstance(device[flag], bool)
            self.assertIn('%s %d  %s' % ('*' if device['default'] else ' ', number, device['name']), table)

    def test_verbose_says_what_is_used(self):
        said = self.ok('devices', '--verbose').out
        devices = self.ok('devices', '--json').json()
        ways = re.findall(r'^     ([a-z0-9 -]+?)  +(yes|no) +(\S.*)$', said, re.M)
        names = ['serial kernels', 'local memory', 'fused launches', 'one launch a step', 'chains of rows', 'pooling in place',
                 'queue for transfers', 'sleeping waits', 'cached programs', 'unified memory', 'fp16 arithmetic',
                 'half storage', 'subgroups', 'command buffers', 'out-of-order queue']
        self.assertEqual([name for name, _, _ in ways], names * len(devices))
        device = devices[0]
        used = {name: (what, why) for name, what, why in ways[:len(names)]}
        self.assertNotEqual(used['serial kernels'][0], used['local memory'][0])
        self.assertEqual('not there' in used['subgroups'][1], not device['subgroups'])
        without = kiln('devices', '--verbose', env={'KILN_DEBUG': 'no-groups,limits:threads'})
        self.assertEqual(without.code, 0)
        self.assertRegex(without.out, r'fused launches +no +KILN_DEBUG')
        self.assertRegex(without.out, r'local memory +yes')

    def test_one(self):
        devices = self.ok('devices', '--json').json()
        last = devices[-1]
        self.assertEqual(self.ok('devices', '--device', last['address'], '--json').json(), [last])
        out = self.ok('devices', '--device', last['index']).out
        self.assertEqual(re.findall(r'(?m)^[* ] (\d+)  ', out), [str(last['index'])])
        if 'Portable' in last['platform']: # others compile for minutes
            out = self.ok('devices', '--device', last['index'], '--check').out
            self.assertEqual(len(re.findall('(?m)^verdict: ', out)), 1)
            self.assertIn('check of "%s"' % last['name'], out)
        self.fails('devices', '--device', 99, says='there is device 0 "')
        self.fails('devices', '--device', 'no such thing', '--check', says='no such thing')

    def test_none(self):
        nothing = {'OCL_ICD_VENDORS': self.folder}
        line = self.fails('devices', env=nothing, says='no OpenCL device found')
        self.assertIn('pocl-opencl-icd', line)
        done = kiln('devices', '--json', env=nothing)
        self.assertEqual((done.code, done.json()), (1, []))

    def test_default_that_is_not_there(self):
        done = self.ok('devices', env={'KILN_DEVICE': 'no such device'})
        self.assertIn('no such device', done.out)
        self.assertNotIn('*', done.out)


class New(Case):
    def test_list(self):
        out = self.ok('new').out
        for name in ('mlp', 'mlp1024', 'cnn', 'lenet', 'resnet20', 'mobilenet_small', 'tabular', 'lstm', 'gru',
                     'lstm512'):
            self.assertIn(name + ' ', out)

    def test_json_of_keras(self):
        for name in ('mlp', 'mlp1024', 'cnn', 'lenet', 'tabular', 'lstm', 'gru', 'lstm512'):
            model = self.ok('new', name).json()
            self.assertEqual(model['class_name'], 'Sequential')
            self.assertEqual(model['config']['name'], name)
            classes = [layer['class_name'] for layer in model['config']['layers']]
            self.assertEqual(classes[0], 'InputLayer')
            self.assertEqual(classes[-1], 'Dense')

    def test_residual(self):
        done = self.ok('new', 'resnet20')
        self.assertIn('(32, 32, 3)', done.err)
        model = done.json()
        self.assertEqual(model['class_name'], 'Functional')
        layers = [layer['class_name'] for layer in model['config']['layers']]
        self.assertEqual((layers.count('Conv2D'), layers.count('Add'), layers.count('BatchNormalization')), (21, 9, 21))
        path = self.path('resnet20.json')
        self.ok('new', 'resnet20', '-o', path)
        self.assertEqual(self.ok('convert', path, self.path('again.json')).code, 0)
        with open(path, encoding='utf-8') as one, open(self.path('again.json'), encoding='utf-8') as other:
            self.assertEqual(json.load(one), json.load(other))

    def test_file(self):
        path = self.path('m.json')
        self.assertEqual(self.ok('new', 'mlp', '-o', path).out, '')
        with open(path, encoding='utf-8') as file:
            dense = [layer for layer in json.load(file)['config']['layers'] if layer['class_name'] == 'Dense']
        self.assertEqual([layer['config']['units'] for layer in dense], [128, 10])
        self.assertEqual(dense[0]['config']['activation'], 'relu')

    def test_sized_by_data(self):
        data = self.write('d.csv', 'a,b,k\n' + ''.join('%d,%d,%s\n' % (i, i * i, 'xyzw'[i % 4]) for i in range(40)))
        layers = self.ok('new', 'tabular', '--data', data).json()['config']['layers']
        self.assertEqual(layers[0]['config']['batch_shape'], [None, 2])
        self.assertEqual(layers[-1]['config']['units'], 4)

    def test_a_folder_is_no_network(self):
        os.mkdir(self.path('mlp'))
        self.assertIn('101,770', self.ok('summary', 'mlp', cwd=self.folder).out)

    def test_unwritable(self):
        self.fails('new', 'mlp', '-o', self.path('missing/m.json'), says='m.json')


class Plot(Case):
    def test_boxes_and_lines(self):
        path = self.path('net.svg')
        self.assertEqual(self.ok('plot', 'resnet20', '-o', path).out, '')
        root = ElementTree.parse(path).getroot()
        svg = '{http://www.w3.org/2000/svg}'
        boxes = [[float(box.get(k)) for k in ('x', 'y', 'width', 'height')] for box in root.iter(svg + 'rect')]
        names = [text.text for text in root.iter(svg + 'text') if text.get('class') == 'name']
        self.assertEqual(len(boxes), len(names))
        self.assertEqual(len(set(names)), len(names))
        self.assertIn('conv2d_20', names)
        self.assertEqual(len([p for p in root.iter(svg + 'path') if p.get('marker-end')]), len(names) - 1 + 9)
        width, height = float(root.get('width')), float(root.get('height'))
        for i, (x, y, w, h) in enumerate(boxes):
            self.assertTrue(0 <= x and x + w <= width and 0 <= y and y + h <= height)
            for other in boxes[:i]:
                self.assertTrue(x >= other[0] + w or other[0] >= x + w or y >= other[1] + h or other[1] >= y + h)

    def test_standard_output_and_names(self):
        self.assertIn('</svg>', self.ok('plot', 'mlp').out)
        model = self.ok('new', 'mlp').json()
        model['config']['layers'][2]['config']['name'] = 'a<b>&"c"' + 'd' * 60
        path = self.write('m.json', json.dumps(model))
        texts = [t.text for t in ElementTree.fromstring(self.ok('plot', path).out).iter()]
        self.assertTrue(any(t and t.startswith('a<b>&"c"') for t in texts))
        self.assertEqual(kiln('plot', 'mlp', '-o', self.path('m.png')).code, 2)
        self.fails('plot', self.path('missing.keras'), says='missing.keras')
        self.fails('plot', 'mlp', '-o', self.path('missing/m.svg'), says='m.svg')


class Output(Case):
    def test_full_disk(self):
        import subprocess
        from support import KILN
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([KILN, 'new', 'mlp'], stdout=full, stderr=subprocess.PIPE, env=environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn(b'kiln: standard output', done.stderr)


if __name__ == '__main__':
    main()
