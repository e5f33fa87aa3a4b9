#!/usr/bin/env python3
"""Writes text_figures.h: what Keras's TextVectorization makes of some texts. Needs Keras on TensorFlow:
make_text.py > text_figures.h"""
import keras
import tensorflow as tf

TEXTS = ['The quick brown fox; the lazy dog!', 'Quick, quick: A FOX & a dog\'s tail.', '  tabs\tand\nlines  the end  ',
         'Größe ÄÖÜ straße ñandú — 東京 東京', '', '!!! ... ???', 'don\'t re-use [UNK] tokens_here', 'a b c a b a']
QUERIES = ['the fox and the cat', 'A dog, a FOX: a straße!', '', 'unseen words only? no: the end', '東京 tail']
SETTINGS = [
    {}, {'standardize': None}, {'standardize': 'lower'}, {'standardize': 'strip_punctuation'},
    {'split': 'character'}, {'split': 'character', 'standardize': None, 'output_sequence_length': 7}, {'split': None},
    {'max_tokens': 5}, {'max_tokens': 9, 'output_sequence_length': 4}, {'output_sequence_length': 12},
    {'vocabulary': ['fox', 'dog', 'end']}, {'vocabulary': ['', '[UNK]', 'fox', 'the'], 'output_sequence_length': 3},
]


def quoted(text):
    return '"' + ''.join(c if 32 <= ord(c) < 127 and c not in '"\\?' else ''.join('\\%03o' % b for b in c.encode())
                         for c in text) + '"'


def rows(values):
    return ', '.join(str(int(v)) for v in values)


print('/* Made by make_text.py with Keras %s. */' % keras.__version__)
for name, texts in (('texts', TEXTS), ('queries', QUERIES)):
    print('static const char *const %s[] = {\n    %s};' % (name, ',\n    '.join(quoted(t) for t in texts)))
for i, setting in enumerate(SETTINGS):
    layer = keras.layers.TextVectorization(**setting)
    if 'vocabulary' not in setting:
        layer.adapt(tf.constant(TEXTS))
    words = layer.get_vocabulary()
    out = layer(tf.constant(QUERIES)).numpy()
    if out.ndim == 1:
        out = out[:, None]
    print('static const char *const vocabulary_%d[] = {%s};' % (i, ', '.join(quoted(w) for w in words)))
    print('static const int32_t numbers_%d[] = {%s};' % (i, rows(out.flatten())))
    if 'vocabulary' in setting:
        print('static const char *const given_%d[] = {%s};' % (i, ', '.join(quoted(w) for w in setting['vocabulary'])))
print('static const struct {\n    kiln_text_vectorization_args args;\n    size_t words;\n    const char *const *vocabulary;\n'
      '    int64_t length;\n    const int32_t *numbers;\n} settings[] = {')
for i, setting in enumerate(SETTINGS):
    layer = keras.layers.TextVectorization(**setting)
    if 'vocabulary' not in setting:
        layer.adapt(tf.constant(TEXTS))
    out = layer(tf.constant(QUERIES)).numpy()
    fields = []
    for key, value in setting.items():
        if key == 'vocabulary':
            fields.append('.vocabulary = given_%d, .vocabulary_count = %d' % (i, len(value)))
        else:
            fields.append('.%s = %s' % (key, quoted(value or 'none') if not isinstance(value, int) else value))
    print('    {{%s}, %d, vocabulary_%d, %d, numbers_%d},' % (', '.join(fields) or '0', len(layer.get_vocabulary()), i,
                                                            out.shape[1] if out.ndim > 1 else 1, i))
print('};')
