"""Runs the unittest cases of a module and reports in TAP, which Meson and tools/run_tests.py read."""
import sys
import unittest


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number = 0

    def _line(self, ok, test, extra=''):
        self.number += 1
        name = test.id().replace('__main__.', '').replace('#', '')
        print('%s %d - %s%s' % ('ok' if ok else 'not ok', self.number, name, extra), flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._line(True, test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line(True, test, ' # SKIP ' + reason)

    def _bad(self, test, error):
        self._line(False, test)
        for line in self._exc_info_to_string(error, test).splitlines():
            print('# ' + line, flush=True)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._bad(test, error)

    def addError(self, test, error):
        super().addError(test, error)
        self._bad(test, error)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self._bad(subtest, error)


def main():
    names = [argument for argument in sys.argv[1:] if not argument.startswith('-')]
    loader = unittest.defaultTestLoader
    module = sys.modules['__main__']
    suite = loader.loadTestsFromNames(names, module) if names else loader.loadTestsFromModule(module)
    result = TapResult()
    suite.run(result)
    print('1..%d' % result.number)
    sys.exit(0 if result.wasSuccessful() else 1)
