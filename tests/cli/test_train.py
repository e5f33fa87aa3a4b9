#!/usr/bin/env python3
"""fit, evaluate, predict, summary, bench and profile, from the shell's point of view."""
import glob
import json
import math
import os
import re
import signal
import subprocess
import time
import zipfile

from support import KILN, Case, blobs, csv_text, environment, gz, idx, kiln, main, npy, npz, read_npy


class Tabular(Case):
    """A small classification from a CSV file with text labels."""

    def setUp(self):
        super().setUp()
        self.csv = self.write('train.csv', csv_text(120))
        self.test = self.write('test.csv', csv_text(30))
        self.model = self.path('model.keras')

    def fit(self, *more, **options):
        return self.ok('fit', 'tabular', self.csv, '--epochs', 30, '--seed', 7, '-o', self.model, *more, **options)

    def test_fit_evaluate_predict(self):
        done = self.fit('--verbose', 2)
        self.assertIn('loss: sparse_categorical_crossentropy from logits', done.out)
        self.assertIn('Epoch 30/30', done.out)
        self.assertRegex(done.out.splitlines()[-1], r'^Saved in .*model\.keras')
        figures = self.ok('evaluate', self.model, self.test, '--json').json()
        self.assertEqual(sorted(figures), ['accuracy', 'loss'])
        self.assertGreater(figures['accuracy'], 0.95)
        lines = self.ok('evaluate', self.model, self.test, '--verbose', 2).out.splitlines()
        self.assertRegex(lines[-2], r'^1/1 - 0s - .*accuracy: [01]\.\d{4} - loss: \d+\.\d{4}$')
        self.assertEqual(len(json.loads(lines[-1])), 2)
        self.assertAlmostEqual(json.loads(lines[-1])[1], figures['accuracy'], 5)

        screen = self.ok('predict', self.model, self.test, '--rows', 3).out.splitlines()
        self.assertRegex(screen[1], r'^     0  cat +\d+\.\d\d %    then ')
        self.assertRegex(screen[2], r'^     1  dog ')
        self.assertRegex(screen[3], r'^     2  eel ')
        self.assertIn('27 more rows', screen[4])
        self.assertEqual(len(self.ok('predict', self.model, self.test, '--rows', 0).out.splitlines()), 31)

        bare = self.write('bare.csv', csv_text(30, labelled=False))
        out = self.path('out.npy')
        with_label, without = self.path('a.npy'), self.path('b.npy')
        self.ok('predict', self.model, self.test, '-o', with_label)
        self.ok('predict', self.model, bare, '-o', without)
        with open(with_label, 'rb') as a, open(without, 'rb') as b:
            first = a.read()
            self.assertEqual(first, b.read())
        shape, values = read_npy(first)
        self.assertEqual(shape, (30, 3))
        for i in range(30):
            row = values[3 * i:3 * i + 3]
            self.assertEqual(row.index(max(row)), i % 3)
        self.assertFalse(os.path.exists(out))

        table = self.path('out.csv')
        self.ok('predict', self.model, self.test, '-o', table)
        with open(table, encoding='utf-8') as file:
            rows = file.read().splitlines()
        self.assertEqual(rows[0], 'cat,dog,eel')
        self.assertEqual(len(rows), 31)
        self.assertAlmostEqual(float(rows[1].split(',')[0]), values[0], 5)
        archive = self.path('out.npz')
        self.ok('predict', self.model, self.test, '-o', archive)
        with zipfile.ZipFile(archive) as z:
            self.assertEqual(len(z.namelist()), 1)
            self.assertEqual(read_npy(z.read(z.namelist()[0])), (shape, values))

    def test_same_seed_same_bits(self):
        weights = []
        for name in ('a', 'b'):
            self.model = self.path(name + '.keras')
            self.fit('--verbose', 0)
            with zipfile.ZipFile(self.model) as z:
                weights.append(z.read('model.weights.h5'))
        self.assertEqual(weights[0], weights[1])

    def test_same_bits_without_measuring(self):
        """KILN_TUNE=off: the built-in choices, so that a machine without a cache makes the same."""
        weights = []
        for name in ('a', 'b'):
            self.model = self.path(name + '.keras')
            self.fit('--verbose', 0, env={'KILN_TUNE': 'off', 'KILN_CACHE_DIR': self.path('cache-' + name)})
            self.assertFalse(os.path.exists(os.path.join(self.path('cache-' + name), 'products')))
            with zipfile.ZipFile(self.model) as z:
                self.assertEqual(sorted(z.namelist()), ['config.json', 'metadata.json', 'model.weights.h5'])
                weights.append(z.read('model.weights.h5'))
        self.assertEqual(weights[0], weights[1])

    def test_silence(self):
        done = self.fit('--verbose', 0)
        self.assertEqual(done.out, '')
        self.assertEqual(done.err, '')

    def test_nothing_saved(self):
        done = self.ok('fit', 'tabular', self.csv)
        self.assertEqual(done.out.splitlines()[-1], 'Nothing was saved: -o FILE keeps the trained model.')

    def test_history_and_csv_log(self):
        history, log = self.path('h.json'), self.path('log.csv')
        done = self.fit('--history', history, '--csv-log', log, '--validation-split', 0.25, '--metrics',
                        'accuracy,sparse_top_k_categorical_accuracy(k=2)')
        self.assertIn('validation: 30 of 120 samples, drawn by the seed, from each class its share', done.out)
        with open(history, encoding='utf-8') as file:
            figures = json.load(file)
        names = ['accuracy', 'loss', 'sparse_top_k_categorical_accuracy', 'val_accuracy', 'val_loss',
                 'val_sparse_top_k_categorical_accuracy']
        self.assertEqual(sorted(figures), names)
        for name in names:
            self.assertEqual(len(figures[name]), 30)
        self.assertLess(figures['loss'][-1], figures['loss'][0])
        with open(log, encoding='utf-8') as file:
            rows = file.read().splitlines()
        self.assertEqual(rows[0].split(',')[0], 'epoch')
        self.assertEqual(len(rows), 31)
        column = rows[0].split(',').index('val_loss')
        self.assertAlmostEqual(float(rows[-1].split(',')[column]), figures['val_loss'][-1], 5)

    def test_early_stopping(self):
        done = self.ok('fit', 'tabular', self.csv, '--epochs', 400, '--learning-rate', 5, '--early-stopping', 2,
                       '--validation-data', self.test, '--seed', 1, '--history', self.path('h.json'))
        with open(self.path('h.json'), encoding='utf-8') as file:
            self.assertLess(len(json.load(file)['loss']), 400)
        self.assertEqual(done.code, 0)

    def test_optimizers_and_schedules(self):
        for options in (['--optimizer', 'sgd', '--learning-rate', 0.05], ['--optimizer', 'AdamW'],
                        ['--optimizer', 'sgd(0.05, momentum=0.9, nesterov=true)'],
                        ['--optimizer', 'adam(beta_1=0, epsilon=1e-6)'],
                        ['--optimizer', 'rmsprop', '--schedule', 'cosine'],
                        ['--optimizer', 'adagrad', '--learning-rate', 0.05],
                        ['--schedule', 'exponential(decay_rate=0.5, decay_steps=20)'],
                        ['--schedule', 'polynomial(end_learning_rate=0.0005)'],
                        ['--schedule', 'piecewise(40, 0.0005, 80, 0.0001)'],
                        ['--schedule', 'cosine(warmup_steps=10)', '--clipnorm', 1]):
            with self.subTest(options=options):
                self.fit('--verbose', 0, *options)
                self.assertLess(self.ok('evaluate', self.model, self.test, '--json').json()['loss'], 1.0)

    def test_goes_on_with_a_saved_model(self):
        self.fit('--verbose', 0)
        before = self.ok('evaluate', self.model, self.test, '--json').json()['loss']
        done = self.ok('fit', self.model, self.csv, '--epochs', 30, '-o', self.model)
        self.assertIn("as the model's file says", done.out)
        self.assertLess(self.ok('evaluate', self.model, self.test, '--json').json()['loss'], before)

    def test_class_weight(self):
        text = csv_text(120).splitlines()
        rare = [line for line in text[1:] if not line.endswith('eel')] + \
               [line for line in text[1:] if line.endswith('eel')][:4]
        data = self.write('rare.csv', '\n'.join([text[0]] + rare) + '\n')
        plain, balanced = self.path('p.json'), self.path('b.json')
        common = ['fit', 'tabular', data, '--seed', 3, '--verbose', 0, '--epochs', 2]
        self.ok(*common, '--history', plain)
        self.ok(*common, '--class-weight', 'balanced', '--history', balanced)
        with open(plain, encoding='utf-8') as a, open(balanced, encoding='utf-8') as b:
            self.assertNotEqual(json.load(a)['loss'], json.load(b)['loss'])
        numbers = self.write('n.csv', ''.join('%.3f,%.3f\n' % (i / 7, i / 3) for i in range(40)))
        self.fails('fit', 'tabular', numbers, '--class-weight', 'balanced', says=['--class-weight', 'not class numbers'])

    def test_label_column(self):
        front = '\n'.join(','.join([row.split(',')[-1]] + row.split(',')[:-1])
                          for row in csv_text(120).splitlines()) + '\n'
        data = self.write('front.csv', front)
        for label in ('kind', '0'):
            self.ok('fit', 'tabular', data, '--label', label, '--epochs', 30, '-o', self.model, '--verbose', 0)
            figures = self.ok('evaluate', self.model, data, '--label', label, '--json').json()
            self.assertGreater(figures['accuracy'], 0.95)
        self.fails('fit', 'tabular', data, '--label', 'colour', says=['front.csv', 'colour'])

    def test_regression(self):
        data = self.write('r.csv', 'a,b,y\n' + ''.join(
            '%.4f,%.4f,%.4f\n' % (math.sin(i), math.cos(2 * i), 2 * math.sin(i) - math.cos(2 * i) + 0.5)
            for i in range(200)))
        done = self.ok('fit', 'tabular', data, '--epochs', 60, '-o', self.model)
        self.assertIn('loss: mean_squared_error (the targets are numbers)', done.out)
        figures = self.ok('evaluate', self.model, data, '--json').json()
        self.assertEqual(sorted(figures), ['loss', 'mae'])
        self.assertLess(figures['mae'], 0.3)
        screen = self.ok('predict', self.model, data, '--rows', 2).out
        self.assertNotIn('%', screen)

    def test_integers_as_numbers(self):
        data = self.write('i.csv', ''.join('%d,%d,%d\n' % (i % 7, i % 5, 3 + (i % 7) // 2) for i in range(140)))
        self.ok('fit', 'tabular', data, '--loss', 'mse', '--epochs', 80, '-o', self.model, '--verbose', 0,
                '--learning-rate', 0.01)
        figures = self.ok('evaluate', self.model, data, '--json').json()
        self.assertEqual(sorted(figures), ['loss', 'mae'])
        self.assertLess(figures['mae'], 0.5)
        value = float(self.ok('predict', self.model, data, '--rows', 1).out.splitlines()[1].split()[1])
        self.assertLess(abs(value - 3), 1.5)


class Images(Case):
    """28 x 28 images from IDX files, and from the generator."""

    def setUp(self):
        super().setUp()
        pixels, labels = [], []
        for i in range(96):
            label = i % 10
            labels.append(label)
            pixels += [200 if (p * 10) // 784 == label else (p * 7 + i) % 40 for p in range(784)]
        self.images = self.write('images', idx((96, 28, 28), pixels))
        self.labels = self.write('labels.gz', gz(idx((96,), labels)))
        self.pair = self.images + ',' + self.labels
        self.model = self.path('m.keras')

    def test_idx(self):
        self.ok('fit', 'mlp', self.pair, '--epochs', 12, '-o', self.model, '--seed', 5, '--verbose', 0)
        figures = self.ok('evaluate', self.model, self.pair, '--json').json()
        self.assertGreater(figures['accuracy'], 0.9)
        screen = self.ok('predict', self.model, self.images, '--rows', 2).out.splitlines()
        self.assertRegex(screen[1], r'^     0  0  ')

    def test_architecture_file(self):
        path = self.path('m.json')
        self.ok('new', 'mlp', '-o', path)
        done = self.ok('fit', path, self.pair, '--epochs', 1)
        self.assertIn('sparse_categorical_crossentropy from logits', done.out)
        text = open(path, encoding='utf-8').read()
        cut = text.rindex('"linear"')
        self.write('soft.json', text[:cut] + '"softmax"' + text[cut + len('"linear"'):])
        done = self.ok('fit', self.path('soft.json'), self.pair, '--epochs', 1)
        self.assertIn('loss: sparse_categorical_crossentropy (', done.out)

    def test_channel_axis(self):
        text = self.ok('new', 'mlp').out
        changed = re.sub(r'("batch_shape": \[\s*null,\s*28,\s*28)(\s*\])', r'\1, 1\2', text)
        self.assertNotEqual(text, changed)
        path = self.write('channel.json', changed)
        self.ok('fit', path, self.pair, '--verbose', 0)

    def test_digits(self):
        done = self.ok('fit', 'mlp', 'digits', '--steps-per-epoch', 300, '-o', self.model, '--seed', 1)
        self.assertIn('300/300', done.out)
        self.assertGreater(self.ok('evaluate', self.model, 'digits', '--json').json()['accuracy'], 0.7)

    def test_mnist(self):
        self.needs_data('mnist')
        self.ok('fit', 'mlp', 'mnist', '-o', self.model, '--seed', 1, '--verbose', 2)
        figures = self.ok('evaluate', self.model, 'mnist', '--json').json()
        self.assertGreater(figures['accuracy'], 0.94)
        train = self.ok('evaluate', self.model, 'mnist:train', '--json').json()
        self.assertNotEqual(train['loss'], figures['loss'])

    def test_both_engines(self):
        for engine in ('tile', 'clblast'):
            self.ok('fit', 'mlp', self.pair, '--gemm', engine, '--epochs', 12, '-o', self.model, '--seed', 5,
                    '--verbose', 0, env={'KILN_TUNE': 'off'})
            self.assertGreater(self.ok('evaluate', self.model, self.pair, '--json').json()['accuracy'], 0.9)


class Arrays(Case):
    def test_npz_and_npy(self):
        x, y = blobs(90)
        self.write('x.npy', npy((90, 4), x))
        self.write('y.npy', npy((90,), y, '<i8'))
        npz(self.path('d.npz'), x=npy((90, 4), x), y=npy((90,), y, '<i8'))
        npz(self.path('parts.npz'), x_train=npy((90, 4), x), y_train=npy((90,), y, '<i8'),
            x_test=npy((3, 4), x[:12]), y_test=npy((3,), y[:3], '<i8'))
        model = self.path('m.keras')
        for source in (self.path('x.npy') + ',' + self.path('y.npy'), self.path('d.npz'), self.path('parts.npz')):
            self.ok('fit', 'tabular', source, '--epochs', 30, '-o', model, '--verbose', 0)
            self.assertGreater(self.ok('evaluate', model, source, '--json').json()['accuracy'], 0.9)
        out = self.path('p.npy')
        self.ok('predict', model, self.path('parts.npz'), '-o', out)
        with open(out, 'rb') as file:
            self.assertEqual(read_npy(file.read())[0], (3, 3))
        self.ok('predict', model, self.path('x.npy'))

    def test_split_takes_the_last_part(self):
        x, y = blobs(90)
        data = npz(self.path('d.npz'), x=npy((90, 4), x), y=npy((90,), y, '<i8'))
        done = self.ok('fit', 'tabular', data, '--validation-split', 0.2)
        self.assertIn('validation: 18 of 90 samples, the last ones', done.out)
        self.assertIn('val_loss', done.out)

    def test_one_hot_targets(self):
        x, y = blobs(90)
        hot = [float(j == label) for label in y for j in range(3)]
        data = npz(self.path('d.npz'), x=npy((90, 4), x), y=npy((90, 3), hot))
        done = self.ok('fit', 'tabular', data, '--epochs', 30)
        self.assertIn('loss: categorical_crossentropy from logits', done.out)


class Several(Case):
    """A model of Keras's with two inputs and two outputs, and arrays by name."""

    def test_fit_and_predict(self):
        two = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fixtures', 'two.json')
        x, _ = blobs(60)
        place = [x[4 * i + j] for i in range(60) for j in range(2)]
        size = [x[4 * i] - x[4 * i + 3] for i in range(60)]
        data = npz(self.path('d.npz'), size=npy((60, 1), size), right=npy((60, 4), x), left=npy((60, 4), x),
                   place=npy((60, 2), place))
        model, out = self.path('m.keras'), self.path('out.npz')
        self.ok('fit', two, data, '--epochs', 60, '--learning-rate', 0.02, '-o', model, '--verbose', 2)
        figures = self.ok('evaluate', model, data, '--json').json()
        self.assertEqual(sorted(figures), ['loss', 'place_loss', 'place_mae', 'size_loss', 'size_mae'])
        self.assertLess(figures['place_mae'], 0.5)
        self.ok('predict', model, data, '-o', out)
        with zipfile.ZipFile(out) as z:
            self.assertEqual(sorted(z.namelist()), ['place.npy', 'size.npy'])
            shape, values = read_npy(z.read('place.npy'))
        self.assertEqual(shape, (60, 2))
        self.assertLess(sum(abs(a - b) for a, b in zip(values, place)) / 120, 0.5)
        table = self.path('out.csv')
        self.ok('predict', model, data, '-o', table)
        with open(table, encoding='utf-8') as file:
            self.assertEqual(file.readline().strip(), 'place_0,place_1,size')
        self.fails('predict', model, data, '-o', self.path('o.npy'), says=['2 outputs', '.npz'])
        done = self.ok('fit', two, data, '--loss', 'size=huber,place=mse', '--loss-weights', 'size=0.5,place=1', '-o', model,
                       '--verbose', 2)
        self.assertIn('size: loss: huber (as asked for)', done.out)
        first = self.ok('evaluate', model, data, '--json').json()
        self.assertAlmostEqual(first['loss'], first['place_loss'] + 0.5 * first['size_loss'], 4)
        self.ok('fit', two, data, '--loss', 'place=mse', '-o', model, '--verbose', 0)
        only = self.ok('evaluate', model, data, '--json').json()
        self.assertEqual(sorted(only), ['loss', 'place_mae'])
        fit = ['fit', two, data, '--verbose', 0]
        self.fails(*fit, '--loss', 'mse,huber,mae', says=['--loss', '3', '2 outputs'])
        self.fails(*fit, '--loss', 'plaice=mse', says=['--loss', 'plaice', 'did you mean "place"'])
        self.fails(*fit, '--loss', 'mse,place=mse', says=['--loss', 'name all of them or none'])
        self.fails(*fit, '--loss', 'place=mse,place=mae', says=['--loss', 'place comes twice'])
        self.fails(*fit, '--loss-weights', 'place=much', says=['--loss-weights', 'much'])
        self.fails(*fit, '--loss-weights', '1', says=['--loss-weights', '2 outputs'])
        part = npz(self.path('part.npz'), left=npy((60, 4), x))
        self.fails('predict', model, part, says='right')


class Interrupt(Case):
    def test_fit_ends_with_130_and_saves(self):
        model, history = self.path('m.keras'), self.path('h.json')
        process = subprocess.Popen([KILN, 'fit', 'mlp', 'digits', '--epochs', '100000', '-o', model, '--history',
                                    history, '--verbose', '2'], env=environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith('Epoch 2/'):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        out, err = process.communicate(timeout=120)
        self.assertLess(time.monotonic() - asked, 60)
        self.assertEqual(process.returncode, 130, out + err)
        self.assertIn('Interrupted after', out)
        self.assertNotIn('kiln: ', err)
        with open(history, encoding='utf-8') as file:
            self.assertGreaterEqual(len(json.load(file)['loss']), 1)
        self.assertGreater(self.ok('evaluate', model, 'digits', '--json').json()['accuracy'], 0.7)


    def test_a_failure_after_it_ends_with_130(self):
        """What a driver compiles with dies of Ctrl-C, too; here a queue that stands still fails after it."""
        process = subprocess.Popen([KILN, 'fit', 'mlp', 'digits', '--epochs', '100', '--verbose', '2'],
                                   env=environment({'KILN_DEBUG': 'hang:clEnqueueNDRangeKernel:1,timeout:6'}),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in process.stdout:
            if line.startswith('Epoch 1/'):
                break
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130, out + err)
        self.assertIn('kiln: ', err)


    def test_ending_a_check_is_no_fault_of_the_device(self):
        """The check before a first use is ended from outside: neither that nor, once, a kill counts against the device."""
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)):
            env = {'KILN_CACHE_DIR': self.path('cache%d' % number), 'KILN_CHECK': None}
            process = subprocess.Popen([KILN, 'fit', 'mlp-tiny', 'digits', '--verbose', '0'], env=environment(env),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while process.poll() is None and not glob.glob(env['KILN_CACHE_DIR'] + '/checks/*.running'):
                time.sleep(0.001)
            process.send_signal(number)
            _, err = process.communicate(timeout=120)
            if process.returncode == 0: # it was through
                continue
            self.assertEqual(process.returncode, code, err)
            left = glob.glob(env['KILN_CACHE_DIR'] + '/checks/*.running')
            self.assertEqual(len(left), 1 if number == signal.SIGKILL else 0)
            done = self.ok('fit', 'mlp-tiny', 'digits', '--verbose', 0, env=env)
            self.assertEqual(done.err, '')
            record, = glob.glob(env['KILN_CACHE_DIR'] + '/checks/*')
            with open(record, encoding='utf-8') as file:
                self.assertIn('\nverdict: as planned\n', file.read())


class Looking(Case):
    def test_summary(self):
        out = self.ok('summary', 'mlp', '--batch-size', 64).out
        self.assertIn('101,770', out)
        self.assertIn('Training at batch size 64 on', out)
        self.assertRegex(out, r'\d+ launches a step, products by (tile|clblast)')

    def test_bench(self):
        figures = self.ok('bench', '--steps', 60, '--json').json()
        for name in ('network', 'device', 'driver', 'gemm', 'batch_size', 'steps', 'first_step_s', 'best_ms_per_step',
                     'median_ms_per_step', 'samples_per_second', 'gflops', 'device_memory_bytes', 'peak_rss_bytes'):
            self.assertIn(name, figures)
        self.assertEqual((figures['network'], figures['batch_size']), ('mlp', 32))
        self.assertGreaterEqual(figures['steps'], 50)
        self.assertGreater(figures['best_ms_per_step'], 0)
        self.assertGreaterEqual(figures['median_ms_per_step'], figures['best_ms_per_step'])
        self.assertGreaterEqual(figures['window'] * figures['median_ms_per_step'], 50)
        self.assertNotIn('peaks', figures)
        text = self.ok('bench', 'tabular', '--steps', 60, '--batch-size', 16).out
        self.assertIn('tabular at batch size 16', text)

    def test_peaks(self):
        peaks = self.ok('bench', 'tabular', '--steps', 50, '--peaks', '--json').json()['peaks']
        for name in ('fma_gflops', 'copy_gbytes_per_second', 'launch_us'):
            self.assertGreater(peaks[name], 0)

    def test_profile(self):
        data = self.write('d.csv', csv_text(120))
        rows = self.ok('profile', 'tabular', data, '--steps', 20, '--json').json()
        self.assertGreater(len(rows), 0)
        for row in rows:
            self.assertGreaterEqual(row['calls'], 1)
            self.assertGreaterEqual(row['seconds'], 0)
        text = self.ok('profile', 'tabular', data, '--steps', 20).out
        self.assertEqual(text.splitlines()[0].split(),
                         ['kernel', 'shape', 'calls', 'ms', 'us', 'a', 'call', 'GFLOP/s', 'GB/s', 'share'])
        self.assertRegex(text, r'matmul.*  dense(_\d+)? \d+ x \d+ x \d+ +20 ')
        self.assertTrue(all(re.search(r' (x \d+|items)$', row['shape']) for row in rows if row['kernel'] != 'tail'), rows)
        shares = [float(share) for share in re.findall(r'(\d+\.\d)%$', text, re.MULTILINE)]
        self.assertAlmostEqual(sum(shares), 100, delta=1)
        # The time line: launches in order, each with a bar at its place.
        whole = float(re.search(r'(?m)^one step, the shortest of the last ones: (\S+) us, \d+ % of it in launches$', text).group(1))
        lines = re.findall(r'(?m)^ *(\d+\.\d) +(\d+\.\d)  \|(.{40})\|  (\S.*)$', text)
        self.assertGreater(len(lines), 1)
        end = 0
        for start, length, bar, name in lines:
            self.assertRegex(bar, '^ *#+ *$')
            self.assertGreaterEqual(float(start), end - 0.2)
            end = float(start) + float(length)
            self.assertAlmostEqual(bar.index('#'), 40 * float(start) / whole, delta=1.5)
        self.assertAlmostEqual(end, whole, delta=0.2)

    def test_profile_counts_clblast(self):
        data = self.write('d.csv', csv_text(120))
        rows = self.ok('profile', 'tabular', data, '--steps', 10, '--json', '--gemm', 'clblast').json()
        products = [row for row in rows if re.search(r'dense.* x ', row['shape'])]
        self.assertGreater(len(products), 4)
        for row in products:
            self.assertEqual(row['calls'] % 10, 0)
            self.assertGreater(row['seconds'], 0)
            self.assertGreater(row['flops'], 0)


if __name__ == '__main__':
    main()
