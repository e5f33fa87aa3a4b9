#!/usr/bin/env python3
"""Runs the test programs of a build folder on each OpenCL driver; tools/test calls it.

A test program reports through a TAP file of Check's (CK_TAP_LOG_FILE_NAME), through TAP on its standard
output (Meson's protocol 'tap'), or by its exit status alone. It may say what it left out on lines
"skip: what: why". The last line printed is "N passed, N failed".
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

VENDORS = '/etc/OpenCL/vendors'

# Suites that compute on a device, in the order of the floors. On the slow drivers only those run whose
# programs shrink to small sizes there; the rest has nothing to learn from a second driver.
DEVICE_SUITES = ['device', 'blas', 'op', 'graph', 'check', 'model', 'train', 'network', 'cli']
SLOW_SUITES = {'rusticl': ['device', 'blas', 'op', 'graph', 'network', 'train'], 'oclgrind': ['op', 'check', 'network']}
TIMEOUT_FACTOR = {'rusticl': 2, 'oclgrind': 3}

# Devices that PoCL's is made to look like (docs/environment.md): what kernels do where work-items are threads, where
# a work-group has one of them, where there is little local memory.
MASKS = {
    'pocl-group-1': 'limits:threads,limits:group:1,limits:version:1.2,limits:no-fp64',
    'pocl-group-64': 'limits:threads,limits:group:64,limits:items:64:16:4,limits:local:16384,limits:no-fp64',
    'pocl-group-128': 'limits:threads,limits:group:128,limits:allocation:134217728,limits:alignment:4096',
}
MASK_SUITES = DEVICE_SUITES + ['layer']


class Driver:
    def __init__(self, name, environment, prefix=(), reason=None):
        self.name, self.environment, self.prefix, self.reason = name, environment, list(prefix), reason


def drivers():
    """All drivers of this machine; one with a reason is missing."""
    found = []
    installed = sorted(os.listdir(VENDORS)) if os.path.isdir(VENDORS) else []
    icd = {name[:-4]: os.path.join(VENDORS, name) for name in installed if name.endswith('.icd')}
    if 'pocl' in icd:
        found.append(Driver('pocl', {'OCL_ICD_VENDORS': icd['pocl']}))
    else:
        found.append(Driver('pocl', {}, reason='pocl-opencl-icd is not installed'))
    for name, limits in MASKS.items():
        environment = dict(found[0].environment, KILN_DEBUG=limits)
        found.append(Driver(name, environment, reason=found[0].reason))
    if 'rusticl' in icd:
        found.append(Driver('rusticl', {'OCL_ICD_VENDORS': icd['rusticl'], 'RUSTICL_ENABLE': 'llvmpipe'}))
    else:
        found.append(Driver('rusticl', {}, reason='mesa-opencl-icd is not installed, or has no rusticl'))
    if shutil.which('oclgrind'):
        found.append(Driver('oclgrind', {'KILN_TEST_DEVICES': 'Oclgrind'}, [shutil.which('oclgrind')]))
    else:
        found.append(Driver('oclgrind', {}, reason='oclgrind is not installed'))
    for name, path in icd.items():
        if name not in ('pocl', 'rusticl', 'mesa', 'oclgrind'):
            found.append(Driver(name, {'OCL_ICD_VENDORS': path}))
    return found


class Result:
    def __init__(self):
        self.passed, self.failed, self.skips, self.failures, self.seconds = 0, 0, [], [], 0.0


def read_tap(text, result):
    for line in text.splitlines():
        match = re.match(r'(not )?ok\b\s*\d*\s*(?:- )?(.*)', line)
        if not match:
            if line.startswith('Bail out!'):
                result.failed += 1
                result.failures.append(line)
        elif re.search(r'# *skip', match.group(2), re.IGNORECASE):
            result.skips.append(match.group(2).replace('# SKIP', ':').replace('#SKIP', ':'))
        elif match.group(1):
            result.failed += 1
            result.failures.append(match.group(2))
        else:
            result.passed += 1


def run(test, driver, folder, sanitized):
    result = Result()
    factor = TIMEOUT_FACTOR.get(driver.name, 1) * (3 if sanitized else 1)
    environment = dict(os.environ)
    environment.update(test['env'])
    environment.update(driver.environment)
    tap = os.path.join(folder, re.sub(r'\W+', '-', driver.name + '-' + test['name']) + '.tap')
    environment['CK_TAP_LOG_FILE_NAME'] = tap
    environment['CK_VERBOSITY'] = 'normal'
    environment['CK_TIMEOUT_MULTIPLIER'] = str(factor)
    environment.setdefault('UBSAN_OPTIONS', 'halt_on_error=1:print_stacktrace=1')
    if sanitized:
        # Drivers keep memory until the process ends; what Kiln itself loses is still found. GCC 12's runtime
        # takes a driver's thread-local block at the start of a page for one with a header of glibc 2.19, and
        # the leak check then dies reading a wild address: it need not look at those blocks.
        suppressions = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'leaks.supp')
        environment.setdefault('ASAN_OPTIONS', 'allocator_may_return_null=1:intercept_tls_get_addr=0')
        environment.setdefault('LSAN_OPTIONS',
                               'suppressions=' + os.path.abspath(suppressions) + ':print_suppressions=0')
    begin = time.monotonic()
    process = subprocess.Popen(driver.prefix + test['cmd'], env=environment, cwd=test['workdir'],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, errors='replace', start_new_session=True)
    timed_out = False
    try:
        output, _ = process.communicate(timeout=(test['timeout'] or 600) * factor)
    except subprocess.TimeoutExpired:
        timed_out = True
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    result.seconds = time.monotonic() - begin
    if test.get('protocol') == 'tap':
        read_tap(output, result)
    elif os.path.exists(tap):
        with open(tap, encoding='utf-8', errors='replace') as file:
            read_tap(file.read(), result)
    elif process.returncode == 77:
        lines = output.strip().splitlines()
        result.skips.append(test['name'] + ': ' + (lines[-1] if lines else 'no reason given'))
    elif process.returncode == 0:
        result.passed += 1
    result.skips += [line[5:].strip() for line in output.splitlines() if line.startswith('skip:')]
    if timed_out:
        result.failed += 1
        result.failures.append('ran out of time after %.0f s' % result.seconds)
    elif process.returncode not in (0, 77) and result.failed == 0:
        result.failed += 1
        result.failures.append('exit status %d' % process.returncode)
    if driver.name == 'oclgrind':
        for line in output.splitlines():
            if re.match(r'(Invalid (read|write)|(Read|Write)-write data race|Uninitialized value)', line.strip()):
                result.failed += 1
                result.failures.append('Oclgrind: ' + line.strip())
    if result.failures:
        print_failures(test, driver, result, output)
    return result


def print_failures(test, driver, result, output):
    lines = ['FAILED on %s: %s' % (driver.name, test['name'])]
    lines += ['  ' + failure for failure in result.failures]
    shown = [line for line in output.splitlines()
             if not line.startswith(('ok ', 'not ok ')) and not re.match(r'[# ]*(=>)?0x[0-9a-f]{12}: ', line)]
    # What a sanitizer found stands above a long table; else the end says most.
    first = next((i for i, line in enumerate(shown) if re.search(r'ERROR: \w+Sanitizer|runtime error:', line)), None)
    if first is not None and len(shown) - first > 40:
        shown = shown[first:first + 30] + ['...'] + shown[-5:]
    lines += ['  | ' + line for line in shown[-40:]]
    print('\n'.join(lines), flush=True)


def suite_of(test):
    return test['suite'][0].split(':')[-1] if test['suite'] else ''


def wanted_on(driver, suite, first, sanitized):
    if sanitized and suite == 'house': # what it runs, others run
        return False
    if driver.name in MASKS:
        return suite in MASK_SUITES
    if driver.name in SLOW_SUITES:
        return suite in SLOW_SUITES[driver.name]
    return first or suite in DEVICE_SUITES


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('build')
    parser.add_argument('words', nargs='*')
    parser.add_argument('--drivers')
    parser.add_argument('--strict', action='store_true')
    parser.add_argument('--sanitized', action='store_true')
    parser.add_argument('--jobs', type=int, default=max(1, min(4, os.cpu_count() or 1)))
    arguments = parser.parse_intermixed_args()

    passed, failed, skips = 0, 0, []
    known = drivers()
    chosen = arguments.drivers.split(',') if arguments.drivers else [driver.name for driver in known if driver.name not in MASKS]
    if arguments.sanitized and not arguments.drivers:
        chosen = ['pocl']
    for name in chosen:
        if name not in [driver.name for driver in known]:
            print("tools/test: no driver '%s' here; there are: %s"
                  % (name, ', '.join(driver.name for driver in known if not driver.reason)))
            sys.exit(2)
    for driver in known:
        if driver.name in chosen and driver.reason:
            if arguments.strict:
                print('FAILED: driver %s is missing: %s' % (driver.name, driver.reason))
                failed += 1
            else:
                skips.append('everything on %s: %s' % (driver.name, driver.reason))
    if not os.environ.get('KILN_DATA_DIR') or not os.path.isdir(os.environ['KILN_DATA_DIR']):
        reason = 'KILN_DATA_DIR names no folder with data sets'
        if arguments.strict:
            print('FAILED: ' + reason)
            failed += 1
        else:
            skips.append('tests on real data: ' + reason)

    tests = json.loads(subprocess.check_output(['meson', 'introspect', '--tests', arguments.build]))
    folder = tempfile.mkdtemp(prefix='kiln-tests-')
    present = [driver for driver in known if driver.name in chosen and not driver.reason]
    try:
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            # Driver after driver, of each what takes longest first (meson's priority); told in order.
            jobs = {}
            for index, driver in enumerate(present):
                selected = [test for test in tests if wanted_on(driver, suite_of(test), index == 0, arguments.sanitized) and
                            (not arguments.words or
                             any(word in test['name'] or word == suite_of(test) for word in arguments.words))]
                begun = {test['name']: pool.submit(run, test, driver, folder, arguments.sanitized)
                         for test in sorted(selected, key=lambda test: -test['priority'])}
                jobs[driver.name] = {test['name']: begun[test['name']] for test in selected}
            for driver, of_driver in jobs.items():
                if of_driver:
                    print('%s:' % driver, flush=True)
                for name, job in of_driver.items():
                    result = job.result()
                    passed += result.passed
                    failed += result.failed
                    skips += ['%s, %s: %s' % (driver, name, skip) for skip in result.skips]
                    print('  %-28s %4d passed %s%6.1f s'
                          % (name, result.passed,
                             '%4d failed ' % result.failed if result.failed else ' ' * 12, result.seconds),
                          flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for skip in sorted(set(skips)):
        print('skipped: ' + skip)
    print('%d passed, %d failed' % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
