"""The benchmark networks in JAX: peer_jax.py NETWORK BATCH WINDOWS step|epoch

`epoch` compiles a whole shuffled epoch into one call (lax.scan over data that stays on the device); `step` makes a
call for each step."""
import sys

import jax
import jax.numpy as jnp
import numpy as np

import peer

network, batch, count, form = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
hidden, rate = peer.NETWORKS[network]
x, y, x_test, y_test = peer.mnist(np)
x, x_test = jnp.asarray(x.reshape(len(x), -1)), jnp.asarray(x_test.reshape(len(x_test), -1))
y, y_test = jnp.asarray(y), jnp.asarray(y_test)
sizes = [784] + hidden + [10]
draws = jax.random.split(jax.random.key(1), len(sizes))
weights = []
for i, (fan_in, fan_out) in enumerate(zip(sizes, sizes[1:])):
    limit = (6 / (fan_in + fan_out)) ** 0.5
    weights.append((jax.random.uniform(draws[i], (fan_in, fan_out), minval=-limit, maxval=limit), jnp.zeros(fan_out)))


def forward(weights, rows, key):
    for kernel, bias in weights[:-1]:
        rows = jax.nn.relu(rows @ kernel + bias)
        if key is not None and rate:
            rows = jnp.where(jax.random.bernoulli(key, 1 - rate, rows.shape), rows / (1 - rate), 0)
    kernel, bias = weights[-1]
    return rows @ kernel + bias


def loss(weights, rows, labels, key):
    scores = jax.nn.log_softmax(forward(weights, rows, key))
    return -jnp.take_along_axis(scores, labels[:, None], 1).mean()


def step(state, index):
    weights, first, second, number, key = state
    key, draw = jax.random.split(key)
    value, slopes = jax.value_and_grad(loss)(weights, x[index], y[index], draw)
    number += 1
    first = jax.tree.map(lambda m, g: m + 0.1 * (g - m), first, slopes)
    second = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), second, slopes)
    size = 0.001 * jnp.sqrt(1 - 0.999 ** number) / (1 - 0.9 ** number)
    weights = jax.tree.map(lambda w, m, v: w - size * m / (jnp.sqrt(v) + 1e-7), weights, first, second)
    return (weights, first, second, number, key), value


zeros = jax.tree.map(jnp.zeros_like, weights)
state = (weights, zeros, jax.tree.map(jnp.zeros_like, weights), jnp.zeros(()), jax.random.key(2))
random, per_epoch = np.random.default_rng(1), len(x) // batch
one = jax.jit(step, donate_argnums=0)
whole = jax.jit(lambda state, order: jax.lax.scan(step, state, order), donate_argnums=0)
order = []


def shuffled():
    return jnp.asarray(random.permutation(len(x))[:per_epoch * batch].reshape(per_epoch, batch))


def run(calls):
    global state, order
    for _ in range(calls):
        if form == 'epoch':
            state, value = whole(state, shuffled())
        else:
            if not order:
                order = list(shuffled())
            state, value = one(state, order.pop())
    value.block_until_ready()


run(1)
first_step = peer.age()
times = peer.windows(run, count, per_epoch if form == 'epoch' else 1)
accuracy = float((jnp.argmax(forward(state[0], x_test, None), 1) == y_test).mean())
peer.report('JAX %s, %s' % (jax.__version__, 'an epoch a call' if form == 'epoch' else 'a step a call'), times,
            first_step, accuracy)
