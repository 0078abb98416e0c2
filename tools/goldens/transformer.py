"""Goldens of packages/transformer: tiny GPT-2 and Llama decoders in PyTorch, their loss, gradient norm and AdamW steps.

    python tools/goldens/transformer.py > packages/transformer/src/__fixtures__/decoders.json     (torch, CPU)

Weights follow a formula that the test repeats, so the file holds results only. Computed in double precision from weights rounded to
single; steps are taken in double precision too.
"""

import json
import math
import sys

import torch
import torch.nn.functional as F

VOCABULARY, WIDTH, LAYERS, HEADS, CONTEXT = 11, 8, 2, 4, 6
IDS = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 0, 1]]
TARGETS = [[2, 3, 4, 5, 6, 7], [8, 9, -1, 0, 1, -1]]
CONFIGS = {
    "gpt2": dict(hidden=32, kv_heads=4, head_width=2, norm="layer", positions="learned", activation="gelu", bias=True, tied=True),
    "gpt2 released": dict(hidden=32, kv_heads=4, head_width=2, norm="layer", positions="learned", activation="geluTanh", bias=True, tied=True),
    "nanogpt": dict(hidden=32, kv_heads=4, head_width=2, norm="layer", positions="learned", activation="gelu", bias=False, tied=True),
    "llama": dict(hidden=12, kv_heads=2, head_width=4, norm="rms", positions="rotary", activation="swiglu", bias=False, tied=False, interleaved=False),
    "llama2.c": dict(hidden=12, kv_heads=2, head_width=4, norm="rms", positions="rotary", activation="swiglu", bias=False, tied=True, interleaved=True),
}


def names_of(c):
    """Name and shape of every weight, in the order of the record."""
    inner, kv = HEADS * c["head_width"], c["kv_heads"] * c["head_width"]

    def linear(name, out, into):
        yield f"{name}.weight", [out, into]
        if c["bias"]:
            yield f"{name}.bias", [out]

    def norm(name):
        yield f"{name}.weight", [WIDTH]
        if c["bias"] and c["norm"] == "layer":
            yield f"{name}.bias", [WIDTH]

    yield "embedding.weight", [VOCABULARY, WIDTH]
    if c["positions"] == "learned":
        yield "positions.weight", [CONTEXT, WIDTH]
    for i in range(LAYERS):
        b = f"blocks.{i}"
        yield from norm(f"{b}.attentionNorm")
        yield from linear(f"{b}.attention.query", inner, WIDTH)
        yield from linear(f"{b}.attention.key", kv, WIDTH)
        yield from linear(f"{b}.attention.value", kv, WIDTH)
        yield from linear(f"{b}.attention.output", WIDTH, inner)
        yield from norm(f"{b}.feedForwardNorm")
        yield from linear(f"{b}.feedForward.up", c["hidden"], WIDTH)
        if c["activation"] == "swiglu":
            yield from linear(f"{b}.feedForward.gate", c["hidden"], WIDTH)
        yield from linear(f"{b}.feedForward.down", WIDTH, c["hidden"])
    yield from norm("norm")
    if not c["tied"]:
        yield "head.weight", [VOCABULARY, WIDTH]


def make_weights(c):
    out = {}
    for k, (name, shape) in enumerate(names_of(c)):
        count = math.prod(shape)
        base = 1.0 if "orm.weight" in name else 0.0
        values = [base + 0.4 * math.sin(1.7 * i + 0.9 * k + 1) for i in range(count)]
        out[name] = torch.tensor(values, dtype=torch.float32).double().reshape(shape).requires_grad_()
    return out


def forward(c, w, ids):
    def linear(name, x):
        return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    def norm(name, x):
        if c["norm"] == "rms":
            return F.rms_norm(x, [WIDTH], w[f"{name}.weight"], eps=1e-5)
        return F.layer_norm(x, [WIDTH], w[f"{name}.weight"], w.get(f"{name}.bias"), eps=1e-5)

    def turn(x):
        if c["positions"] != "rotary":
            return x
        half = c["head_width"] // 2
        angles = torch.outer(torch.arange(x.shape[2]).double(), 10000.0 ** (-torch.arange(half).double() / half))
        cos, sin = angles.cos(), angles.sin()
        a, b = (x[..., 0::2], x[..., 1::2]) if c["interleaved"] else (x[..., :half], x[..., half:])
        turned = (a * cos - b * sin, a * sin + b * cos)
        return torch.stack(turned, -1).flatten(-2) if c["interleaved"] else torch.cat(turned, -1)

    rows, length = ids.shape
    x = w["embedding.weight"][ids]
    if c["positions"] == "learned":
        x = x + w["positions.weight"][:length]
    for i in range(LAYERS):
        b = f"blocks.{i}"
        y = norm(f"{b}.attentionNorm", x)
        q, k, v = (linear(f"{b}.attention.{part}", y).view(rows, length, -1, c["head_width"]).transpose(1, 2) for part in ("query", "key", "value"))
        q, k = turn(q), turn(k)
        group = HEADS // c["kv_heads"]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(rows, length, -1)
        x = x + linear(f"{b}.attention.output", y)
        y = norm(f"{b}.feedForwardNorm", x)
        up = linear(f"{b}.feedForward.up", y)
        if c["activation"] == "swiglu":
            up = F.silu(linear(f"{b}.feedForward.gate", y)) * up
        else:
            up = F.gelu(up, approximate="tanh" if c["activation"] == "geluTanh" else "none")
        x = x + linear(f"{b}.feedForward.down", up)
    return F.linear(norm("norm", x), w["embedding.weight" if c["tied"] else "head.weight"])


def run(c):
    w = make_weights(c)
    ids, targets = torch.tensor(IDS), torch.tensor(TARGETS)
    logits = forward(c, w, ids)
    groups = [
        {"params": [p for p in w.values() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in w.values() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), eps=1e-8)
    steps = []
    for _ in range(3):
        loss = F.cross_entropy(forward(c, w, ids).flatten(0, 1), targets.flatten(), ignore_index=-1)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(w.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        steps.append({"loss": loss.item(), "gradNorm": norm.item()})
    with torch.no_grad():
        after = {name: {"sum": p.sum().item(), "first": p.flatten()[0].item()} for name, p in w.items()}
    return {"logits": [round(v, 9) for v in logits.flatten().tolist()], "steps": steps, "after": after}


json.dump(
    {"torch": torch.__version__, "ids": IDS, "targets": TARGETS, "decoders": {name: run({"interleaved": False, **c}) for name, c in CONFIGS.items()}},
    sys.stdout,
    separators=(",", ":"),
)
