"""Characters written one at a time by the character model, in PyTorch, eager: peer_generate.py WINDOWS"""
import os
import sys
import time

import torch

import peer

CHARACTERS, UNITS, LENGTH = 65, 256, 1000
torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', os.cpu_count())))
torch.set_flush_denormal(True)
torch.manual_seed(1)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(CHARACTERS, 64)
        self.lstm = torch.nn.LSTM(64, UNITS, batch_first=True)
        self.dense = torch.nn.Linear(UNITS, CHARACTERS)

    def forward(self, x, state):
        y, state = self.lstm(self.embedding(x), state)
        return self.dense(y[:, -1]), state


model, times, first = Model().eval(), [], None
with torch.inference_mode():
    x, state = torch.zeros(1, 1, dtype=torch.long), None
    for window in range(int(sys.argv[1]) + 1):
        start = time.perf_counter()
        for _ in range(LENGTH):
            scores, state = model(x, state)
            x = torch.multinomial(torch.softmax(scores / 0.8, -1), 1)
            first = first or peer.age()
            int(x)  # the character is shown
        if window:
            times.append((time.perf_counter() - start) / LENGTH)
peer.report('PyTorch %s' % torch.__version__.split('+')[0], times, first, None)
