"""What the peer scripts share: MNIST from $KILN_DATA_DIR, windows of steps, one line of JSON at the end."""
import gzip
import json
import os
import resource
import statistics
import time

LEAST_STEPS, LEAST_SECONDS = 50, 0.25
NETWORKS = {'mlp': ([128], 0.2), 'mlp1024': ([1024, 1024], 0.0)}  # hidden units, dropout


def age():
    """Seconds since this process was started."""
    with open('/proc/self/stat', encoding='ascii') as file:
        ticks = float(file.read().rsplit(')', 1)[1].split()[19])
    with open('/proc/uptime', encoding='ascii') as file:
        return float(file.read().split()[0]) - ticks / os.sysconf('SC_CLK_TCK')


def mnist(numpy):
    def array(name):
        with gzip.open(os.path.join(os.environ['KILN_DATA_DIR'], 'mnist', name + '.gz')) as file:
            data = file.read()
        rank = data[3]
        shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], 'big') for i in range(rank)]
        return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * rank).reshape(shape)
    images = [array(part + '-images-idx3-ubyte').astype(numpy.float32) / 255 for part in ('train', 't10k')]
    labels = [array(part + '-labels-idx1-ubyte').astype(numpy.int32) for part in ('train', 't10k')]
    return images[0], labels[0], images[1], labels[1]


def windows(run, count, unit):
    """Times `count` windows. run(n) trains n * unit steps and waits for them; a window has as many as it takes."""
    run(1)
    start = time.perf_counter()
    run(1)
    seconds = time.perf_counter() - start
    calls = max(1, -(-LEAST_STEPS // unit), int(LEAST_SECONDS / seconds) + 1)
    run(calls)
    times = []
    for _ in range(count):
        done, start = 0, time.perf_counter()
        while done == 0 or time.perf_counter() - start < LEAST_SECONDS:
            n = calls if done == 0 else max(1, calls // 8)
            run(n)
            done += n
        times.append((time.perf_counter() - start) / (done * unit))
    return times


def report(name, times, first_step, accuracy):
    print(json.dumps({'name': name, 'best_ms': 1e3 * min(times), 'median_ms': 1e3 * statistics.median(times),
                      'first_step_s': first_step, 'accuracy': accuracy,
                      'peak_rss_bytes': 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
