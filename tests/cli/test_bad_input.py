#!/usr/bin/env python3
"""Bad input of every kind: one clear line, exit 1, nothing half-written."""
import json
import os
import random
import signal
import struct
import subprocess
import time
import zipfile

from support import KILN, Case, blobs, csv_text, environment, gz, idx, kiln, main, npy, npz


class IdxFiles(Case):
    def bad(self, images, labels, *says):
        a = images if isinstance(images, str) else self.write('images', images)
        b = labels if isinstance(labels, str) else self.write('labels', labels)
        self.fails('fit', 'mlp', a + ',' + b, says=says)

    def test_files(self):
        images, labels = idx((3, 28, 28), [0] * 3 * 784), idx((3,), [0, 1, 2])
        self.bad(images[:100], labels, 'images')
        self.bad(images + b'x', labels, 'images')
        self.bad(b'\0\0\7\3' + images[4:], labels, 'images')
        self.bad(b'', labels, 'images')
        self.bad(images, labels[:-1], 'labels')
        self.bad(images, idx((4,), [0, 1, 2, 3]), '3', '4')
        self.bad(struct.pack('>IIII', 0x803, 0xffffffff, 28, 28), labels, 'images')
        self.bad(gz(images)[:-30], labels, 'images')
        self.bad(gz(images)[:40] + b'\xff' * 40 + gz(images)[80:], labels, 'images')
        self.bad(b'\x1f\x8bnot gzip at all', labels, 'images')
        self.bad(self.path('missing'), labels, 'missing')

    def test_labels_outside_the_classes(self):
        self.bad(idx((3, 28, 28), [0] * 3 * 784), idx((3,), [0, 1, 10]), '10')

    def test_every_cut_and_count(self):
        images, labels = idx((3, 28, 28), [0] * 3 * 784), idx((3,), [0, 1, 2])
        for length in (1, 3, 4, 7, 15, 16, 17, len(images) - 1):
            self.bad(images[:length], labels, 'images')
        self.bad(images + b'\0' * 784, labels, 'images')
        self.bad(idx((2, 28, 28), [0] * 2 * 784) + b'\0', labels, 'images')
        self.bad(struct.pack('>IIII', 0x803, 0x7fffffff, 0x7fffffff, 0x7fffffff), labels, 'images')
        self.bad(images, labels + b'\0', 'labels')
        self.bad(images, b'\0\0\x0d\1' + labels[4:], 'labels')
        self.bad(b'<html>404</html>', labels, 'images')

    def test_size_of_the_images(self):
        self.bad(idx((3, 20, 20), [0] * 1200), idx((3,), [0, 1, 2]), '(28, 28)', '(20, 20)')


