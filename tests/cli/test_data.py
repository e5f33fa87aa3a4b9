#!/usr/bin/env python3
"""Data as the program takes them: downloads, scales, channel axes, tables, and results that are not finite."""
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time

from support import KILN, ROOT, Case, blobs, csv_text, environment, gz, idx, kiln, main, npy, npz

SERVER = os.path.join(ROOT, 'tests', 'data', 'server.py')
MNIST = ['train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz', 't10k-images-idx3-ubyte.gz',
         't10k-labels-idx1-ubyte.gz']


class Downloads(Case):
    """MNIST from a server on this machine."""

    def setUp(self):
        super().setUp()
        self.served = self.path('served')
        os.makedirs(os.path.join(self.served, 'mnist'))
        self.server = subprocess.Popen([sys.executable, SERVER, self.served], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        self.addCleanup(self.server.stdout.close)
        self.port = int(self.server.stdout.readline())
        self.cache = self.path('cache')

    def env(self, mode):
        return {'KILN_DATA_DIR': None, 'KILN_CACHE_DIR': self.cache, 'KILN_TUNE': 'off', 'no_proxy': '127.0.0.1',
                'http_proxy': None, 'KILN_DATA_URL': 'http://127.0.0.1:%d/%s' % (self.port, mode)}

    def requests(self):
        path = os.path.join(self.served, 'requests')
        if not os.path.exists(path):
            return []
        with open(path, encoding='utf-8') as file:
            return file.read().splitlines()

    def serve_mnist(self):
        for name in MNIST:
            shutil.copy(self.needs_data(os.path.join('mnist', name)), os.path.join(self.served, 'mnist'))

    def test_broken_off_resumed_and_kept(self):
        self.serve_mnist()
        fit = ['fit', 'mlp', 'mnist', '--steps-per-epoch', 5]
        line = self.fails(*fit, env=self.env('cut'), says=['MNIST is neither', 'digits'])
        self.assertIn('127.0.0.1', line)
        part = os.path.join(self.cache, 'mnist', MNIST[0] + '.part')
        half = os.path.getsize(part)
        self.assertGreater(half, 1000)
        before = len(self.requests())

        master, slave = pty.openpty()  # on a terminal the bar moves
        process = subprocess.Popen([KILN] + [str(word) for word in fit], env=environment(self.env('good')),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        shown = b''
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            shown += piece
        os.close(master)
        out = process.communicate(timeout=120)[0].decode()
        self.assertEqual(process.returncode, 0, out + shown.decode())
        self.assertIn('5/5', out)
        self.assertRegex(shown.decode(), r'\rdownloading %s \[=+\.+\]  ?\d+ %%' % MNIST[0])
        self.assertRegex(shown.decode(), r'\rdownloading %s \[={20}\] 100 %%\r?\n' % MNIST[0])
        self.assertEqual(self.requests()[before:], ['/good/mnist/%s bytes=%d-' % (MNIST[0], half),
                                                    '/good/mnist/%s -' % MNIST[1]])
        self.assertFalse(os.path.exists(part))

        # Nothing is asked for twice; without a terminal there is a line for each file.
        before = len(self.requests())
        self.ok(*fit, '--verbose', 0, env=self.env('missing'))
        self.assertEqual(len(self.requests()), before)
        done = self.ok('evaluate', 'mlp', 'mnist', env=self.env('good'))
        self.assertIn('downloading %s\ndownloading %s\n' % (MNIST[2], MNIST[3]), done.err)

    def test_other_files_are_refused(self):
        for name in MNIST:
            with open(os.path.join(self.served, 'mnist', name), 'wb') as file:
                file.write(gz(idx((3, 28, 28), [0] * 3 * 784)))
        self.fails('fit', 'mlp', 'mnist', env=self.env('good'), says=["is not MNIST's", 'SHA-256'])

    def test_interrupt(self):
        process = subprocess.Popen([KILN, 'fit', 'mlp', 'mnist'], env=environment(self.env('silent')),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        begun = time.monotonic()
        while not self.requests() and time.monotonic() - begun < 30:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
        self.assertEqual(process.returncode, 130)


class Scales(Case):
    """Bytes of pictures are scaled, and the scale stays with the model; arrays are taken as they are."""

    def setUp(self):
        super().setUp()
        self.bytes, self.labels = [], []
        for i in range(96):
            label = i % 10
            self.labels.append(label)
            self.bytes += [200 if (p * 10) // 784 == label else (p * 7 + i) % 40 for p in range(784)]
        self.idx = ','.join([self.write('images', idx((96, 28, 28), self.bytes)),
                             self.write('labels', idx((96,), self.labels))])
        labels = self.write('y.npy', npy((96,), self.labels, '<i4'))
        self.raw = self.write('raw.npy', npy((96, 28, 28), self.bytes, '|u1')) + ',' + labels
        self.unit = self.write('unit.npy', npy((96, 28, 28), [b / 255 for b in self.bytes])) + ',' + labels
        self.model = self.path('m.keras')

    def loss(self, data):
        return self.ok('evaluate', self.model, data, '--json').json()['loss']

    def test_of_pictures(self):
        history = self.path('h.json')
        self.ok('fit', 'mlp', self.idx, '--epochs', 8, '--seed', 5, '-o', self.model, '--verbose', 0,
                '--validation-data', self.unit, '--history', history)
        loss = self.loss(self.idx)
        self.assertLess(loss, 1.5)
        self.assertAlmostEqual(self.loss(self.raw), loss, 5)
        self.assertAlmostEqual(self.loss(self.unit), loss, 5)
        with open(history, encoding='utf-8') as file:
            self.assertAlmostEqual(json.load(file)['val_loss'][-1], loss, 5)
        out = [self.path('a.npy'), self.path('b.npy')]
        self.ok('predict', self.model, self.idx.split(',')[0], '-o', out[0])
        self.ok('predict', self.model, self.raw, '-o', out[1])
        with open(out[0], 'rb') as a, open(out[1], 'rb') as b:
            self.assertEqual(a.read(), b.read())

    def test_of_bytes_taken_as_they_are(self):
        self.ok('fit', 'mlp', self.raw, '--epochs', 4, '--seed', 5, '-o', self.model, '--verbose', 0)
        self.assertAlmostEqual(self.loss(self.idx), self.loss(self.raw), 5)

    def test_channel_axis(self):
        layers = [{'class_name': 'InputLayer', 'config': {'batch_shape': [None, 28, 28, 1], 'name': 'in'}},
                  {'class_name': 'Flatten', 'config': {'name': 'flat'}},
                  {'class_name': 'Dense', 'config': {'name': 'out', 'units': 10}}]
        path = self.write('m.json', json.dumps({'class_name': 'Sequential', 'config': {'name': 's', 'layers': layers}}))
        self.ok('fit', path, self.idx, '-o', self.model, '--verbose', 0, '--validation-data', self.unit)
        self.assertGreater(self.loss(self.idx), 0)
        self.assertEqual(len(self.ok('predict', self.model, self.idx, '--rows', 5).out.splitlines()), 7)
        self.ok('profile', path, self.idx, '--steps', 5)
        self.ok('evaluate', path, 'digits:test', '--verbose', 0)

    def test_validation_data_are_the_test_part(self):
        history = self.path('h.json')
        self.ok('fit', 'mlp', 'digits', '--steps-per-epoch', 20, '--validation-data', 'digits', '--history', history,
                '-o', self.model, '--verbose', 0)
        with open(history, encoding='utf-8') as file:
            self.assertAlmostEqual(json.load(file)['val_loss'][-1], self.loss('digits:test'), 5)

    def test_labels_are_needed(self):
        self.fails('fit', 'mlp', self.idx.split(',')[0], says=['images', 'no targets'])


class Tables(Case):
    def model(self, activation):
        layers = [{'class_name': 'InputLayer', 'config': {'batch_shape': [None, 4], 'name': 'in'}},
                  {'class_name': 'Dense', 'config': {'name': 'out', 'units': 1, 'activation': activation}}]
        return self.write(activation + '.json',
                          json.dumps({'class_name': 'Sequential', 'config': {'name': 's', 'layers': layers}}))

    def test_tabs_and_no_header(self):
        model = self.path('m.keras')
        for header in (True, False):
            data = self.write('d.tsv', csv_text(90, header=header).replace(',', '\t'))
            self.ok('fit', 'tabular', data, '--epochs', 30, '--seed', 1, '-o', model, '--verbose', 0)
            self.assertGreater(self.ok('evaluate', model, data, '--json').json()['accuracy'], 0.95)
            self.assertRegex(self.ok('predict', model, data, '--rows', 1).out.splitlines()[1], r'^     0  cat ')

    def test_yes_or_no(self):
        data, model = self.write('d.csv', csv_text(90, names=('no', 'yes'))), self.path('m.keras')
        for activation, said in (('sigmoid', 'loss: binary_crossentropy (labels are 0 or 1, and the network ends in sigmoid)'),
                                 ('linear', 'loss: binary_crossentropy from logits (')):
            done = self.ok('fit', self.model(activation), data, '--epochs', 40, '--learning-rate', 0.05, '-o', model,
                           '--seed', 2)
            self.assertIn(said, done.out)
            self.assertGreater(self.ok('evaluate', model, data, '--json').json()['accuracy'], 0.95)
            screen = self.ok('predict', model, data, '--rows', 2).out.splitlines()
            self.assertRegex(screen[1], r'^     0  no +\d+\.\d\d %$')
            self.assertRegex(screen[2], r'^     1  yes +\d+\.\d\d %$')

    def test_split_of_numbers_is_drawn(self):
        data = self.write('r.csv', ''.join('%.4f,%.4f\n' % (i / 7, i / 3) for i in range(50)))
        done = self.ok('fit', 'tabular', data, '--validation-split', 0.2, '--seed', 4)
        self.assertIn('validation: 10 of 50 samples, drawn by the seed\n', done.out)

    def test_metrics_of_a_saved_model(self):
        data, model = self.write('d.csv', csv_text(60)), self.path('m.keras')
        self.ok('fit', 'tabular', data, '-o', model, '--verbose', 0)
        self.assertEqual(sorted(self.ok('evaluate', model, data, '--json').json()), ['accuracy', 'loss'])
        self.assertEqual(list(self.ok('evaluate', model, data, '--json', '--metrics', 'none').json()), ['loss'])
        other = self.ok('evaluate', model, data, '--json', '--metrics', 'sparse_top_k_categorical_accuracy(k=2)').json()
        self.assertEqual(sorted(other), ['loss', 'sparse_top_k_categorical_accuracy'])
        self.ok('fit', 'tabular', data, '-o', model, '--verbose', 0, '--metrics', 'none')
        self.assertEqual(list(self.ok('evaluate', model, data, '--json', '--metrics', 'none').json()), ['loss'])

    def test_every_built_in_network_trains_from_its_json(self):
        csv = self.write('d.csv', csv_text(60))
        pictures = ','.join([self.write('images', idx((40, 28, 28), [i % 251 for i in range(40 * 784)])),
                             self.write('labels', idx((40,), [i % 10 for i in range(40)]))])
        for line in self.ok('new').out.splitlines():
            name, path = line.split()[0], self.path('m.json')
            sized = ['--data', pictures] if '32 x 32' in line else []
            self.ok('new', name, '-o', path, *sized)
            if name in ('simple_rnn', 'lstm', 'gru', 'bilstm_classifier', 'lstm512', 'forecast'):
                self.assertIn('Total params', self.ok('summary', path).out)  # trained in the tests of text and series
            else:
                self.ok('fit', path, csv if name == 'tabular' else pictures, '--verbose', 0)


class Numerics(Case):
    """--check-numerics of each command that computes."""

    def setUp(self):
        super().setUp()
        layers = [{'class_name': 'InputLayer', 'config': {'batch_shape': [None, 4], 'name': 'in'}},
                  {'class_name': 'Dense', 'config': {'name': 'widen', 'units': 8}},
                  {'class_name': 'Dense', 'config': {'name': 'out', 'units': 3}}]
        self.model = self.write('m.json', json.dumps({'class_name': 'Sequential',
                                                      'config': {'name': 'large', 'layers': layers}}))
        x, y = blobs(96)
        self.good = npz(self.path('good.npz'), x=npy((96, 4), x), y=npy((96,), y, '<i4'))
        x[4 * 70:] = [3e38 if v > 0 else -3e38 for v in x[4 * 70:]]  # from the third batch on
        self.data = npz(self.path('d.npz'), x=npy((96, 4), x), y=npy((96,), y, '<i4'))

    def test_evaluate(self):
        self.assertIsNone(self.ok('evaluate', self.model, self.data, '--json', '--seed', 1).json()['loss'])
        self.fails('evaluate', self.model, self.data, '--check-numerics', '--json', '--seed', 1,
                   says=['step 3 of the evaluation', 'of layer widen'])
        self.ok('evaluate', self.model, self.good, '--check-numerics')

    def test_predict(self):
        self.ok('predict', self.model, self.data, '--seed', 1)
        self.fails('predict', self.model, self.data, '--check-numerics', '--seed', 1,
                   says=['step 3', 'of layer widen'])
        self.ok('predict', self.model, self.good, '--check-numerics')

    def test_fit_and_profile(self):
        self.fails('fit', self.model, self.data, '--check-numerics', says='the first result that is not finite')
        self.fails('profile', self.model, self.data, '--steps', 9, says=['not finite', '--check-numerics'])
        self.fails('profile', self.model, self.data, '--steps', 9, '--check-numerics',
                   says='the first result that is not finite')
        self.ok('profile', self.model, self.good, '--steps', 9, '--check-numerics')

    def test_bench_and_summary(self):
        self.ok('bench', 'tabular', '--steps', 50, '--check-numerics', '--json')
        self.ok('summary', 'mlp', '--check-numerics')


class Interrupt(Case):
    def test_evaluate_and_predict(self):
        for command in ('evaluate', 'predict'):
            process = subprocess.Popen([KILN, command, 'cnn', 'digits:train', '--batch-size', '1'], env=environment(),
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.7)
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
            self.assertEqual(process.returncode, 130)


if __name__ == '__main__':
    main()
