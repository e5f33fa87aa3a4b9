#!/usr/bin/env python3
"""TensorBoard's own reader finds in Kiln's event files what kiln fit printed. KILN_TEST_KERAS is a Python that has it
(requirements.txt)."""
import json
import os
import re
import subprocess
import sys
import time
import unittest
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'cli'))
from support import Case, csv_text, main, read_npy

PYTHON = os.environ.get('KILN_TEST_KERAS', '')


@unittest.skipUnless(PYTHON, 'KILN_TEST_KERAS names no Python with TensorBoard')
class TensorBoard(Case):
    def read(self, folder):
        done = subprocess.run([PYTHON, os.path.join(HERE, 'tensorboard_side.py'), folder], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_scalars_and_histograms(self):
        data, logs, model = self.write('d.csv', csv_text(180)), self.path('logs'), self.path('m.keras')
        begun = time.time()
        self.ok('fit', 'tabular', data, '--epochs', 3, '--validation-split', 0.25, '--tensorboard', logs, '--history',
                self.path('h.json'), '-o', model, '--seed', 7)
        with open(self.path('h.json'), encoding='utf-8') as file:
            history = json.load(file)
        for part, prefix in (('train', ''), ('validation', 'val_')):
            found = self.read(os.path.join(logs, part))
            self.assertGreaterEqual(found['start'], begun - 1)
            self.assertLessEqual(found['start'], time.time())
            for name in ('loss', 'accuracy'):
                events = found['scalars']['epoch_' + name]
                self.assertEqual([e[0] for e in events], [0, 1, 2])
                for event, wanted in zip(events, history[prefix + name]):
                    self.assertAlmostEqual(event[1], wanted, delta=1e-6 * max(1, abs(wanted)))
        found = self.read(os.path.join(logs, 'train'))
        self.assertEqual([e[1] for e in found['scalars']['epoch_learning_rate']], [found['scalars']['epoch_learning_rate'][0][1]] * 3)
        self.assertAlmostEqual(found['scalars']['epoch_learning_rate'][0][1], 0.001, delta=1e-9)
        # The histograms after the last epoch are those of the saved weights.
        self.ok('convert', model, self.path('w.npz'))
        with zipfile.ZipFile(self.path('w.npz')) as archive:
            weights = {name[:-4]: read_npy(archive.read(name))[1] for name in archive.namelist()}
        kernels = [name for name in weights if name.endswith('kernel')]
        self.assertEqual(len(kernels), 3)
        for name in kernels:
            each = found['histograms'][name + '/histogram']
            self.assertEqual([h['step'] for h in each], [0, 1, 2])
            last, values = each[-1], weights[name]
            self.assertEqual((last['num'], sum(last['counts'])), (len(values), len(values)))
            self.assertAlmostEqual(last['min'], min(values), delta=1e-6)
            self.assertAlmostEqual(last['max'], max(values), delta=1e-6)
            self.assertAlmostEqual(last['sum'], sum(values), delta=1e-4)
            self.assertAlmostEqual(last['squares'], sum(v * v for v in values), delta=1e-4)
            self.assertEqual(last['limits'], sorted(last['limits']))
            for limit, below in zip(last['limits'][:-1], [sum(last['counts'][:i + 1]) for i in range(29)]):
                self.assertAlmostEqual(sum(v < limit for v in values), below, delta=1)

    def test_gradients(self):
        """Where an epoch is one batch, what its step takes from the weights is the rate times the gradient before it."""
        data, logs = self.write('d.csv', csv_text(96)), self.path('logs')
        self.ok('fit', 'tabular', data, '--epochs', 3, '--batch-size', 96, '--optimizer', 'sgd(0.5)', '--tensorboard', logs)
        found = self.read(os.path.join(logs, 'train'))['histograms']
        gradients = [name for name in found if name.endswith('/gradient')]
        self.assertEqual(len(gradients), 6) # three Dense layers; the statistics of Normalization are not trained
        largest = 0
        for name in gradients:
            weights = found[name[:-len('gradient')] + 'histogram']
            self.assertEqual([g['step'] for g in found[name]], [0, 1, 2])
            for e, gradient in enumerate(found[name]):
                self.assertEqual((gradient['num'], sum(gradient['counts'])), (weights[e]['num'], weights[e]['num']))
                self.assertGreater(gradient['max'], gradient['min'])
                largest = max(largest, abs(gradient['sum']))
            for e in (0, 1):
                self.assertAlmostEqual(weights[e]['sum'] - weights[e + 1]['sum'], 0.5 * found[name][e]['sum'], delta=1e-4)
        self.assertGreater(largest, 0.01)

    def test_pictures(self):
        logs = self.path('logs')
        self.ok('fit', 'mlp', 'digits:test', '--epochs', 2, '--validation-split', 0.3, '--tensorboard', logs, '--seed', 3)
        images = self.read(os.path.join(logs, 'pictures'))['images']
        shown = [name for name in images if re.fullmatch(r'training data/\d\d \d', name)]
        wrong = [name for name in images if re.fullmatch(r'worst mistakes/\d\d \d, taken for \d', name)]
        self.assertEqual((len(shown), len(wrong), len(images)), (12, 24, 36))
        for name in images:
            self.assertEqual(len(images[name]), 1)
            picture, png = images[name][0], bytes.fromhex(images[name][0]['png'])
            self.assertEqual((picture['step'], picture['width'], picture['height']), (1, 28, 28))
            self.assertEqual(png[:24], b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x1c\0\0\0\x1c')
        for name in wrong:
            digits = re.findall(r'\d+', name)
            self.assertNotEqual(digits[1], digits[2])


if __name__ == '__main__':
    main()
