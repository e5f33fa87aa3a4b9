#!/usr/bin/env python3
"""Text: training, writing and classifying from the command line, and each thing that can be wrong with it."""
import json
import os
import re
import subprocess
import sys
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support

VERSE = 'The rain in Spain stays mainly in the plain.\n'


def lines(count=120):
    """Labelled lines that one word tells apart."""
    words = ['alpha', 'beta', 'gamma', 'delta']
    return ''.join('%s\t%s %s %s!\n' % ('yes' if i % 3 else 'no', words[i % 4], 'good' if i % 3 else 'BAD', words[i * 7 % 4])
                   for i in range(count))


class Text(support.Case):
    def poet(self, *more):
        path, poet = self.write('verse.txt', VERSE * 40), self.path('poet.keras')
        done = self.ok('fit', 'simple_rnn', path, '--sequence-length', 12, '--batch-size', 8, '--seed', 1, '-o', poet,
                       '--verbose', 2, *more)
        return path, poet, done

    def test_learns_and_writes(self):
        path, poet, done = self.poet('--epochs', 6, '--initial-weights', 'pytorch')
        self.assertIn('text: %d characters in the vocabulary, samples of 12\n' % len(set(VERSE)), done.out)
        self.assertIn('validation: 14 samples', done.out)  # the last tenth: 180 characters
        self.assertIn('an epoch is 17 steps', done.out)
        self.assertIn('kiln generate ' + poet, done.out)
        first = self.ok('generate', poet, '--prompt', 'The rain', '--length', 60, '--seed', 3)
        self.assertTrue(first.out.startswith('The rain'))
        self.assertEqual(len(first.out), 8 + 60 + 1)
        self.assertLessEqual(set(first.out), set(VERSE))
        again = self.ok('generate', poet, '--prompt', 'The rain', '--length', 60, '--seed', 3)
        self.assertEqual(first.out, again.out)
        other = self.ok('generate', poet, '--prompt', 'The rain', '--length', 60, '--seed', 4)
        self.assertNotEqual(first.out, other.out)
        # The likeliest each time, three ways.
        cold = [self.ok('generate', poet, '--prompt', 'The rain', '--length', 40, *how).out
                for how in (['--temperature', 1e-6], ['--top-k', 1], ['--top-p', 1e-9])]
        self.assertEqual(cold[0], cold[1])
        self.assertEqual(cold[0], cold[2])
        self.ok('generate', poet, '--length', 5)  # without a prompt
        self.fails('generate', poet, '--prompt', 'Th\u00e9', says="the character '\u00e9' (U+00E9) is not in the vocabulary")
        self.fails('generate', poet, '--prompt', 'The\tend', says='the character (U+0009)')
        for prompt, says in ((b'Th\xff', b'the prompt: byte 2 (0xff) is no UTF-8; write it in UTF-8'), (b'Zoo', b"'Z'")):
            done = subprocess.run([support.KILN, 'generate', poet, '--prompt', prompt], env=support.environment(),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, b''))
            self.assertIn(says, done.stderr)
        # The model knows how its text was read.
        self.assertLess(self.ok('evaluate', poet, path + ':test', '--batch-size', 8, '--json').json()['loss'], 2)
        # Each character is predicted once: by windows side by side, as in the validation.
        for command, data, rows in (('evaluate', path, 1800), ('evaluate', path + ':test', 180), ('evaluate', path + ':train', 1620),
                                    ('predict', path + ':train', 1620)):
            out = self.ok(command, poet, data, '--batch-size', 1, '--verbose', 2).out
            self.assertIn('%d/%d' % ((rows - 1) // 12, (rows - 1) // 12), out)
        done = self.ok('fit', poet, path, '--validation-data', path, '--steps-per-epoch', 1)
        self.assertIn('validation: %d samples' % (1799 // 12), done.out)
        self.fails('fit', poet, self.write('other.txt', VERSE + 'Z\u00fcrich\n'),
                   says=['line 2', "the character 'Z' (U+005A) is not in the vocabulary"])

    def test_classifies(self):
        path, spam = self.write('lines.tsv', lines()), self.path('lines.keras')
        options = ['fit', 'simple_rnn', path, '--task', 'classify', '--validation-split', 0.25, '--learning-rate', 0.01,
                   '--verbose', 2, '--epochs']
        done = self.ok(*options, 8, '--seed', 2, '-o', spam, '--history', self.path('whole.json'))
        self.assertIn('validation: 30 samples beside 90, drawn by the seed', done.out)
        self.assertGreater(self.ok('evaluate', spam, path, '--json').json()['accuracy'], 0.95)
        out = self.ok('predict', spam, self.write('new.txt', 'alpha good beta\n\nunheard BAD gamma\n')).out.splitlines()
        self.assertRegex(out[1], r'^alpha good beta +yes +\d')
        self.assertRegex(out[2], r'^unheard BAD gamma +no +\d')
        self.assertEqual(len(out), 3)
        piped = subprocess.run([support.KILN, 'predict', spam, '-'], input=b'beta GOOD alpha\n', env=support.environment(),
                               stdout=subprocess.PIPE, check=True).stdout.decode()
        self.assertRegex(piped.splitlines()[1], r'^beta GOOD alpha +yes')
        self.ok('predict', spam, path, '-o', self.path('scores.csv'))
        with open(self.path('scores.csv'), encoding='ascii') as file:
            self.assertEqual(file.readline().strip(), 'no,yes')
        self.fails('predict', spam, self.write('empty.txt', ''), says='is empty')
        self.fails('evaluate', spam, self.write('bad.tsv', 'yes\tgood\nmaybe\tBAD\nno\tBAD\n'), says=['line 2', "'maybe'"])
        self.fails('generate', spam, says='tells classes of texts and writes none')
        # A training that goes on holds back the same lines.
        self.ok(*options, 4, '--seed', 2, '--checkpoint', self.path('run.keras'))
        self.ok(*options, 8, '--checkpoint', self.path('run.keras'), '--resume', '--history', self.path('resumed.json'))
        with open(self.path('whole.json'), encoding='ascii') as a, open(self.path('resumed.json'), encoding='ascii') as b:
            self.assertEqual(a.read(), b.read())

    def reviews(self, name, columns):
        """A table whose longest column is not the review, nor the one with fewest values its sentiment."""
        rows = ([str(i), 'a summary that is longer than all of the reviews, the %dth' % i] + line.split('\t')[::-1] + ['here']
                for i, line in enumerate(lines().splitlines()))
        return self.write(name, columns + '\n' + ''.join(','.join('"%s"' % cell for cell in row) + '\n' for row in rows))

    def test_columns_are_kept(self):
        path, model = self.reviews('rev.csv', 'id,summary,review,sentiment,place'), self.path('rev.keras')
        done = self.ok('fit', 'gru-tiny', path, '--task', 'classify', '--text-column', 'review', '--label-column', 'sentiment',
                       '--epochs', 6, '--learning-rate', 0.02, '--seed', 1, '-o', model)
        self.assertIn("columns: text from 'review', labels from 'sentiment'; the first line names the columns\n", done.out)
        self.assertGreater(self.ok('evaluate', model, path, '--json').json()['accuracy'], 0.95)
        out = self.ok('predict', model, path, '--rows', 1).out.splitlines()
        self.assertRegex(out[1], r'^alpha BAD alpha! +no ')
        out = self.ok('predict', model, self.write('new.txt', 'alpha good beta\nunheard BAD gamma\n')).out.splitlines()
        self.assertRegex(out[2], r'^unheard BAD gamma +no ')
        other = self.reviews('other.csv', 'id,summary,text,label,place')
        self.fails('predict', model, other, says=["no column 'review'", '--text-column'])
        self.fails('evaluate', model, other, '--text-column', 'text', says=["no column 'sentiment'", '--label-column'])
        self.ok('evaluate', model, other, '--text-column', 'text', '--label-column', 'label')
        self.ok('fit', model, path, '--validation-data', path)
        # A file of a version that did not keep them.
        with zipfile.ZipFile(model) as old, zipfile.ZipFile(self.path('old.keras'), 'w') as new:
            for name in old.namelist():
                content = old.read(name)
                if name == 'metadata.json':
                    content = json.loads(content)
                    self.assertEqual(content['kiln']['text'].pop('text_column'), 'review')
                    self.assertEqual(content['kiln']['text'].pop('label_column'), 'sentiment')
                    content = json.dumps(content)
                new.writestr(name, content)
        self.ok('evaluate', self.path('old.keras'), path, '--text-column', 'review', '--label-column', 'sentiment')

    def test_options_are_those_of_the_model(self):
        path, poet, _ = self.poet('--epochs', 1)
        for option, value, own in (('--task', 'classify', 'generate'), ('--split', 'whitespace', 'character'),
                                   ('--standardize', 'lower', 'none'), ('--sequence-length', 20, 12),
                                   ('--max-tokens', 10, len(set(VERSE)))):
            for command in ('fit', 'evaluate', 'predict'):
                self.fails(command, poet, path, option, value,
                           says=['%s %s: model ' % (option, value), 'was trained on text with %s %s;' % (option, own)])
            self.ok('evaluate', poet, path + ':test', option, own)
        # A limit that the words did not reach is kept, too, and by a training that goes on.
        path, model = self.write('lines.tsv', lines()), self.path('lines.keras')
        self.ok('fit', 'gru-tiny', path, '--task', 'classify', '--max-tokens', 20, '-o', model)
        self.ok('fit', model, path, '--max-tokens', 20, '-o', model)
        self.ok('fit', model, path, '--max-tokens', 20)
        self.fails('fit', model, path, '--max-tokens', 8, says='--max-tokens 20;')

    def test_contiguous(self):
        """Windows in order are for stateful models: others are told that they carry nothing on."""
        path, said = self.write('verse.txt', VERSE * 10), '--contiguous: model net is not stateful'
        for stateful in (False, True):
            layers = [{'class_name': 'InputLayer', 'config': {'batch_shape': [4, 6], 'dtype': 'int32', 'name': 'in'}},
                      {'class_name': 'Embedding', 'config': {'name': 'e', 'input_dim': 20, 'output_dim': 4}},
                      {'class_name': 'GRU', 'config': {'name': 'g', 'units': 5, 'return_sequences': True, 'stateful': stateful}},
                      {'class_name': 'Dense', 'config': {'name': 'd', 'units': 20}}]
            model = self.write('net.json', json.dumps({'class_name': 'Sequential', 'config': {'name': 'net', 'layers': layers}}))
            saved, options = self.path('net.keras'), ['--contiguous', '--batch-size', 4]
            done = self.ok('fit', model, path, '--task', 'generate', '--sequence-length', 6, '-o', saved, *options)
            self.assertEqual(said in done.err, not stateful, done)
            done = self.ok('evaluate', saved, path, '--json', *options)
            self.assertEqual(said in done.err, not stateful, done)
        self.fails('fit', 'gru-tiny', self.write('lines.tsv', lines()), '--task', 'classify', '--contiguous',
                   says='texts of their own')

    def test_a_small_embedding(self):
        """A vocabulary that the Embedding has no rows for is refused, inside another model too."""
        embedding = [{'class_name': 'Embedding', 'config': {'name': 'words', 'input_dim': 6, 'output_dim': 4}}]
        inner = {'class_name': 'Sequential', 'config': {'name': 'inner', 'layers': [
            {'class_name': 'InputLayer', 'config': {'batch_shape': [None, 3], 'dtype': 'int32', 'name': 'inner_in'}}] + embedding}}
        for first in (embedding, [inner]):
            layers = [{'class_name': 'InputLayer', 'config': {'batch_shape': [None, 3], 'dtype': 'int32', 'name': 'in'}}] + first + [
                {'class_name': 'GRU', 'config': {'name': 'g', 'units': 3}},
                {'class_name': 'Dense', 'config': {'name': 'd', 'units': 2}}]
            model = self.write('small.json', json.dumps({'class_name': 'Sequential', 'config': {'name': 'small', 'layers': layers}}))
            path = self.write('lines.tsv', lines())
            for command in ('fit', 'evaluate'):
                self.fails(command, model, path, '--task', 'classify',
                           says=['vocabulary has 8 tokens', 'layer words has input_dim 6', '--max-tokens 6', 'input_dim of 8'])
            self.ok('fit', model, path, '--task', 'classify', '--max-tokens', 6)

    def test_both_directions(self):
        path = self.write('lines.csv', 'kind,text\n' + lines(40).replace('\t', ','))
        done = self.ok('fit', 'bilstm_classifier', path, '--text-column', 'text', '--label-column', 'kind', '--verbose', 2)
        self.assertIn('samples of 3\n', done.out)
        self.fails('fit', 'bilstm_classifier', self.write('verse.txt', VERSE * 9), '--task', 'generate', '--sequence-length', 8,
                   says='reads a text in both directions')

    def test_vectors_of_words(self):
        """The Embedding is as wide as the file's vectors; frozen ones stay as the file has them."""
        path, saved = self.write('lines.tsv', lines()), self.path('lines.keras')
        vectors = self.write('vectors.txt', 'good 1 2 3\nbad -1 0.5 1e-2\nunheard 7 8 9\n')
        fit = ['fit', 'gru', path, '--task', 'classify', '--verbose', 2, '-o', saved, '--embedding-vectors']
        done = self.ok(*fit, vectors, '--freeze-vectors', '--epochs', 1)
        self.assertIn('vectors: 2 of 6 words are in ' + vectors, done.out)
        self.ok('convert', saved, self.path('lines.npz'))
        with zipfile.ZipFile(self.path('lines.npz')) as archive:
            name = next(n for n in archive.namelist() if 'embeddings' in n)
            shape, table = support.read_npy(archive.read(name))
        self.assertEqual(tuple(shape), (8, 3))
        rows = [list(table[3 * i:3 * i + 3]) for i in range(8)]
        self.assertIn([1, 2, 3], rows)
        self.assertTrue(any(abs(a + 1) + abs(b - 0.5) + abs(c - 0.01) < 1e-8 for a, b, c in rows))
        self.assertNotIn([7, 8, 9], rows)
        # Header and all: word2vec's; here they train.
        self.ok(*fit, self.write('w2v.txt', '2 3\ngood 1 2 3\nbad -1 0.5 1e-2\n'), '--epochs', 2)
        self.ok('convert', saved, self.path('lines.npz'))
        with zipfile.ZipFile(self.path('lines.npz')) as archive:
            self.assertNotEqual(support.read_npy(archive.read(name))[1], table)
        self.fails(*fit, self.write('none.txt', 'other 1 2 3\n'), says='not one of the 6 words')
        self.fails(*fit, self.write('bad.txt', 'good 1 2\nbad 1 two\n'), says=['bad.txt', 'line 2'])
        self.fails(*fit, self.write('no.txt', ''), says='no.txt: its first line is no word')
        self.fails(*fit, self.path('nowhere.txt'), says='nowhere.txt')
        self.fails('fit', saved, path, '--embedding-vectors', self.write('two.txt', 'good 1 2\n'), says='output_dim is 3')
        self.fails('fit', 'mlp', 'digits', '--embedding-vectors', vectors, says='holds no text')
        self.fails('fit', 'gru', path, '--freeze-vectors', code=2, says='--freeze-vectors')

    def test_bad_texts(self):
        for content, says in (('', 'is empty'), ('too short', ['has 8 characters in the part for training', 'one window of 64']),
                              (b'caf\xe9 ' * 100, 'byte 3 (0xe9) is no UTF-8'), (b'a\0b' * 100, 'byte 1 is zero'),
                              (b'\xff\xfea\0', 'UTF-16')):
            self.fails('fit', 'lstm', self.write('bad.txt', content), says=says)
        self.fails('fit', 'lstm', self.path('nowhere.txt'), says='nowhere.txt')
        self.fails('fit', 'lstm', self.write('same.txt', 'a' * 500), says='at least two distinct characters')
        self.fails('fit', 'gru', self.write('same.tsv', 'a\tone\na\ttwo\na\tthree\n'), '--task', 'classify',
                   says=['column 0, the label', 'at least two classes'])
        self.fails('fit', 'gru', self.write('one.tsv', 'only\ntext\n'), '--task', 'classify', says='has 1 column')
        self.fails('fit', 'gru', self.write('two.tsv', 'a\tb\nc\td\n'), '--task', 'classify', '--text-column', 'words',
                   says="no text column 'words'")
        self.fails('fit', 'lstm', self.write('short.txt', VERSE * 9), '--contiguous', '--sequence-length', 20,
                   says='one batch of 32 windows')
        self.fails('fit', 'mlp', self.write('verse.txt', VERSE), '--initial-weights', 'pytorch',
                   says='built-in recurrent networks')
        model = self.write('own.json', self.ok('new', 'gru').out)
        self.fails('fit', model, self.path('verse.txt'),
                   says=['verse.txt: is no table of numbers (', '--task generate', '--task classify'])
        self.fails('fit', 'mlp-tiny', self.path('verse.txt'), says=['is no table of numbers', 'lstm'])
        self.fails('fit', 'mlp-tiny', self.path('verse.txt'), '--task', 'generate', says=['network mlp-tiny takes no text', 'lstm'])
        for name in ('wide.csv', 'wide.tsv'):
            self.fails('fit', 'tabular', self.write(name, 'a,b\n1,2\n'.encode('utf-16')), says='is UTF-16 text; save it as UTF-8')
        self.fails('fit', model, self.path('verse.txt'), '--task', 'generate', says='has 40 characters')
        self.fails('generate', self.path('nowhere.keras'), says='nowhere.keras')
        self.fails('generate', model, says='has no vocabulary')

    def test_usage(self):
        self.fails('generate', 'lstm', code=2, says='has learned nothing yet')
        self.fails('generate', 'x.keras', '--top-p', 1.5, code=2, says='--top-p')
        self.fails('fit', 'lstm', 'x', '--task', 'sing', code=2, says='--task')
        self.fails('fit', 'lstm', 'x', '--split', 'char', code=2, says='--split')
        self.fails('fit', 'lstm', 'x', '--standardize', 'upper', code=2, says='--standardize')
        self.fails('fit', 'lstm', 'x', '--max-tokens', 2, code=2, says='--max-tokens')
        self.fails('fit', 'lstm', 'x', '--initial-weights', 'jax', code=2, says='--initial-weights')

    def test_a_time_step_is_a_launch(self):
        """Where work-items are threads, the cell is computed where its product is stored, to the same bits."""
        model = {'class_name': 'Sequential', 'config': {'name': 'net', 'layers': [
            {'class_name': 'InputLayer', 'config': {'batch_shape': [None, 6], 'dtype': 'int32', 'name': 'in'}},
            {'class_name': 'Embedding', 'config': {'name': 'e', 'input_dim': 8, 'output_dim': 4}},
            {'class_name': 'LSTM', 'config': {'name': 'l', 'units': 5, 'return_sequences': True}},
            {'class_name': 'GRU', 'config': {'name': 'g', 'units': 19, 'return_sequences': True}},
            {'class_name': 'Dense', 'config': {'name': 'd', 'units': 8}}]}}
        path, text = self.write('net.json', json.dumps(model)), self.write('t.txt', 'abcdefgh, '[:8] * 60)
        launches, weights = [], []
        for words in ('limits:threads,plan', 'limits:threads,plan,no-gates'):
            saved = self.path('net.keras')
            done = self.ok('fit', path, text, '--task', 'generate', '--sequence-length', 6, '--batch-size', 4,
                           '--epochs', 1, '--steps-per-epoch', 3, '--seed', 3, '--gemm', 'tile', '-o', saved,
                           env={'KILN_DEBUG': words})
            launches.append(int(re.search(r'plan "train": (\d+) launches', done.err).group(1)))
            with zipfile.ZipFile(saved) as archive:
                weights.append(archive.read('model.weights.h5'))
        self.assertEqual(launches[1] - launches[0], 2 * 6) # of two layers, at each of six time steps
        self.assertLessEqual(launches[0], 71) # and so is one of the way back
        model['config']['layers'][1:] = [
            {'class_name': 'Embedding', 'config': {'name': 'e', 'input_dim': 8, 'output_dim': 4}},
            {'class_name': 'LSTM', 'config': {'name': 'l', 'units': 5}},
            {'class_name': 'Dense', 'config': {'name': 'd', 'units': 2}}]
        path = self.write('last.json', json.dumps(model)) # its last output alone
        done = self.ok('fit', path, self.write('lines.tsv', lines()), '--task', 'classify', '--sequence-length', 6, '--seed', 3,
                       '--steps-per-epoch', 1, '--gemm', 'tile', env={'KILN_DEBUG': 'limits:threads,plan'})
        train = done.err.split('plan "train"')[1].split('plan "')[0]
        self.assertEqual(train.count(', at each of 6 time steps'), 2, train)
        self.assertEqual(weights[0], weights[1])


if __name__ == '__main__':
    support.main()