class Arrays(Case):
    def bad(self, content, *says):
        path = self.write('x.npy', content)
        labels = self.write('y.npy', npy((3,), [0, 1, 2], '<i4'))
        self.fails('fit', 'tabular', path + ',' + labels, says=('x.npy',) + says)

    def header(self, text):
        text += ' ' * (-(len(text) + 11) % 64) + '\n'
        return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode()

    def test_npy(self):
        good = npy((3, 2), [1, 2, 3, 4, 5, 6])
        self.bad(good[:-4])
        self.bad(good[:30])
        self.bad(self.header("{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000, 4000000000), }"))
        self.bad(self.header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2), }"))
        self.bad(self.header("{'descr': '|O', 'fortran_order': False, 'shape': (3, 2), }") + b'\0' * 24, 'object')
        self.bad(self.header("{'descr': '<c8', 'fortran_order': False, 'shape': (3, 2), }") + b'\0' * 48)
        self.bad(self.header("{'shape': (3, 2), }") + b'\0' * 24)
        self.bad(self.header("nonsense") + b'\0' * 24)

    def test_counts_differ(self):
        x, y = self.write('x.npy', npy((3, 2), [1] * 6)), self.write('y.npy', npy((4,), [0] * 4, '<i4'))
        self.fails('fit', 'tabular', x + ',' + y, says=['3', '4'])

    def test_npz(self):
        path = npz(self.path('d.npz'), x=npy((3, 2), [1] * 6))
        self.fails('fit', 'tabular', path, says='d.npz')
        with open(path, 'rb') as file:
            whole = file.read()
        self.fails('fit', 'tabular', self.write('cut.npz', whole[:len(whole) // 2]), says='cut.npz')
        self.fails('fit', 'tabular', npz(self.path('odd.npz'), one=npy((3,), [1] * 3), two=npy((4,), [1] * 4)),
                   says='odd.npz')

    def test_labels_outside_the_classes(self):
        x, y = self.write('x.npy', npy((3, 28, 28), [0] * 3 * 784)), self.write('y.npy', npy((3,), [0, -1, 2], '<i4'))
        self.fails('fit', 'mlp', x + ',' + y, says='-1')


class Tables(Case):
    def bad(self, text, *says, name='d.csv', more=()):
        self.fails('fit', 'tabular', self.write(name, text), *more, says=(name,) + says)

    def test_csv(self):
        self.bad('a,b,c\n1,2,x\n3,4\n', 'line 3', '2 columns', '3')
        self.bad('a,b,c\n1,,x\n3,4,y\n', 'line 2', 'column 2', 'empty')
        self.bad('a,b,c\n1,zz,x\n3,4,y\n', 'line 2', "'zz'", 'number')
        self.bad('', 'empty')
        self.bad('a,b,c\n', 'd.csv')
        self.bad('1\n2\n3\n', 'd.csv')
        self.bad('a,b,c\n1,2,x\n', "'colour'", more=['--label', 'colour'])
        self.bad('a,b,c\n1,2,x\n', '7', more=['--label', '7'])
        self.bad('a,b,c\n1,"2,x\n', 'd.csv')
        self.bad('a,b,c\n1,1e999,x\n', 'line 2')

    def test_labels_outside_the_classes(self):
        data = self.write('d.csv', '1,2,3,4,0\n2,3,4,5,7\n3,4,5,6,1\n')
        model = self.path('m.json')
        with open(model, 'w', encoding='utf-8') as file:
            json.dump({'class_name': 'Sequential', 'config': {'name': 's', 'layers': [
                {'class_name': 'InputLayer', 'config': {'name': 'in', 'batch_shape': [None, 4]}},
                {'class_name': 'Dense', 'config': {'name': 'out', 'units': 3}}]}}, file)
        self.fails('fit', model, data, '--loss', 'sparse_categorical_crossentropy', '--verbose', 0,
                   says=['d.csv', 'label', 'out'])

    def test_classes_the_model_does_not_know(self):
        model = self.path('m.keras')
        self.ok('fit', 'tabular', self.write('t.csv', csv_text(60)), '-o', model, '--verbose', 0)
        other = self.write('o.csv', csv_text(60, names=('cat', 'dog', 'newt')))
        self.fails('evaluate', model, other, says=['o.csv', 'newt'])

    def test_columns_do_not_fit_the_model(self):
        model = self.path('m.keras')
        self.ok('fit', 'tabular', self.write('t.csv', csv_text(60)), '-o', model, '--verbose', 0)
        wide = self.write('w.csv', '1,2,3,4,5,6,cat\n' * 4)
        self.fails('evaluate', model, wide, says=['(4,)', '(6,)'])


class Models(Case):
    def setUp(self):
        super().setUp()
        self.data = self.write('d.csv', csv_text(60))

    def json_model(self, layers, **more):
        model = {'class_name': 'Sequential', 'config': {'name': 's', 'layers': layers}}
        model.update(more)
        return self.write('m.json', json.dumps(model))

    def layer(self, class_name, **config):
        return {'module': 'keras.layers', 'class_name': class_name, 'config': config}

    def bad(self, layers, *says):
        path = self.json_model(layers)
        self.fails('summary', path, says=('m.json',) + says)
        self.fails('fit', path, self.data, says=('m.json',) + says)

    def test_json(self):
        start = self.layer('InputLayer', batch_shape=[None, 4], name='in')
        self.bad([start, self.layer('Blur', units=3)], 'Blur')
        self.bad([start, self.layer('Dense', units=3, activation='relux')], 'relux')
        self.bad([start, self.layer('Dense', units=3, colour='red')], 'colour')
        self.bad([start, self.layer('Dense', units='three')], 'units')
        self.bad([start, self.layer('Dense', units=-3)], 'units')
        self.bad([start, self.layer('Dense')], 'units')
        self.bad([start, self.layer('Dropout', rate=2)], 'rate')
        self.bad([start, self.layer('Reshape', target_shape=[3, 3])], '(3, 3)')
        self.bad([start, self.layer('Dense', units=3, kernel_initializer='wild')], 'wild')
        self.bad([])

    def test_files(self):
        for name, content in (('junk.json', b'{"a": '), ('text.keras', b'hello'), ('nothing.keras', b''),
                              ('list.json', b'[1, 2]'), ('zip.keras', b'PK\3\4' + b'x' * 200)):
            path = self.write(name, content)
            for words in (['summary', path], ['fit', path, self.data], ['evaluate', path, self.data],
                          ['predict', path, self.data]):
                self.fails(*words, says=name)
        self.fails('summary', self.folder, says=self.folder)
        self.fails('summary', 'nosuchmodel', says=['nosuchmodel', 'kiln new'])
        self.fails('summary', self.path('gone.keras'), says='gone.keras')

    def test_shapes_do_not_fit(self):
        self.fails('fit', 'mlp', self.data, says=['layer input_layer', '(28, 28)', '(4,)'])

    def test_damaged_model(self):
        model = self.path('m.keras')
        self.ok('fit', 'tabular', self.data, '-o', model, '--verbose', 0)
        with open(model, 'rb') as file:
            whole = file.read()
        draw = random.Random(1)
        for trial in range(12):
            damaged = bytearray(whole)
            for _ in range(1 + trial):
                damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
            done = kiln('predict', self.write('damaged.keras', bytes(damaged)), self.data)
            self.assertIn(done.code, (0, 1), done)
        self.fails('predict', self.write('half.keras', whole[:len(whole) // 2]), self.data, says='half.keras')
        with zipfile.ZipFile(model) as old, zipfile.ZipFile(self.path('bare.keras'), 'w') as new:
            for name in old.namelist():
                if name != 'config.json':
                    new.writestr(name, old.read(name))
        self.fails('predict', self.path('bare.keras'), self.data, says=['bare.keras', 'config.json'])


class Names(Case):
    def test_words_of_options(self):
        data = self.write('d.csv', csv_text(60))
        fit = ['fit', 'tabular', data]
        self.fails(*fit, '--loss', 'foo', says=['"foo"', 'mean_squared_error'])
        self.fails(*fit, '--metrics', 'foo', says=['"foo"', 'accuracy'])
        self.fails(*fit, '--metrics', 'accuracy,,auc', says='--metrics')
        self.fails(*fit, '--optimizer', 'foo', says=["'foo'", 'adam'])
        self.fails(*fit, '--optimizer', 'sgd(beta_1=0.9)', says=['"sgd"', '"beta_1"'])
        self.fails(*fit, '--optimizer', 'adam(momentum=0.9)', says=['"adam"', '"momentum"'])
        self.fails(*fit, '--optimizer', 'sgd(momentum=much)', says=['momentum', 'number'])
        self.fails(*fit, '--optimizer', 'sgd(momentum=0.9', says='--optimizer')
        self.fails(*fit, '--schedule', 'foo', says=["'foo'", 'cosine'])
        self.fails(*fit, '--schedule', 'cosine(foo=1)', says='foo')
        self.fails(*fit, '--schedule', 'cosine(', says='--schedule')
        self.fails(*fit, '--schedule', 'piecewise(1)', says='pairs')
        self.fails(*fit, '--device', 'nope', says=['"nope"', 'choose one'])
        self.fails(*fit, '--device', '99', says='"99"')
        self.fails(*fit, env={'KILN_DEVICE': 'nope'}, says='"nope"')
        self.fails(*fit, env={'KILN_GEMM': 'nope'}, says='nope')
        self.fails(*fit, env={'KILN_DEBUG': 'nope'}, says=['KILN_DEBUG', "'nope'"])
        self.fails('fit', 'tabular', 'nosuchdata', says=['nosuchdata', 'mnist'])


class Outputs(Case):
    def setUp(self):
        super().setUp()
        self.data = self.write('d.csv', csv_text(60))
        # Where no file may grow Kiln's own cache still finds the kernels; a driver's may have to write them.
        self.kept = {'KILN_DEBUG': 'program-cache'}

    def warm(self, model):
        """A small model; all kernels are in the cache then."""
        big = self.write('big.csv', csv_text(900))
        self.ok('fit', 'tabular', self.data, '-o', model, '--verbose', 0, env=self.kept)
        self.ok('predict', model, big, '-o', self.path('warm.npy'), env=self.kept)
        os.remove(self.path('warm.npy'))
        return big

    def test_found_before_training(self):
        missing = self.path('missing/x')
        for option in ('-o', '--history', '--csv-log'):
            begun = time.monotonic()
            self.fails('fit', 'tabular', self.data, '--epochs', 1000000, option, missing, says='missing/x')
            self.assertLess(time.monotonic() - begun, 30)
        self.fails('fit', 'tabular', self.data, '-o', self.folder, says=self.folder)
        self.fails('predict', 'tabular', self.data, '-o', self.path('missing/x.npy'), says='missing/x.npy')

    def test_old_file_survives(self):
        model = self.path('m.keras')
        os.remove(self.warm(model))
        with open(model, 'rb') as file:
            before = file.read()
        # A limit on the size of files stands in for a full disk.
        small = 'ulimit -f 1; exec "$@"'
        done = subprocess.run(['bash', '-c', 'trap "" XFSZ; ' + small, 'sh', KILN, 'fit', 'tabular', self.data, '-o',
                               model, '--verbose', '0'], env=environment(self.kept), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn('m.keras', done.stderr.splitlines()[-1])
        with open(model, 'rb') as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(sorted(os.listdir(self.folder)), ['d.csv', 'm.keras'])


    def on_a_full_disk(self, *words):
        """Runs where no file may grow beyond half a kilobyte: stands in for a full disk."""
        script = 'trap "" XFSZ; ulimit -f 1; exec "$@"'
        return subprocess.run(['bash', '-c', script, 'sh', KILN] + [str(word) for word in words], env=environment(self.kept),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_full_disk(self):
        model = self.path('m.keras')
        big = self.warm(model)
        for name, words in (('scores.npy', ['predict', model, big, '-o']),
                            ('scores.npz', ['predict', model, big, '-o']),
                            ('scores.csv', ['predict', model, big, '-o']),
                            ('history.json', ['fit', 'tabular', self.data, '--epochs', 60, '--verbose', 0,
                                              '--history'])):
            path = self.write(name, 'old')
            done = self.on_a_full_disk(*words, path)
            with self.subTest(name=name):
                self.assertEqual(done.returncode, 1, done)
                self.assertRegex(done.stderr.splitlines()[-1], r'^kiln: .*%s.*: .*; ' % name)
                with open(path, 'rb') as file:
                    self.assertEqual(file.read(), b'old')
        log = self.path('log.csv')
        done = self.on_a_full_disk('fit', 'tabular', self.data, '--epochs', 200, '--verbose', 0, '--csv-log', log)
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr.splitlines()[-1], r'^kiln: .*log\.csv.*: .*; ')
        self.assertEqual([name for name in os.listdir(self.folder) if name.endswith('.part')], [])

    def test_killed_while_writing(self):
        """The signal comes in the middle of a write, with a kilobyte written: the file is what it was."""
        model = self.path('m.keras')
        big = self.warm(model)
        for name, words in (('new.keras', ['convert', model]), ('new.weights.h5', ['convert', model]),
                            ('new.safetensors', ['convert', model]), ('new.npz', ['convert', model]),
                            ('new.json', ['convert', model]), ('made.json', ['new', 'mobilenet_small', '-o']),
                            ('net.svg', ['plot', model, '-o']),
                            ('scores.npy', ['predict', model, big, '-o']),
                            ('scores.npz', ['predict', model, big, '-o']),
                            ('scores.csv', ['predict', model, big, '-o']),
                            ('trained.keras', ['fit', 'tabular', self.data, '--verbose', 0, '-o']),
                            ('kept.keras', ['fit', 'tabular', self.data, '--verbose', 0, '--checkpoint']),
                            ('history.json', ['fit', 'tabular', self.data, '--epochs', 60, '--verbose', 0,
                                              '--history'])):
            path = self.path(name)
            if name == 'kept.keras':
                self.ok(*words, path, env=self.kept)
                with open(path, 'rb') as file:
                    old = file.read()
                words = ['fit', 'tabular', self.data, '--epochs', 2, '--resume', '--verbose', 0, '--checkpoint']
            else:
                old = self.write(name, 'old') and b'old'
            with self.subTest(name=name):
                done = subprocess.run(['bash', '-c', 'ulimit -c 0; ulimit -f 1; exec "$@"', 'sh', KILN] +
                                      [str(word) for word in words + [path]], env=environment(self.kept),
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                # Some drivers have the signal ignored: then the write fails, which leaves nothing behind.
                killed = done.returncode == -signal.SIGXFSZ
                if not killed:
                    self.assertEqual(done.returncode, 1, done)
                    self.assertIn('File too large', done.stderr)
                with open(path, 'rb') as file:
                    self.assertEqual(file.read(), old)
                parts = [part for part in os.listdir(self.folder) if part.startswith(name) and part.endswith('.part')]
                self.assertEqual(len(parts), 1 if killed else 0, parts)


class Devices(Case):
    def setUp(self):
        super().setUp()
        self.data = self.write('d.csv', csv_text(60))
        self.fit = ['fit', 'tabular', self.data, '--verbose', 0, '-o', self.path('m.keras')]
        self.ok(*self.fit)  # kernels are compiled now
        os.remove(self.path('m.keras'))

    def test_none(self):
        self.fails(*self.fit, env={'OCL_ICD_VENDORS': self.path('none')}, says='no OpenCL device')

    def test_a_platform_that_fails_is_skipped(self):
        vendors = '/etc/OpenCL/vendors'
        environment = {'OCL_ICD_VENDORS': vendors, 'RUSTICL_ENABLE': 'llvmpipe',
                       'ASAN_OPTIONS': 'allocator_may_return_null=1:detect_leaks=0'}  # those of drivers without a name in the report
        whole = kiln('devices', '--json', env=environment)
        platforms = {device['platform'] for device in whole.json()}
        if len(platforms) < 2:
            self.skipTest('there is only one platform with devices')
        lost = kiln('devices', '--json', env=dict(environment, KILN_DEBUG='fail:clGetDeviceIDs:1'))
        self.assertEqual(lost.code, 0, lost)
        left = {device['platform'] for device in lost.json()}
        first = whole.json()[0]['platform']
        self.assertIn(first + ': its devices cannot be listed (CL_OUT_OF_RESOURCES)', lost.err)
        self.assertEqual(left, platforms - {first})

    def test_rules_without_sense(self):
        self.fails(*self.fit, env={'KILN_DEBUG': 'fail:clFinsh:1'}, says=['clFinsh', 'the calls are clGetPlatformIDs'])
        self.fails(*self.fit, env={'KILN_DEBUG': 'hang:clCreateBuffer:1'}, says='clEnqueueNDRangeKernel')

    def test_too_small(self):
        self.fails(*self.fit, env={'KILN_DEBUG': 'limits:memory:4000'}, says=['3.9 KiB', 'batch'])
        self.fails('fit', 'mlp1024', 'digits', '--batch-size', 10000, '--verbose', 0,
                   env={'KILN_DEBUG': 'limits:memory:90000000'},
                   says=['plan "train"', 'MB for activations', 'left of 90.0', 'smaller batch'])
        self.fails(*self.fit, env={'KILN_DEBUG': 'limits:allocation:1000'}, says='largest single allocation')

    def test_failing(self):
        ran = 0
        for call in ('clFinish', 'clEnqueueNDRangeKernel', 'clCreateBuffer', 'clBuildProgram', 'clCreateContext',
                     'clCreateCommandQueue', 'clEnqueueReadBuffer', 'clEnqueueWriteBuffer', 'clCreateKernel'):
            for number in (1, 3):
                done = kiln(*self.fit, env={'KILN_DEBUG': 'fail:%s:%d' % (call, number)})
                ran += done.code != 0
                if done.code == 0:  # there was no such call
                    os.remove(self.path('m.keras'))
                    continue
                with self.subTest(call=call, number=number):
                    self.fails(*self.fit, env={'KILN_DEBUG': 'fail:%s:%d' % (call, number)}, says=[call, 'CL_'])
                    self.assertFalse(os.path.exists(self.path('m.keras')))
        self.assertGreater(ran, 6)

    def test_failing_products_of_clblast(self):
        x, y = blobs(64, 128)
        data = npz(self.path('d.npz'), x=npy((64, 128), x), y=npy((64,), y, '<i4'))
        model = self.path('wide.json')
        with open(model, 'w', encoding='utf-8') as file:
            json.dump({'class_name': 'Sequential', 'config': {'name': 's', 'layers': [
                {'class_name': 'InputLayer', 'config': {'name': 'in', 'batch_shape': [None, 128]}},
                {'class_name': 'Dense', 'config': {'name': 'out', 'units': 3}}]}}, file)
        self.fails('fit', model, data, '--gemm', 'clblast', '--verbose', 0,
                   env={'KILN_DEBUG': 'fail:CLBlastSgemm:2'}, says=['CLBlast', 'CL_OUT_OF_RESOURCES'])
        self.fails('fit', model, data, '--gemm', 'clblast', '--verbose', 0,
                   env={'KILN_DEBUG': 'hang:CLBlastSgemm:2,timeout:1'}, says='lost')

    def test_vanishing(self):
        self.fails(*self.fit, env={'KILN_DEBUG': 'vanish:clFinish:2'}, says='lost')

    def test_hanging(self):
        begun = time.monotonic()
        for call in ('clFinish', 'clEnqueueNDRangeKernel', 'clEnqueueReadBuffer', 'clEnqueueWriteBuffer', 'clFlush'):
            self.fails(*self.fit, env={'KILN_DEBUG': 'hang:%s:2,timeout:1' % call}, says=['lost', '1 second'])
            self.assertFalse(os.path.exists(self.path('m.keras')))
        self.assertLess(time.monotonic() - begun, 60)


class Numbers(Case):
    def setUp(self):
        super().setUp()
        x, y = blobs(90)
        self.data = npz(self.path('d.npz'), x=npy((90, 4), x), y=npy((90,), [1e30 * v for v in range(90)]))

    def test_nan_names_the_step(self):
        line = self.fails('fit', 'tabular', self.data, '--verbose', 0, '--epochs', 50, '--loss', 'mse',
                          '--optimizer', 'sgd', '--learning-rate', 1e10, '-o', self.path('m.keras'))
        self.assertRegex(line, r'not finite at step \d+ of epoch \d+, and the first layer whose weights are not finite any more is '
                               r'dense\w*; .* \(--check-numerics finds where it begins\)')
        self.assertFalse(os.path.exists(self.path('m.keras')))

    def test_check_numerics_names_the_launch(self):
        line = self.fails('fit', 'tabular', self.data, '--verbose', 0, '--epochs', 50, '--loss', 'mse',
                          '--optimizer', 'sgd', '--learning-rate', 1e10, '--check-numerics')
        self.assertRegex(line, r'the first result that is not finite is that of launch \d+ \(\w+.*\) of (layer \w+|the loss)')

    def test_the_loss_is_told_from_the_layer_before_it(self):
        """Squares that are too large begin in the loss; a bias that is too much, in its layer, whatever one kernel joins."""
        huge = {'class_name': 'Constant', 'config': {'value': 3e38}}
        for kernel, y, says in (('zeros', 1e30, r' of the loss;'), (huge, 1, r' of layer back( up to the loss)?;')):
            model = self.path('m.json')
            with open(model, 'w', encoding='utf-8') as file:
                json.dump({'class_name': 'Sequential', 'config': {'name': 's', 'layers': [
                    {'class_name': 'InputLayer', 'config': {'name': 'in', 'batch_shape': [None, 1]}},
                    {'class_name': 'Dense', 'config': {'name': 'back', 'units': 1, 'kernel_initializer': kernel,
                                                       'bias_initializer': kernel}}]}}, file)
            data = npz(self.path('d.npz'), x=npy((40, 1), [1] * 40), y=npy((40,), [y + 0.5] * 40))
            line = self.fails('fit', model, data, '--loss', 'mse', '--verbose', 0, '--check-numerics')
            self.assertRegex(line, says)

    def test_bad_data_are_found_in_the_first_layer(self):
        x, y = blobs(60)
        x[4 * 37 + 1] = float('nan')
        data = npz(self.path('nan.npz'), x=npy((60, 4), x), y=npy((60,), y, '<i4'))
        model = self.path('m.json')
        with open(model, 'w', encoding='utf-8') as file:
            json.dump({'class_name': 'Sequential', 'config': {'name': 's', 'layers': [
                {'class_name': 'InputLayer', 'config': {'name': 'in', 'batch_shape': [None, 4]}},
                {'class_name': 'Dense', 'config': {'name': 'front', 'units': 8, 'activation': 'relu'}},
                {'class_name': 'Dense', 'config': {'name': 'back', 'units': 3}}]}}, file)
        line = self.fails('fit', model, data, '--batch-size', 60, '--verbose', 0, '--check-numerics')
        self.assertRegex(line, r'not finite at step 1 of epoch 1, .* launch 1 \(.*\) of layer (front|data), .* data')


if __name__ == '__main__':
    main()
