#!/usr/bin/env python3
"""The program on pictures: folders, archives, options, single files, and what is wrong with them."""
import json
import os
import struct
import tarfile
import zipfile
import zlib

from support import Case, main

COLOURS = {'blue': (40, 60, 220), 'green': (50, 210, 70), 'red': (230, 40, 50)}


def png(width, height, colour, shade=0):
    """A picture of one colour, a little darker to the right."""
    rows = b''.join(b'\0' + b''.join(bytes(max(0, c - shade - 2 * x) for c in colour) for x in range(width))
                    for _ in range(height))

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def network(path, shape, classes=3):
    layers = [('InputLayer', {'batch_shape': [None] + shape, 'name': 'pixels'}),
              ('Rescaling', {'scale': 1 / 255, 'name': 'rescaling'}), ('Flatten', {'name': 'flatten'}),
              ('Dense', {'units': classes, 'name': 'scores'})]
    with open(path, 'w', encoding='utf-8') as file:
        json.dump({'class_name': 'Sequential', 'config': {'name': 'colours', 'layers': [
            {'class_name': kind, 'config': config} for kind, config in layers]}}, file)
    return path


class Pictures(Case):
    def setUp(self):
        super().setUp()
        self.root = self.path('colours')
        for part, count in (('train', 20), ('test', 4)):
            for name, colour in COLOURS.items():
                folder = os.path.join(self.root, part, name)
                os.makedirs(folder)
                for i in range(count):
                    with open(os.path.join(folder, '%d.png' % i), 'wb') as file:
                        file.write(png(8, 6, colour, 3 * i))

    def train(self, data, *more, shape=(6, 8, 3)):
        model = network(self.path('n.json'), list(shape))
        return self.ok('fit', model, data, '--epochs', 8, '--batch-size', 4, '--learning-rate', 0.02, '--seed', 1,
                       '-o', self.path('m.keras'), *more)

    def archives(self):
        tar, packed = self.path('c.tar.gz'), self.path('c.zip')
        with tarfile.open(tar, 'w:gz') as out:
            out.add(self.root, 'colours')
        with zipfile.ZipFile(packed, 'w') as out:
            for folder, _, files in os.walk(self.root):
                for name in files:
                    full = os.path.join(folder, name)
                    out.write(full, os.path.relpath(full, self.folder))
        return tar, packed

    def test_learns_evaluates_predicts(self):
        self.train(self.root, '--validation-data', self.root)
        figures = []
        for data in (self.root,) + self.archives():
            figures.append(self.ok('evaluate', self.path('m.keras'), data, '--json').json())
        self.assertEqual(figures[0], figures[1])
        self.assertEqual(figures[0], figures[2])
        self.assertEqual(figures[0]['accuracy'], 1)
        names = []
        for name, colour in COLOURS.items():
            names.append(self.write(name + '.png', png(31, 17, colour)))  # another size
        out = self.ok('predict', self.path('m.keras'), *names).out.splitlines()
        self.assertEqual(len(out), 4)
        for line, name in zip(out[1:], COLOURS):
            self.assertRegex(line, r'^\S*%s\.png +%s +\d+\.\d\d %%' % (name, name))
        one = self.ok('predict', self.path('m.keras'), names[0]).out.splitlines()
        self.assertEqual(one[1].split(), out[1].split())

    def test_same_bits_from_folder_and_archives(self):
        histories = []
        for data in (self.root,) + self.archives():
            self.train(data, '--validation-split', 0.25, '--history', self.path('h.json'))
            with open(self.path('h.json'), encoding='utf-8') as file:
                histories.append(json.load(file))
        self.assertEqual(histories[0], histories[1])
        self.assertEqual(histories[0], histories[2])

    def test_size_and_mode(self):
        done = self.train(self.root, '--validation-split', 0.2, shape=(5, 4, 1))
        self.assertIn('drawn by the seed, from each class its share', done.out)
        self.train(self.root, '--image-size', '3x7', '--color-mode', 'rgba', shape=(3, 7, 4))
        self.fails('fit', self.path('n.json'), self.root, '--image-size', '3', code=2, says='64x64')
        self.fails('fit', self.path('n.json'), self.root, '--color-mode', 'cmyk', code=2, says='grayscale')
        self.fails('fit', self.path('n.json'), self.root, '--image-size', '9x9', '--color-mode', 'rgba', says='9')

    def test_unreadable(self):
        broken = os.path.join(self.root, 'train', 'red', '7.png')
        with open(broken, 'r+b') as file:
            file.truncate(60)
        model = network(self.path('n.json'), [6, 8, 3])
        self.fails('fit', model, self.root, says=[broken, '--skip-unreadable'])
        done = self.train(self.root, '--skip-unreadable')
        self.assertIn(broken, done.err)
        self.assertIn('left out a picture', done.err)

    def test_folders_that_are_wrong(self):
        model = network(self.path('n.json'), [6, 8, 3])
        self.fails('fit', model, os.path.join(self.root, 'train', 'red'), says='class folders')
        os.makedirs(self.path('one/red'))
        os.rename(os.path.join(self.root, 'train', 'red', '0.png'), self.path('one/red/0.png'))
        self.fails('fit', model, self.path('one'), says="one class, 'red'")
        os.makedirs(os.path.join(self.root, 'train', 'empty'))
        self.fails('fit', model, self.root, says="'empty' has no pictures")
        self.fails('fit', model, self.write('c.tar', b'\0' * 1024), says='c.tar')
        self.fails('fit', model, self.write('c.zip', b'PK\3\4' + b'\0' * 60), says='c.zip')

    def test_words_that_are_no_pictures(self):
        self.train(self.root)
        good, text = self.write('a.png', png(8, 6, (1, 2, 3))), self.write('b.txt', 'text')
        self.fails('predict', self.path('m.keras'), good, text, says=[text, 'neither a PNG nor a JPEG'])
        self.fails('predict', self.path('m.keras'), good, self.path('no.png'), says='no.png')
        self.fails('predict', self.path('m.keras'), self.write('cut.png', png(8, 6, (1, 2, 3))[:50]), says='cut.png')

    def test_grey_models_take_pictures(self):
        """A network without an axis for channels: what was trained on MNIST reads a drawn digit."""
        self.ok('fit', 'mlp', 'digits', '--steps-per-epoch', 20, '-o', self.path('m.keras'))
        picture = self.write('five.png', png(50, 50, (250, 250, 250)))
        self.assertIn('five.png', self.ok('predict', self.path('m.keras'), picture).out)

    def test_bar_while_reading(self):
        """On a terminal only; here standard error is a pipe."""
        done = self.train(self.root)
        self.assertNotIn('reading', done.err)


class RealPictures(Case):
    def test_cifar(self):
        data = self.needs_data('cifar10-jpg.tar.gz')
        model = network(self.path('n.json'), [32, 32, 3], 10)
        self.ok('fit', model, data, '--steps-per-epoch', 300, '--optimizer', 'sgd', '--seed', 1, '-o',
                self.path('m.keras'))
        figures = self.ok('evaluate', self.path('m.keras'), data, '--json').json()
        self.assertGreater(figures['accuracy'], 0.2)


if __name__ == '__main__':
    main()
