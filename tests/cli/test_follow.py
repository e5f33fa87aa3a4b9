#!/usr/bin/env python3
"""Following a training: kiln fit --tensorboard, --log-json and --report; kiln report."""
import glob
import json
import os
import re
import struct
import unittest

from support import Case, csv_text, main
from test_compare import Page


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def records(path):
    """The messages of a TFRecord file, whose checksums hold."""
    with open(path, 'rb') as file:
        data = file.read()
    at, found = 0, []
    while at < len(data):
        length, check = struct.unpack_from('<QI', data, at)
        assert check == masked(data[at:at + 8]), path
        body = data[at + 12:at + 12 + length]
        assert struct.unpack_from('<I', data, at + 12 + length)[0] == masked(body), path
        found.append(body)
        at += length + 16
    return found


class Follow(Case):
    def data(self):
        return self.write('d.csv', csv_text(120))

    def lines(self, path):
        with open(path, encoding='utf-8') as file:
            return [json.loads(line) for line in file]

    def test_checksum(self):
        self.assertEqual(crc32c(b'123456789'), 0xe3069283) # the known value of CRC-32C

    def test_event_files(self):
        logs = self.path('a/logs')
        self.ok('fit', 'tabular', self.data(), '--epochs', 2, '--tensorboard', logs)
        self.assertEqual(os.listdir(logs), ['train']) # without validation no file of it
        paths = glob.glob(os.path.join(logs, 'train', 'events.out.tfevents.*'))
        self.assertEqual(len(paths), 1)
        found = records(paths[0])
        self.assertEqual(len(found), 3)
        self.assertIn(b'brain.Event:2', found[0])
        for body in found[1:]:
            for tag in (b'epoch_loss', b'epoch_accuracy', b'epoch_learning_rate', b'kernel/histogram', b'kernel/gradient'):
                self.assertIn(tag, body)
        self.ok('fit', 'tabular', self.data(), '--epochs', 1, '--tensorboard', logs) # another run, another file
        self.assertEqual(len(os.listdir(os.path.join(logs, 'train'))), 2)
        self.fails('fit', 'tabular', self.data(), '--tensorboard', self.write('file', '') + '/logs', says='file')

    def test_lines(self):
        path, history, data = self.path('l.jsonl'), self.path('h.json'), self.data()
        self.ok('fit', 'tabular', data, '--epochs', 3, '--validation-split', 0.2, '--log-json', path, '--history', history)
        with open(history, encoding='utf-8') as file:
            wanted = json.load(file)
        lines = self.lines(path)
        self.assertEqual([line['epoch'] for line in lines], [0, 1, 2])
        for e, line in enumerate(lines):
            self.assertGreater(line['seconds'], 0)
            for name in ('loss', 'accuracy', 'val_loss', 'val_accuracy'):
                self.assertAlmostEqual(line[name], wanted[name][e], delta=1e-7)
        self.fails('fit', 'tabular', data, '--log-json', self.path('missing/l.jsonl'), says='l.jsonl')

    def test_lines_of_a_resumed_training(self):
        path, run, data = self.path('l.jsonl'), self.path('run.keras'), self.data()
        for epochs in (2, 4):
            self.ok('fit', 'tabular', data, '--epochs', epochs, '--checkpoint', run, '--resume', '--log-json', path)
        self.assertEqual([line['epoch'] for line in self.lines(path)], [0, 1, 2, 3])

    def page(self, path):
        with open(path, encoding='utf-8') as file:
            text = file.read()
        page = Page(text)
        self.assertEqual(page.fetched, [])
        self.assertNotRegex(text, r'url\(|@import|<script|NaN')
        self.assertLess(len(text), 1000000)
        return page, ' '.join(page.words)

    def test_report_with_pictures(self):
        path = self.path('run.html')
        self.ok('fit', 'mlp', 'digits:test', '--epochs', 1, '--validation-split', 0.3, '--report', path, '--seed', 3)
        page, words = self.page(path)
        for part in ('Learning curves', 'Right and wrong', 'Precision', 'The worst mistakes', 'taken for', 'dense'):
            self.assertIn(part, words)
        self.assertEqual(page.count['img'], 24)
        self.assertGreaterEqual(page.count['svg'], 2 * (2 + 1))

    def test_report_of_a_table_and_of_numbers(self):
        path = self.path('run.html')
        self.ok('fit', 'tabular', self.data(), '--epochs', 2, '--report', path)
        page, words = self.page(path)
        self.assertIn('eel', words) # the class's name
        with open(path, encoding='utf-8') as file: # long paths do not widen the page of a telephone
            self.assertRegex(file.read(), r'[,}]h1[^{}]*{overflow-wrap:anywhere}')
        self.assertNotIn('img', page.count)
        data = self.write('n.csv', 'a,b,y\n' + ''.join('%d,%d,%.3f\n' % (i, i % 7, 0.3 * i) for i in range(60)))
        self.ok('fit', 'tabular', data, '--epochs', 2, '--report', path)
        page, words = self.page(path)
        self.assertIn('Predictions and targets', words)
        self.fails('fit', 'tabular', data, '--report', self.path('missing/r.html'), says='r.html')
        self.fails('fit', 'tabular', data, '--report', self.path('r.txt'), code=2, says='.html')

    def test_runs_side_by_side(self):
        one = self.write('adam.json', json.dumps({'loss': [0.5, 0.25, 0.375], 'val_loss': [None, 0.5, 0.4]}))
        two = self.write('sgd <b>.json', '{"epoch": 0, "seconds": 1, "loss": 1.5, "accuracy": 0.5}\n'
                                         '{"epoch": 1, "seconds": 1, "loss": 1.25, "accuracy": 0.75}\n')
        path = self.path('both.html')
        out = self.ok('report', one, two, '-o', path).out
        self.assertRegex(out, r'loss\n  adam +last 0\.375 +best 0\.25 in epoch 2\n  sgd <b> +last 1\.25 +best 1\.25 in epoch 2\n')
        self.assertRegex(out, r'val_loss\n  adam +last 0\.4 +best 0\.4 in epoch 3\n  sgd <b> +last - +best -\n')
        self.assertRegex(out, r'accuracy\n  adam +last - +best -\n  sgd <b> +last 0\.75 +best 0\.75 in epoch 2\n')
        page, words = self.page(path)
        self.assertIn('sgd <b>', words)
        self.assertEqual(page.count['svg'], 2 * 2)

    def test_names_of_runs(self):
        """As much of the path as tells one run from the others."""
        def names(*files):
            for file in files:
                os.makedirs(os.path.dirname(self.path(file)) or '.', exist_ok=True)
                self.write(file, '{"loss": [1]}')
            out = self.ok('report', *files, '-o', 'page.html', cwd=self.folder).out
            with open(self.path('page.html'), encoding='utf-8') as file:
                words = Page(file.read()).words
            found = re.findall(r'^  (\S+) +last', out, re.M)
            for name in found:
                self.assertIn(name, words)
            return found
        self.assertEqual(names('run.1.json', 'run.2.json', 'a/x.jsonl', 'log'), ['run.1', 'run.2', 'x', 'log'])
        self.assertEqual(names('a/history.json', 'b/history.json', 'c/other.json'), ['a/history', 'b/history', 'other'])
        self.assertEqual(names('r2.json', 'r2.jsonl'), ['r2.json', 'r2.jsonl'])
        self.assertEqual(names('a/p/h.json', 'b/p/h.json', 'h.json'), ['a/p/h', 'b/p/h', 'h'])
        self.assertEqual(names('a/h.json', 'a/h.jsonl', 'b/h.json'), ['a/h.json', 'a/h.jsonl', 'b/h'])
        self.assertEqual(names('a/h.json', 'a/h.json', './a/h.json'), ['a/h.json', 'a/h.json', './a/h'])
        self.assertEqual(names('x/../h.json', 'y/../h.json'), ['x/../h', 'y/../h'])

    def test_one_epoch(self):
        """A curve of one point is a circle, in the page of the training and beside another one."""
        one, page = self.path('one.json'), self.path('run.html')
        self.ok('fit', 'tabular', self.data(), '--validation-split', 0.2, '--history', one, '--report', page)
        two = self.write('two.json', json.dumps({'loss': [0.5, 0.25], 'accuracy': [0.5, 0.75]}))
        self.assertEqual(self.page(page)[0].count['circle'], 2 * 2 * 2) # loss and accuracy, wide and narrow
        self.assertRegex(self.page(page)[1], r'\b1 epoch in ')
        self.ok('report', one, two, '-o', page)
        self.assertEqual(self.page(page)[0].count['circle'], 2 * 2 * 2)

    def test_bad_files(self):
        for text in ('', 'x', '[]', '{}', '{"loss": 3}', '{"loss": []}', '{"epoch": 0}\n{"loss": 1}\n', '3\n4\n'):
            with self.subTest(text=text):
                self.fails('report', self.write('w.json', text), says=['w.json', 'kiln fit'])
        self.fails('report', self.path('none.json'), says='none.json')
        self.fails('report', code=2, says='A.json')
        self.fails('report', self.write('w.json', '{"loss": [1]}'), '-o', 'r.txt', code=2, says='.html')


if __name__ == '__main__':
    main()
