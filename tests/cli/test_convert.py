#!/usr/bin/env python3
"""Models and weights in every format: those that Keras wrote (fixtures/saved), kiln convert, and files that are wrong."""
import json
import os
import shutil
import struct
import sys
import zipfile

from support import KILN, Case, environment, kiln, main, npy, npz, read_npy

SAVED = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fixtures', 'saved')


def saved(name):
    return os.path.join(SAVED, name)


def facts(name):
    with open(saved(name + '.json'), encoding='utf-8') as file:
        return json.load(file)


def tensors(path):
    """The header of a safetensors file, and its tensors."""
    with open(path, 'rb') as file:
        data = file.read()
    length = struct.unpack('<Q', data[:8])[0]
    header, data = json.loads(data[8:8 + length]), data[8 + length:]
    return {name: (about['shape'], struct.unpack('<%df' % ((about['data_offsets'][1] - about['data_offsets'][0]) // 4),
                                                 data[about['data_offsets'][0]:about['data_offsets'][1]]))
            for name, about in header.items()}


class Files(Case):
    def data(self, name):
        known = facts(name)
        return npz(self.path(name + '.npz'), x=npy((6, 3), known['x']), y=npy((6,), known['y'], '<i4'))

    def predict(self, model, data):
        self.ok('predict', model, data, '-o', self.path('p.npy'))
        with open(self.path('p.npy'), 'rb') as file:
            return read_npy(file.read())[1]

    def near(self, found, wanted, within=1e-5):
        self.assertEqual(len(found), len(wanted))
        for a, b in zip(found, wanted):
            self.assertLess(abs(a - b), within)


class Saved(Files):
    def test_files_of_the_working_folder_do_not_matter(self):
        for name in ('kiln', 'image', 'model.weights.h5'):
            self.write(name, 'no HDF5')
        self.ok('predict', saved('keras3.keras'), self.data('keras3'), cwd=self.folder)

    def test_predicts_and_trains_on(self):
        for file in ('keras3.keras', 'keras2.keras', 'keras2.h5'):
            with self.subTest(file=file):
                known = facts(file.split('.')[0])
                data = self.data(file.split('.')[0])
                self.near(self.predict(saved(file), data), known['predictions'])
                self.ok('fit', saved(file), data, '--batch-size', '6', '--epochs', '4', '--history', self.path('h.json'),
                        '--verbose', '0')
                with open(self.path('h.json'), encoding='utf-8') as history:
                    self.near(json.load(history)['loss'], known['loss'], 1e-4)

    def test_weights_of_keras(self):
        data = self.data('keras3')
        self.ok('convert', saved('keras3.keras'), self.path('m.json'))
        self.ok('convert', saved('keras3.weights.h5'), self.path('m.keras'), '--model', self.path('m.json'))
        self.near(self.predict(self.path('m.keras'), data), facts('keras3')['predictions'])


class Frames(Files):
    """Models within TimeDistributed."""
    def test_predicts_and_trains_on(self):
        known, trained = facts('frames'), self.path('trained.keras')
        data = npz(self.path('d.npz'), x=npy((6, 3, 4, 4, 1), known['x']), y=npy((6, 3), known['y'], '<i4'))
        self.near(self.predict(saved('frames.keras'), data), known['predictions'])
        self.ok('fit', saved('frames.keras'), data, '--batch-size', '6', '--epochs', '4', '--history', self.path('h.json'),
                '--verbose', '0', '-o', trained)
        with open(self.path('h.json'), encoding='utf-8') as history:
            self.near(json.load(history)['loss'], known['loss'], 1e-5)
        self.near(self.predict(trained, data), known['trained'], 1e-4)
        for weights in ('w.weights.h5', 'w.safetensors'):
            self.ok('convert', trained, self.path(weights))
            self.ok('convert', trained, self.path('m.json'))
            self.ok('convert', self.path(weights), self.path('again.keras'), '--model', self.path('m.json'))
            self.near(self.predict(self.path('again.keras'), data), known['trained'], 1e-4)
        # A model without a compile configuration: the loss is that of the activation within TimeDistributed.
        self.assertIn('the network ends in softmax', self.ok('fit', self.path('m.json'), data).out)


def constraints(layers):
    """By layer, as Keras's files have them."""
    found = {}
    for layer in layers:
        for key, value in layer['config'].items():
            if key.endswith('_constraint') and value:
                found[layer['config']['name'], key] = (value['class_name'], value['config'])
        inner = [layer['config'][key] for key in ('layer', 'backward_layer') if key in layer['config']]
        found.update(constraints(inner))
    return found


class Constrained(Files):
    """What weights are held to after each step."""
    def test_predicts_and_trains_on(self):
        known, model, trained = facts('constrained'), saved('constrained.keras'), self.path('trained.keras')
        data = npz(self.path('d.npz'), x=npy((6, 5, 5, 2), known['x']), y=npy((6, 2), known['y']))
        self.near(self.predict(model, data), known['predictions'])
        self.ok('summary', model)
        self.ok('fit', model, data, '--batch-size', '6', '--epochs', '4', '--history', self.path('h.json'), '--verbose', '0',
                '-o', trained)
        with open(self.path('h.json'), encoding='utf-8') as history:
            self.near(json.load(history)['loss'], known['loss'], 1e-4)
        self.near(self.predict(trained, data), known['trained'], 1e-4)
        configs = []
        for path in (model, trained):
            with zipfile.ZipFile(path) as archive:
                configs.append(constraints(json.loads(archive.read('config.json'))['config']['layers']))
        self.assertEqual(len(configs[0]), 15)
        for key, wanted in configs[0].items():
            self.assertEqual(configs[1][key], wanted, key)


class OpenAxis(Files):
    """A model of Keras for sequences of any length: Input((None, 3))."""
    def setUp(self):
        super().setUp()
        self.known = facts('open_figures')

    def data(self, figures, targets=False):
        rows, steps = self.known['rows'], figures['steps']
        arrays = {'x': npy((rows, steps, 3), figures['x'])}
        if targets:
            arrays['y'] = npy((rows, 2), figures['predictions'])
        return npz(self.path('d%d.npz' % steps), **arrays)

    def is_open(self, path):
        self.ok('convert', path, self.path('m.json'), '--sequence-length', '2')
        with open(self.path('m.json'), encoding='utf-8') as file:
            layers = json.load(file)['config']['layers']
        self.assertEqual(layers[0]['config']['batch_shape'], [None, None, 3])

    def test_the_data_say_the_length(self):
        for figures in self.known['lengths']:
            data = self.data(figures)
            self.near(self.predict(saved('open.keras'), data), figures['predictions'])
            self.ok('predict', saved('open.keras'), data, '--sequence-length', figures['steps'])
            out = self.ok('evaluate', saved('open.keras'), self.data(figures, True), '--json').json()
            self.assertLess(out['loss'], 1e-9)
        self.fails('predict', saved('open.keras'), data, '--sequence-length', '4', says=['(4, 3)', '(7, 3)'])

    def test_a_length_must_be_known(self):
        for command in (['summary', saved('open.keras')], ['plot', saved('open.keras')],
                        ['convert', saved('open.keras'), self.path('a.keras')]):
            self.fails(*command, says=['layer steps', 'axis 1 is open (None)', '--sequence-length N'])
            self.ok(*command, '--sequence-length', '6')
        self.assertIn('(None, 6, 3)', self.ok('summary', saved('open.keras'), '--sequence-length', '6').out)
        self.ok('summary', self.path('a.keras'))  # a file of Kiln's remembers it

    def test_it_stays_open(self):
        first, second = self.known['lengths']
        trained = self.path('trained.keras')
        self.ok('fit', saved('open.keras'), self.data(first, True), '--epochs', '1', '-o', trained, '--verbose', '0')
        self.is_open(trained)
        self.ok('fit', trained, self.data(second, True), '--epochs', '1', '-o', trained, '--verbose', '0')
        self.is_open(trained)
        copy = self.path('copy.keras')
        self.ok('convert', saved('open.keras'), copy, '--sequence-length', first['steps'])
        for figures in self.known['lengths']:
            self.near(self.predict(copy, self.data(figures)), figures['predictions'])

    def test_text(self):
        model = self.write('m.json', json.dumps({'class_name': 'Sequential', 'config': {'layers': [
            {'class_name': 'Embedding', 'config': {'input_dim': 8, 'output_dim': 3, 'batch_input_shape': [None, None],
                                                   'dtype': 'float32'}},
            {'class_name': 'GRU', 'config': {'units': 4, 'return_sequences': True}},
            {'class_name': 'Dense', 'config': {'units': 8}}]}}))
        book = self.write('book.txt', 'abc defg ' * 80)
        for more, length in (([], 64), (['--sequence-length', '12'], 12)):
            poet = self.path('poet.keras')
            self.ok('fit', model, book, '--task', 'generate', '--epochs', '1', '--verbose', '0', '-o', poet, *more)
            self.assertIn('(None, %d, 4)' % length, self.ok('summary', poet).out)
            self.ok('evaluate', poet, book)
            self.ok('evaluate', poet, book, '--sequence-length', '9')
            self.ok('generate', poet, '--prompt', 'abc', '--length', '5')


class Convert(Files):
    def setUp(self):
        super().setUp()
        self.model = saved('keras3.keras')
        self.known = facts('keras3')['predictions']
        self.input = self.data('keras3')

    def convert(self, source, target, *options):
        self.ok('convert', source, self.path(target), *options)
        return self.path(target)

    def test_there_and_back(self):
        json_file = self.convert(self.model, 'm.json')
        self.assertEqual(json.load(open(json_file, encoding='utf-8'))['class_name'], 'Sequential')
        whole = self.convert(self.model, 'w.keras')
        with zipfile.ZipFile(whole) as archive:
            self.assertEqual(archive.namelist(), ['metadata.json', 'config.json', 'model.weights.h5'])
            self.assertTrue(all(i.compress_type == zipfile.ZIP_STORED for i in archive.infolist()))
        first = self.predict(self.model, self.input)
        for kind in ('weights.h5', 'safetensors', 'npz'):
            with self.subTest(kind=kind):
                weights = self.convert(self.model, 'a.' + kind)
                again = self.convert(weights, kind + '.keras', '--model', json_file)
                self.assertEqual(self.predict(again, self.input), first)
        self.near(first, self.known)
        # The optimizer's state goes along where the format has a place for it.
        for source in (whole, self.path('a.weights.h5')):
            again = self.convert(source, 's.keras', *([] if source == whole else ['--model', self.model]))
            self.ok('fit', again, self.input, '--batch-size', '6', '--epochs', '4', '--history', self.path('h.json'),
                    '--verbose', '0')
            with open(self.path('h.json'), encoding='utf-8') as file:
                self.near(json.load(file)['loss'], facts('keras3')['loss'], 1e-4)

    def test_names(self):
        weights = tensors(self.convert(self.model, 'w.safetensors'))
        self.assertEqual({name: shape for name, (shape, _) in weights.items()},
                         {'first/kernel': [3, 4], 'first/bias': [4], 'dense/kernel': [4, 2], 'dense/bias': [2]})
        renamed = self.convert(self.path('w.safetensors'), 'w.npz')
        with zipfile.ZipFile(renamed) as archive:
            self.assertEqual(read_npy(archive.read('dense/bias.npy'))[1], weights['dense/bias'][1])
        self.assertEqual(tensors(self.convert(renamed, 'w2.safetensors')), weights)

    def test_what_cannot_be_converted(self):
        self.fails('convert', self.model, self.path('m.h5'), says=['m.h5', '.keras'])
        self.fails('convert', self.model, self.path('m'), says='its name says no format')
        self.fails('convert', saved('keras3.weights.h5'), self.path('m.npz'), says='--model')
        self.fails('convert', self.convert(self.model, 'm.json'), self.path('w.npz'), says=['m.json', 'without weights'])
        self.fails('convert', saved('keras3.weights.h5'), self.path('m.keras'), '--model', self.path('none.keras'),
                   says='none.keras')
        self.assertFalse(os.path.exists(self.path('m.keras')))
        self.fails('convert', self.model, code=2, says='OUT')
        self.fails('predict', saved('keras3.weights.h5'), self.input, says=['keras3.weights.h5', 'architecture'])

    def architecture(self, change):
        with zipfile.ZipFile(self.model) as archive:
            config = json.loads(archive.read('config.json'))
        change(config['config']['layers'])
        return self.write('other.json', json.dumps(config))

    def test_weights_that_do_not_fit(self):
        def wider(layers):
            layers[-1]['config']['units'] = 5

        def longer(layers):
            layers.insert(1, dict(layers[1], config=dict(layers[1]['config'], units=3, name='more')))

        def shorter(layers):
            del layers[-1]
        for kind in ('weights.h5', 'safetensors', 'npz'):
            weights = self.convert(self.model, 'w.' + kind)
            out = self.path('out.keras')
            with self.subTest(kind=kind):
                self.fails('convert', weights, out, '--model', self.architecture(wider),
                           says=['w.' + kind, 'layer dense', '(4, 2)', '(4, 5)'])
                self.fails('convert', weights, out, '--model', self.architecture(longer), says=['w.' + kind, 'more'])
                self.fails('convert', weights, out, '--model', self.architecture(shorter),
                           says=['w.' + kind, 'dense'])
                self.assertFalse(os.path.exists(out))

    def test_damaged_weights(self):
        for kind in ('weights.h5', 'safetensors', 'npz'):
            with open(self.convert(self.model, 'w.' + kind), 'rb') as file:
                whole = file.read()
            for part in (0, 7, len(whole) // 2, len(whole) - 1):
                with self.subTest(kind=kind, part=part):
                    self.fails('convert', self.write('cut.' + kind, whole[:part]), self.path('out.keras'), '--model',
                               self.model, says='cut.' + kind)

    def test_an_archive_that_expands(self):
        bomb = self.path('bomb.keras')
        with zipfile.ZipFile(self.model) as archive, zipfile.ZipFile(bomb, 'w', zipfile.ZIP_DEFLATED) as out:
            out.writestr('metadata.json', archive.read('metadata.json'))
            out.writestr('config.json', archive.read('config.json'))
            with out.open('model.weights.h5', 'w') as member:
                for _ in range(300):
                    member.write(bytes(1 << 20))
        self.assertLess(os.path.getsize(bomb), 1 << 20)
        self.fails('predict', bomb, self.input, says=['bomb.keras', 'model.weights.h5', 'unpacks'])

    def test_names_that_hold_no_model(self):
        """Said before the training, not after it."""
        for name in ('m.h5', 'm.weights.h5', 'm.safetensors', 'm.npz'):
            self.fails('fit', self.model, self.input, '-o', self.path(name), '--epochs', '100000', says=[name, '.keras'])
            self.fails('fit', self.model, self.input, '--checkpoint', self.path(name), '--epochs', '100000', says=name)

    def test_without_the_helper(self):
        empty = self.path('empty')
        os.mkdir(empty)
        self.fails('predict', self.model, self.input, env={'KILN_HELPER_DIR': empty},
                   says=['kiln-hdf5', 'KILN_HELPER_DIR'])

    def test_an_unsupported_layer_is_named(self):
        with zipfile.ZipFile(self.model) as archive:
            config = json.loads(archive.read('config.json'))
        config['config']['layers'].append({'class_name': 'MyLayer', 'module': 'mine', 'config': {'name': 'special'}})
        self.fails('convert', self.write('m.json', json.dumps(config)), self.path('m.keras'),
                   says=['m.json', 'special', 'MyLayer'])

    def test_a_full_disk_keeps_the_old_file(self):
        old = self.convert(self.model, 'w.safetensors')
        with open(old, 'rb') as file:
            before = file.read()
        import resource
        import subprocess
        done = subprocess.run([KILN, 'convert', self.model, old], env=environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)))
        self.assertNotEqual(done.returncode, 0)
        with open(old, 'rb') as file:
            self.assertEqual(file.read(), before)


if __name__ == '__main__':
    main()
