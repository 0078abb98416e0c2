"""The peer of the shakespeare bar: the same decoder, batch and optimiser in PyTorch on the CPU.

    python nanogpt.py DATA MODE THREADS      MODE: eager | compile
    python nanogpt.py DATA loss THREADS SEED

The second form trains all 2,000 steps and prints the loss over the whole validation part. The first speaks lines of JSON.
Each line with a number on standard input asks for that many training steps and is answered with their
times in milliseconds, so that whoever asks can take turns with another program. The first answer says that it is ready; warming
up, and compiling, happen before it. The recipe is nanoGPT's for shakespeare_char on a CPU: 4 layers, 4 heads, width 128, 64
characters, batches of 12, no dropout, no biases, AdamW with decay 0.1 on matrices, gradients clipped at 1.
"""

import json
import math
import os
import pathlib
import sys
import time

# The compiler would start a worker of 0.4 GB for every core that the host has, whatever this machine may use of them.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "lib"))
from peak import peak_mib  # noqa: E402

LAYERS, HEADS, WIDTH, LENGTH, ROWS = 4, 4, 128, 64, 12
STEPS, WARMUP, PEAK, FLOOR = 2000, 100, 1e-3, 1e-4


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x):
        rows, length, _ = x.shape
        q, k, v = (part.view(rows, length, HEADS, WIDTH // HEADS).transpose(1, 2) for part in self.qkv(x).split(WIDTH, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(rows, length, WIDTH))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, bias=False)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.down = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Decoder(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 / (2 * LAYERS) ** 0.5 if name.endswith(("out.weight", "down.weight")) else 0.02)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def main():
    path, mode, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    seed = int(sys.argv[4]) if mode == "loss" else 1
    torch.manual_seed(seed)
    text = open(path, encoding="utf-8").read()
    letters = sorted(set(text))
    index = {letter: i for i, letter in enumerate(letters)}
    whole = torch.from_numpy(np.fromiter((index[c] for c in text), dtype=np.int64))
    data, validation = whole.split([int(len(whole) * 0.9), len(whole) - int(len(whole) * 0.9)])
    model = Decoder(len(letters))
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    # The fused update is the faster one on a CPU too; nanoGPT itself asks for it on GPUs only.
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)
    run = torch.compile(model) if mode == "compile" else model
    draw = torch.Generator().manual_seed(seed)

    def step():
        start = time.perf_counter()
        starts = torch.randint(len(data) - LENGTH, (ROWS,), generator=draw)
        ids = torch.stack([data[s : s + LENGTH] for s in starts])
        targets = torch.stack([data[s + 1 : s + 1 + LENGTH] for s in starts])
        loss = run(ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        return 1000 * (time.perf_counter() - start), value

    def say(message):
        print(json.dumps({**message, "peakMiB": peak_mib()}), flush=True)

    if mode == "loss":
        for i in range(STEPS):
            progress = (i - WARMUP) / (STEPS - WARMUP)
            rate = PEAK * (i + 1) / (WARMUP + 1) if i < WARMUP else FLOOR + 0.5 * (1 + math.cos(math.pi * progress)) * (PEAK - FLOOR)
            for group in optimizer.param_groups:
                group["lr"] = rate
            step()
        windows = (len(validation) - 1) // LENGTH
        ids = validation[: windows * LENGTH].view(windows, LENGTH)
        targets = validation[1 : windows * LENGTH + 1].view(windows, LENGTH)
        with torch.no_grad():
            total = sum(model(a, b).item() * len(a) for a, b in zip(ids.split(64), targets.split(64)))
        return say({"validationLoss": total / windows})

    for _ in range(10):
        step()
    say({"ready": True, "runtime": f"torch {torch.__version__}, {mode}, {torch.get_num_threads()} threads", "parameters": sum(p.numel() for p in model.parameters())})
    for line in sys.stdin:
        results = [step() for _ in range(int(line))]
        say({"milliseconds": [ms for ms, _ in results], "loss": results[-1][1]})


if __name__ == "__main__":
    main()
