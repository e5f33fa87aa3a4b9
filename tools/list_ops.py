#!/usr/bin/env python3
"""Lists the operations and layers that no test names.

list_ops.py            prints every operation and layer with the files that test it
list_ops.py --check    prints those without a test, and exits 1 if there are any

An operation is a builder of a header of src/op (op_matmul) or a pointwise function (F_RELU); its tests are in tests/op or, for
time, tests/graph. A layer is a class of src/layer/kinds; its tests are in tests/layer.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def tests(*folders):
    files = [file for folder in folders for file in sorted((ROOT / 'tests' / folder).glob('*.[ch]'))]
    return {file: file.read_text(encoding='utf-8') for file in files}


def operations():
    header = (ROOT / 'src' / 'op' / 'op.h').read_text(encoding='utf-8')
    headers = ''.join(file.read_text(encoding='utf-8') for file in sorted((ROOT / 'src' / 'op').glob('*.h')))
    builders = sorted(set(re.findall(r'^(?:ir_id|kiln_status) (op_(?!node|add_gradient)\w+)\(ir_graph', headers, re.MULTILINE)))
    body = re.search(r'typedef enum op_function \{(.*?)\} op_function;', header, re.DOTALL).group(1)
    functions = re.findall(r'\bF_[A-Z0-9_]+\b', re.sub(r'/\*.*?\*/', '', body, flags=re.DOTALL))
    body = re.search(r'typedef enum op_reduction \{(.*?)\} op_reduction;', header, re.DOTALL).group(1)
    return builders + [name for name in functions if name != 'F_COUNT'] + re.findall(r'\bR_[A-Z]+\b', body)


def layers():
    names = []
    for file in sorted((ROOT / 'src' / 'layer' / 'kinds').glob('*.c')):
        names += re.findall(r'\.class_name = "(\w+)"', file.read_text(encoding='utf-8'))
    return names


def main():
    check = sys.argv[1:] == ['--check']
    missing = 0
    for names, files, pattern in ((operations(), tests('op', 'graph', 'harness'), r'\b%s\b'),
                                  (layers(), tests('layer'), r'"%s"|\b%s\b')):
        for name in names:
            words = pattern % ((name,) * pattern.count('%s'))
            found = [file.relative_to(ROOT).as_posix() for file, text in files.items() if re.search(words, text)]
            missing += not found
            if not check:
                print('%-28s %s' % (name, ', '.join(found) or 'NO TEST'))
            elif not found:
                print('%s has no test' % name)
    sys.exit(1 if check and missing else 0)


main()
