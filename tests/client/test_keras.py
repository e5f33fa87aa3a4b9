#!/usr/bin/env python3
"""Keras opens what Kiln wrote and Kiln opens what Keras wrote: the same predictions, and trainings that go on as if
they had stayed where they began. KILN_TEST_KERAS is a Python that has Keras with JAX (requirements.txt)."""
import json
import os
import subprocess
import sys
import unittest
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'cli'))
from support import Case, main, read_npy

PYTHON = os.environ.get('KILN_TEST_KERAS', '')


def flat(values):
    return [v for row in values for v in flat(row)] if isinstance(values, list) else [values]


@unittest.skipUnless(PYTHON, 'KILN_TEST_KERAS names no Python with Keras')
class Keras(Case):
    def keras_side(self, what):
        done = subprocess.run([PYTHON, os.path.join(HERE, 'keras_side.py'), what, self.folder],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout)
        # Keras only warns where it leaves variables out.
        self.assertNotIn('Skipping variable loading', done.stdout)
        with open(self.path({'make': 'made', 'check': 'checked'}[what] + '.json'), encoding='utf-8') as file:
            return json.load(file)

    def near(self, found, wanted, within, what):
        found, wanted = flat(found), flat(wanted)
        self.assertEqual(len(found), len(wanted), what)
        worst = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(found, wanted))
        self.assertLessEqual(worst, within, what)

    def predict(self, model, name):
        several = name in ('goals', 'one_goal')  # outputs, which are written by name
        out = self.path('out.npz' if several else 'out.npy')
        self.ok('predict', model, self.path(name + '.npz'), '-o', out, '--batch-size', '48')
        if several:
            with zipfile.ZipFile(out) as z:
                return [x for part in ('kind', 'size') for x in read_npy(z.read(part + '.npy'))[1]]
        with open(out, 'rb') as file:
            return list(read_npy(file.read())[1])

    def fit(self, model, name, epochs, out):
        history = self.path('history.json')
        self.ok('fit', model, self.path(name + '.npz'), '--batch-size', '48', '--epochs', str(epochs), '-o', out,
                '--history', history, '--verbose', '0')
        with open(history, encoding='utf-8') as file:
            return json.load(file)

    def test_both_directions(self):
        made = self.keras_side('make')
        predictions = {}
        # Keras rounds to half within a layer too, Kiln where it stores.
        def within(tolerance):
            return max(tolerance, 5e-3) if name == 'mixed' else tolerance
        for name, keras in made.items():
            with self.subTest(model=name, direction='Keras to Kiln'):
                model, trained = self.path(name + '.keras'), self.path(name + '.kiln.keras')
                epochs = keras['epochs']
                for kind in ('.keras', '.h5'):
                    self.near(self.predict(self.path(name + kind), name), keras['predictions'], within(1e-5), kind)
                history = self.fit(model, name, epochs, trained)
                for figure, course in keras['history'].items():
                    self.near(history[figure], course[:epochs], within(1e-4), figure)
                predictions[name] = self.predict(trained, name)
                # Kiln's own file goes on, too.
                history = self.fit(trained, name, epochs, self.path('again.keras'))
                for figure, course in keras['history'].items():
                    self.near(history[figure], course[epochs:], within(2e-4), figure)
                # The same by the weights alone.
                self.ok('convert', trained, self.path(name + '.kiln.json'))
                self.ok('convert', trained, self.path(name + '.kiln.weights.h5'))
        checked = self.keras_side('check')
        for name, keras in checked.items():
            with self.subTest(model=name, direction='Kiln to Keras'):
                self.near(predictions[name], keras['predictions'], within(1e-5), 'predictions')
                self.near(predictions[name], keras['weights'], within(1e-5), 'weights alone')
                epochs = made[name]['epochs']
                self.assertEqual(keras['iterations'], made[name]['iterations'] + epochs)
                self.assertEqual([len(v) for v in keras['variables']], [len(v) for v in made[name]['variables']])
                for figure, course in made[name]['history'].items():
                    self.near(keras['history'][figure], course[epochs:], within(2e-4), figure)


if __name__ == '__main__':
    main()
