"""The benchmark networks in PyTorch, eager: peer_torch.py NETWORK BATCH WINDOWS"""
import os
import sys

import numpy as np
import torch

import peer

network, batch, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', os.cpu_count())))
torch.set_flush_denormal(True)
torch.manual_seed(1)
x, y, x_test, y_test = (torch.from_numpy(a) for a in peer.mnist(np))
y, y_test = y.long(), y_test.long()


class Block(torch.nn.Module):
    """Two convolutions, and a way past them; where the map gets smaller, through a convolution."""

    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.body = torch.nn.Sequential(*convolution(inputs, filters, 3, stride), torch.nn.ReLU(),
                                        *convolution(filters, filters, 3, 1))
        self.past = torch.nn.Sequential(*(convolution(inputs, filters, 1, stride) if stride > 1 else []))

    def forward(self, values):
        return torch.relu(self.past(values) + self.body(values))


def convolution(inputs, filters, size, stride):
    return [torch.nn.Conv2d(inputs, filters, size, stride, size // 2, bias=False), torch.nn.BatchNorm2d(filters)]


class Recurrent(torch.nn.Module):
    """Characters (or, without words, series) through a recurrent layer to each step's (or the last step's) classes."""

    def __init__(self, layer, words, inputs, units, classes):
        super().__init__()
        self.embedding = torch.nn.Embedding(words, inputs) if words else torch.nn.Identity()
        self.layer = layer(inputs, units, batch_first=True)
        self.dense = torch.nn.Linear(units, classes)
        self.last = not words

    def forward(self, values):
        values = self.layer(self.embedding(values))[0]
        return self.dense(values[:, -1] if self.last else values.flatten(0, 1))


if network in ('lstm', 'gru'):  # on random characters: figures of time alone
    x, y = torch.randint(0, 65, (1024, 64)), torch.randint(0, 65, (1024, 64))
    x_test, y_test = x[:32], y[:32].flatten()
    model = Recurrent(torch.nn.LSTM if network == 'lstm' else torch.nn.GRU, 65, 64, 256, 65)
elif network == 'lstm512':  # on random series
    x, y = torch.rand(1024, 512, 16), torch.randint(0, 4, (1024,))
    x_test, y_test = x[:8], y[:8]
    model = Recurrent(torch.nn.LSTM, 0, 16, 64, 4)
elif network == 'resnet20':  # on random pictures: figures of time alone
    x = torch.randint(0, 256, (1024, 3, 32, 32)).float().to(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (1024,))
    x_test, y_test = x[:128], y[:128]
    model = torch.nn.Sequential(
        *convolution(3, 16, 3, 1), torch.nn.ReLU(),
        *[Block(8 << stage if stage and not block else 16 << stage, 16 << stage, 2 if stage and not block else 1)
          for stage in range(3) for block in range(3)],
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 10)).to(memory_format=torch.channels_last)
elif network == 'cnn':  # channels last is the faster layout on a CPU
    x, x_test = (a[:, None].to(memory_format=torch.channels_last) for a in (x, x_test))
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 32, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(32, 64, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(1600, 10)).to(memory_format=torch.channels_last)
else:
    hidden, rate = peer.NETWORKS[network]
    x, x_test = x.flatten(1), x_test.flatten(1)
    layers, size = [], 784
    for units in hidden:
        layers += [torch.nn.Linear(size, units), torch.nn.ReLU()] + ([torch.nn.Dropout(rate)] if rate else [])
        size = units
    model = torch.nn.Sequential(*layers, torch.nn.Linear(size, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
order = torch.empty(0, dtype=torch.long)


def run(steps):
    global order
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(x))
        index, order = order[:batch], order[batch:]
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x[index]), y[index].flatten()).backward()
        optimizer.step()


run(1)
first_step = peer.age()
times = peer.windows(run, count, 1)
model.eval()
with torch.no_grad():
    accuracy = float((model(x_test).argmax(1) == y_test).float().mean())
peer.report('PyTorch %s' % torch.__version__.split('+')[0], times, first_step, accuracy)
