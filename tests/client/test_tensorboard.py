#!/usr/bin/env python3
"""TensorBoard's own reader finds in Kiln's event files what kiln fit printed. KILN_TEST_KERAS is a Python that has it
(requirements.txt)."""
import json
import os
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


if __name__ == '__main__':
    main()
