#!/usr/bin/env python3
"""A training that is killed, again and again, ends with the same bits as one that never was."""
import glob
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile

from support import KILN, Case, blobs, environment, main, npy, npz

MODEL = {'class_name': 'Sequential', 'config': {'name': 'net', 'layers': [
    {'class_name': 'InputLayer', 'config': {'batch_shape': [None, 4], 'dtype': 'float32', 'name': 'in'}},
    {'class_name': 'Normalization', 'config': {'name': 'norm', 'axis': [-1]}},
    {'class_name': 'Dense', 'config': {'name': 'one', 'units': 24, 'activation': 'relu'}},
    {'class_name': 'BatchNormalization', 'config': {'name': 'batch'}},
    {'class_name': 'Dropout', 'config': {'name': 'drop', 'rate': 0.3}},
    {'class_name': 'Dense', 'config': {'name': 'two', 'units': 3, 'activation': 'softmax'}}]}}


class Resume(Case):
    def setUp(self):
        super().setUp()
        x, y = blobs(900, 4, 3)
        self.data = npz(self.path('d.npz'), x=npy((900, 4), x), y=npy((900,), y, '<i4'))
        self.model = self.write('model.json', json.dumps(MODEL))

    def command(self, name, options):
        return ['fit', self.model, self.data, '-o', self.path(name + '.keras'), '--csv-log', self.path(name + '.csv'),
                '--history', self.path(name + '-history.json'), '--seed', '11', '--verbose', '0'] + options

    def weights(self, name):
        with zipfile.ZipFile(self.path(name + '.keras')) as archive:
            self.assertEqual(len(archive.namelist()), 3)
            return archive.read('model.weights.h5'), archive.read('config.json')

    def epochs(self, name):
        with open(self.path(name + '.csv'), encoding='utf-8') as file:
            return [line.split(',')[0] for line in file]

    def compare(self, name):
        self.assertEqual(self.weights(name), self.weights('straight'))
        self.assertEqual(self.epochs(name), self.epochs('straight'))
        histories = []
        for which in (name, 'straight'):
            with open(self.path(which + '-history.json'), encoding='utf-8') as file:
                histories.append(json.load(file))
        self.assertEqual(histories[0].keys(), histories[1].keys())
        for figure, course in histories[1].items():
            self.assertEqual(len(histories[0][figure]), len(course))
            for a, b in zip(histories[0][figure], course):
                self.assertAlmostEqual(a, b, 4)

    def test_a_lost_device(self):
        """The file of the last epoch is as it was, the failure says how to go on, and going on ends with the same bits."""
        options = ['--batch-size', '50']
        checkpoint = self.path('run.keras')
        self.ok(*self.command('straight', options + ['--epochs', '4']))
        run = options + ['--checkpoint', checkpoint, '--resume', '--epochs']
        self.ok(*self.command('lost', run + ['2']))
        with open(checkpoint, 'rb') as file:
            before = file.read()
        for fault in ('hang:clEnqueueNDRangeKernel:9,timeout:1', 'vanish:clEnqueueNDRangeKernel:9'):
            self.fails(*self.command('lost', run + ['4']), env={'KILN_DEBUG': fault},
                       says=['lost', checkpoint + ' keeps the training', '--resume'])
            with open(checkpoint, 'rb') as file:
                self.assertEqual(file.read(), before)
        self.ok(*self.command('lost', run + ['4']))
        self.compare('lost')

    def killed_again_and_again(self, options):
        self.ok(*self.command('straight', options)) # compiles
        begin = time.monotonic()
        self.ok(*self.command('straight', options))
        took = time.monotonic() - begin
        draw = random.Random(os.getpid())
        checkpoint = self.path('run.keras')
        command = [KILN] + self.command('killed', options + ['--checkpoint', checkpoint, '--resume'])
        kills = 0
        for _ in range(7):
            process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(draw.uniform(0.2, 0.9) * took)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.wait()
            if os.path.exists(checkpoint): # complete at any moment
                self.ok('convert', checkpoint, self.path('part.npz'))
        self.ok(*command[1:])
        self.compare('killed')
        self.assertGreater(kills, 0)
        self.assertEqual(glob.glob(checkpoint + '.*'), [])

    def test_best_weights_and_validation(self):
        self.killed_again_and_again(['--epochs', '60', '--validation-split', '0.2', '--early-stopping', '50',
                                     '--learning-rate', '0.02', '--batch-size', '8'])

    def test_epochs_that_share_a_pass(self):
        """The checkpoint lies in the middle of a shuffled pass; the gradients of several steps are on their way."""
        self.killed_again_and_again(['--epochs', '90', '--steps-per-epoch', '25', '--optimizer', 'sgd', '--schedule',
                                     'cosine', '--batch-size', '16'])

    def test_a_training_that_is_done(self):
        options = ['--epochs', '3', '--checkpoint', self.path('run.keras')]
        self.ok(*self.command('straight', ['--epochs', '3']))
        self.ok(*self.command('killed', options))
        self.fails(*self.command('killed', options), says=['run.keras', '--resume'])
        os.unlink(self.path('killed.keras'))
        self.ok(*self.command('killed', options + ['--resume']))
        self.compare('killed')

    def test_more_epochs_and_other_arguments(self):
        options = ['--checkpoint', self.path('run.keras'), '--resume']
        self.ok(*self.command('straight', ['--epochs', '4']))
        self.ok(*self.command('killed', ['--epochs', '2'] + options))
        self.fails(*self.command('killed', ['--epochs', '4', '--batch-size', '8'] + options), says=['run.keras', '32', '8'])
        self.fails(*self.command('killed', ['--epochs', '4', '--seed', '12'] + options), says=['run.keras', 'seed'])
        self.fails(*self.command('killed', ['--epochs', '4', '--optimizer', 'sgd'] + options), says=['checkpoint', 'SGD'])
        self.ok(*self.command('killed', ['--epochs', '4'] + options))
        self.compare('killed')

    def test_states_of_layers(self):
        """Stateful layers go on from what they kept, in the middle of a text."""
        rows, steps = 4, 6
        text = self.write('verse.txt', ''.join('abcdefgh'[(i * i + i // 7) % 8] for i in range(1400)))
        model = {'class_name': 'Sequential', 'config': {'name': 'verse', 'layers': [
            {'class_name': 'InputLayer', 'config': {'batch_shape': [rows, steps], 'dtype': 'int32', 'name': 'in'}},
            {'class_name': 'Embedding', 'config': {'name': 'e', 'input_dim': 8, 'output_dim': 4}},
            {'class_name': 'LSTM', 'config': {'name': 'l', 'units': 5, 'return_sequences': True, 'stateful': True}},
            {'class_name': 'GRU', 'config': {'name': 'g', 'units': 6, 'return_sequences': True, 'stateful': True}},
            {'class_name': 'Dense', 'config': {'name': 'd', 'units': 8}}]}}
        self.model, self.data = self.write('verse.json', json.dumps(model)), text
        def options(epochs):
            return ['--epochs', epochs, '--steps-per-epoch', '7', '--task', 'generate', '--contiguous',
                    '--sequence-length', str(steps), '--batch-size', str(rows)]
        kept = ['--checkpoint', self.path('run.keras'), '--resume']
        self.ok(*self.command('straight', options('5')))
        for epochs in ('1', '2', '4', '5'):
            self.ok(*self.command('killed', options(epochs) + kept))
        self.compare('killed')
        with zipfile.ZipFile(self.path('run.keras')) as archive, \
                zipfile.ZipFile(io.BytesIO(archive.read('kiln.kept.npz'))) as states:
            self.assertEqual(len([name for name in states.namelist() if name.startswith('state/')]), 3)
            self.assertTrue(any(any(states.read(name)[-64:]) for name in states.namelist()))

    def test_what_is_no_checkpoint(self):
        self.ok(*self.command('straight', ['--epochs', '1']))
        self.fails(*self.command('killed', ['--checkpoint', self.path('straight.keras'), '--resume']),
                   says=['straight.keras', 'no checkpoint'])
        self.fails(*self.command('killed', ['--checkpoint', self.write('bad.keras', 'PK\3\4nonsense'), '--resume']),
                   says='bad.keras')
        self.fails(*self.command('killed', ['--resume']), code=2, says='--checkpoint')

    def test_without_a_seed(self):
        """The checkpoint has the seed that was drawn, which draws the validation data too."""
        command = self.command('killed', ['--epochs', '2', '--validation-split', '0.2', '--checkpoint',
                                          self.path('run.keras'), '--resume'])
        at = command.index('--seed')
        del command[at:at + 2]
        self.ok(*command)
        command[command.index('2')] = '3'
        self.ok(*command)
        seeds = set()
        for name in ('run', 'killed'):
            with zipfile.ZipFile(self.path(name + '.keras')) as archive:
                seeds.add(json.loads(archive.read('metadata.json'))['kiln']['seed'])
        self.assertEqual(len(seeds), 1)


if __name__ == '__main__':
    main()
