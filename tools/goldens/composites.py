"""Goldens of the composite operations. Each function fills one file."""

import math

import torch
import torch.nn.functional as F

from golden import Goldens, ints, reals, wave
from primitives import halves


def matmul() -> Goldens:
    out = Goldens("matmul")
    activations = {
        None: lambda x: x,
        "gelu": F.gelu,
        "geluTanh": lambda x: F.gelu(x, approximate="tanh"),
        "relu": torch.relu,
        "silu": F.silu,
    }

    def product(transA=False, transB=False, alpha=1.0, activation=None):
        def run(a, b, bias=None):
            y = alpha * (a.transpose(-1, -2) if transA else a) @ (b.transpose(-1, -2) if transB else b)
            return activations[activation](y if bias is None else y + bias)

        return run

    def add(a, b, bias=None, name="", **attrs):
        inputs = (a, b) if bias is None else (a, b, bias)
        out.add("matmul", product(**attrs), *inputs, attrs=attrs, name=name)

    add(wave(3, 4), wave(4, 5, step=0.7))
    add(wave(4, 3), wave(5, 4, step=0.7), transA=True, transB=True, alpha=0.5, name="both transposed, scaled")
    add(wave(3, 4), wave(5, 4, step=0.7), wave(5, step=0.4), transB=True, name="linear layer")
    add(wave(2, 3, 4), wave(4, 5, step=0.7), wave(5, step=0.4), name="batch by matrix")
    add(wave(2, 3, 4), wave(5, 4, step=0.7), transB=True, name="batch by transposed matrix")
    add(wave(2, 4, 3), wave(4, 5, step=0.7), transA=True, name="transposed batch by matrix")
    add(wave(4, 3), wave(2, 4, 5, step=0.7), transA=True, name="matrix by batch")
    add(wave(2, 1, 3, 4), wave(3, 4, 2, step=0.7), name="batches broadcast")
    add(wave(2, 3, 4), wave(2, 5, 4, step=0.7), transB=True, alpha=0.25, name="attention scores")
    add(wave(1, 4), wave(4, 1, step=0.7), name="dot product")
    add(wave(3, 0), wave(0, 2), name="nothing to sum")
    for activation in ("gelu", "geluTanh", "relu", "silu"):
        add(wave(3, 4), wave(4, 5, step=0.7), wave(5, step=0.4), activation=activation, name=activation)
    for dtype, label in halves:
        add(wave(3, 4).to(dtype), wave(4, 2, step=0.7).to(dtype), name=label)
    return out


def quantized() -> Goldens:
    out = Goldens("quantized")

    def unpack(packed: torch.Tensor, bits: int) -> torch.Tensor:
        """[N, blocks, bytes] → signed integers [N, blocks, 32]; low nibble first."""
        if bits == 8:
            return packed.double() - 128
        return torch.stack((packed & 15, packed >> 4), -1).flatten(-2).double() - 8

    def dequantize(bits):
        def run(packed, scales, mins=None):
            values = unpack(packed, bits) * scales.unsqueeze(-1)
            return (values if mins is None else values - mins.unsqueeze(-1)).flatten(1)

        return run

    for bits, block in ((4, 32), (8, 32), (4, 16), (8, 16)):
        size = block * bits // 8
        packed = ((torch.arange(3 * 2 * size) * 73 + 11) % 256).to(torch.uint8).reshape(3, 2, size)
        scales = wave(3, 2, scale=0.02, shift=0.05)
        mins = wave(3, 2, step=0.6, scale=0.3)
        attrs = {"bits": bits} if block == 32 else {"bits": bits, "block": block}
        name = f"{bits} bits" if block == 32 else f"{bits} bits in blocks of {block}"
        for extra, label in (((), ""), ((mins,), " with minimums")):
            compute = dequantize(bits)
            out.add("dequantize", compute, packed, scales, *extra, attrs=attrs, name=f"{name}{label}", grad=False)
            # The gradient goes to x alone: weights are constants.
            x = wave(2, 2 * block)
            multiply = lambda x, packed, *rest: x @ compute(packed, *(r.detach() for r in rest)).T
            out.add("qmatmul", multiply, x, packed, scales, *extra, attrs=attrs, name=f"{name}{label}")
            out.items[-1]["grads"] = [out.items[-1]["grads"][0]] + [None] * (2 + len(extra))

    # Row i of x by the weights of its own choice, as torch.nn.functional.linear has them.
    def chosen_products(bits):
        def run(x, chosen, packed, scales, mins=None):
            weights = [dequantize(bits)(packed[i], scales[i].detach(), None if mins is None else mins[i].detach()) for i in range(len(packed))]
            rows = x.expand(-1, chosen.shape[1], -1)
            return torch.stack([torch.stack([F.linear(rows[t, a], weights[e]) for a, e in enumerate(ids)]) for t, ids in enumerate(chosen.tolist())])

        return run

    for bits, own, tokens in ((4, 1, 2), (8, 2, 2), (8, 1, 9)):
        size = 4 * bits
        packed = ((torch.arange(3 * 3 * 2 * size) * 73 + 11) % 256).to(torch.uint8).reshape(3, 3, 2, size)
        scales, mins = wave(3, 3, 2, scale=0.02, shift=0.05), wave(3, 3, 2, step=0.6, scale=0.3)
        chosen = (torch.arange(2 * tokens, dtype=torch.int32).reshape(tokens, 2) * 5 + 2) % 3
        for extra, label in (((), ""), ((mins,), " with minimums")):
            name = f"{bits} bits, {tokens} rows{' each' if own == 2 else ''}{label}"
            out.add("qmatmulChosen", chosen_products(bits), wave(tokens, own, 64), chosen, packed, scales, *extra, attrs={"bits": bits}, name=name)
            out.items[-1]["grads"] = [out.items[-1]["grads"][0]] + [None] * (3 + len(extra))
    return out


def norms() -> Goldens:
    out = Goldens("norms")
    for axis, shape in ((1, (3, 5)), (0, (4, 3)), (2, (2, 2, 4))):
        softmax = lambda x: torch.softmax(x, axis)
        out.add("softmax", softmax, wave(*shape, scale=3.0), attrs={"axis": axis}, name=f"axis {axis}")
        out.add("logSoftmax", lambda x: torch.log_softmax(x, axis), wave(*shape, scale=3.0), attrs={"axis": axis}, name=f"axis {axis}")
    large = reals(1000, 999, -1000, -math.inf, 0, -math.inf).reshape(2, 3)
    out.add("softmax", lambda x: torch.softmax(x, 1), large, attrs={"axis": 1}, name="large and masked", single=True, grad=False)
    out.add("logSoftmax", lambda x: torch.log_softmax(x, 1), large, attrs={"axis": 1}, name="large and masked", single=True, grad=False)
    for dtype, label in halves:
        out.add("softmax", lambda x: torch.softmax(x, 1), wave(2, 5).to(dtype), attrs={"axis": 1}, name=label)
    softmax_grad = lambda y, dy: y * (dy - (y * dy).sum(1, keepdim=True))
    out.add("softmaxGrad", softmax_grad, torch.softmax(wave(3, 5), 1).float().double(), wave(3, 5, step=0.6), attrs={"axis": 1})

    def layer_norm(x, weight, bias=None, eps=1e-5):
        mean = x.mean(-1, keepdim=True)
        rstd = (x.var(-1, unbiased=False, keepdim=True) + eps).rsqrt()
        return F.layer_norm(x, x.shape[-1:], weight, bias, eps), mean, rstd

    weight = wave(6, step=0.5, scale=0.5, shift=1.0)
    bias = wave(6, step=0.8)
    x = wave(2, 3, 6, scale=2.0, shift=0.7)
    out.add("layerNorm", layer_norm, x, weight, bias, attrs={"eps": 1e-5})
    out.add("layerNorm", lambda x, w: layer_norm(x, w, eps=0.1), x, weight, attrs={"eps": 0.1}, name="without bias")
    out.add("layerNorm", layer_norm, wave(2, 6, scale=1e-3), weight, bias, attrs={"eps": 1e-5}, name="small variance")

    def rms_norm(x, weight, eps=1e-5):
        rstd = (x.square().mean(-1, keepdim=True) + eps).rsqrt()
        return F.rms_norm(x, x.shape[-1:], weight, eps), rstd

    out.add("rmsNorm", rms_norm, x, weight, attrs={"eps": 1e-5})
    out.add("rmsNorm", lambda x, w: rms_norm(x, w, 0.1), wave(4, 6), weight, attrs={"eps": 0.1}, name="large epsilon")
    for dtype, label in halves:
        out.add("logSoftmax", lambda x: torch.log_softmax(x, 1), wave(2, 5).to(dtype), attrs={"axis": 1}, name=label)
        out.add("layerNorm", layer_norm, wave(2, 6).to(dtype), weight.to(dtype), bias.to(dtype), attrs={"eps": 1e-5}, name=label, wide=(1, 2))
        out.add("rmsNorm", rms_norm, wave(2, 6).to(dtype), weight.to(dtype), attrs={"eps": 1e-5}, name=label, wide=(1,))

    def layer_norm_grad(x, weight, mean, rstd, dy):
        return torch.ops.aten.native_layer_norm_backward(dy, x, x.shape[-1:], mean, rstd, weight, torch.zeros_like(weight), [True] * 3)

    dy = wave(2, 3, 6, step=0.6)
    _, mean, rstd = (t.float().double() for t in layer_norm(x, weight))
    out.add("layerNormGrad", layer_norm_grad, x, weight, mean, rstd, dy, grad=False)

    def rms_norm_grad(x, weight, rstd, dy):
        leaves = [t.detach().clone().requires_grad_(True) for t in (x, weight)]
        return torch.autograd.grad(F.rms_norm(leaves[0], x.shape[-1:], leaves[1], 1e-5), leaves, dy)

    out.add("rmsNormGrad", rms_norm_grad, x, weight, rms_norm(x, weight)[1].float().double(), dy, grad=False)
    return out


def rope() -> Goldens:
    out = Goldens("rope")

    def half_rotation(x, cos, sin, positions):
        """Hugging Face's Llama: x·cos + rotate_half(x)·sin with both tables repeated over the halves."""
        width = cos.shape[1] * 2
        rotated, rest = x[..., :width], x[..., width:]
        rows = positions.long()
        c = torch.cat((cos, cos), -1)[rows]
        s = torch.cat((sin, sin), -1)[rows]
        if positions.ndim == 2:
            c, s = c.unsqueeze(1), s.unsqueeze(1)
        a, b = rotated[..., : width // 2], rotated[..., width // 2 :]
        return torch.cat((rotated * c + torch.cat((-b, a), -1) * s, rest), -1)

    def pair_rotation(x, cos, sin, positions):
        """GPT-J and llama2.c: neighbours are the real and imaginary part of a complex number that is turned."""
        width = cos.shape[1] * 2
        turn = torch.complex(cos, sin)[positions.long()]
        if positions.ndim == 2:
            turn = turn.unsqueeze(1)
        pairs = torch.view_as_complex(x[..., :width].reshape(*x.shape[:-1], width // 2, 2).contiguous())
        return torch.cat((torch.view_as_real(pairs * turn).flatten(-2), x[..., width:]), -1)

    def tables(rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        angles = torch.arange(rows).double()[:, None] * 10000.0 ** (-torch.arange(0, width, 2).double() / width)
        return angles.cos().float().double(), angles.sin().float().double()

    # Tables are constants of the model: no gradient is asked for.
    fixed = lambda rotate: lambda x, cos, sin, positions: rotate(x, cos.detach(), sin.detach(), positions)
    for rotate, interleaved, label in ((half_rotation, False, "halves"), (pair_rotation, True, "pairs")):
        attrs = {"interleaved": interleaved}
        x = wave(2, 2, 3, 8)
        for positions, kind in ((ints(0, 1, 2), ""), (ints(4, 5, 6), " from 4"), (ints(0, 3, 1, 6, 2, 2).reshape(2, 3), " per row")):
            out.add("rope", fixed(rotate), x, *tables(7, 8), positions, attrs=attrs, name=label + kind)
            out.items[-1]["grads"][1:] = [None] * 3
        for dtype, kind in halves:
            out.add("rope", fixed(rotate), wave(1, 2, 2, 4).to(dtype), *tables(3, 4), ints(1, 2), attrs=attrs, name=f"{label} {kind}")
            out.items[-1]["grads"][1:] = [None] * 3
        out.add("rope", fixed(rotate), x, *tables(7, 4), ints(1, 2, 3), attrs=attrs, name=f"{label}, part of the width")
        out.items[-1]["grads"][1:] = [None] * 3
    return out


def attention() -> Goldens:
    out = Goldens("attention")

    def visible(t: int, s: int, window=None, length=None, causal=True) -> torch.Tensor:
        """Which keys each query sees; ends are aligned (or the queries end at `length`)."""
        end = s if length is None else length
        query = torch.arange(t)[:, None] + end - t
        key = torch.arange(s)[None, :]
        keep = key < end
        if causal:
            keep = keep & (key <= query)
        if window is not None:
            keep = keep & (key > query - window)
        return keep

    def attend(causal=False, scale=1.0, window=None, softcap=None, length=None):
        def run(q, k, v, mask=None):
            keep = visible(q.shape[2], k.shape[2], window, length, causal)
            if softcap is None:
                bias = torch.zeros(keep.shape, dtype=torch.float64).masked_fill(~keep, -math.inf)
                if mask is not None:
                    bias = bias.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else bias + mask
                return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale, enable_gqa=True)
            group = q.shape[1] // k.shape[1]
            keys, values = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
            scores = softcap * torch.tanh(q @ keys.transpose(-1, -2) * scale / softcap)
            return torch.softmax(scores.masked_fill(~keep, -math.inf), -1) @ values

        return run

    def add(q, k, v, mask=None, name="", **attrs):
        attrs = {"causal": False, "scale": 0.5, **attrs}
        inputs = (q, k, v) if mask is None else (q, k, v, mask)
        out.add("attention", attend(**attrs), *inputs, attrs=attrs, name=name)

    def qkv(heads=2, groups=2, t=3, s=3, batch=1, width=4):
        return wave(batch, heads, t, width), wave(batch, groups, s, width, step=0.7), wave(batch, groups, s, width, step=0.9)

    add(*qkv(batch=2), name="full")
    add(*qkv(), causal=True, name="causal")
    add(*qkv(t=2, s=5), causal=True, name="causal, ends aligned")
    add(*qkv(heads=4, groups=2, t=3, s=4), causal=True, name="grouped")
    add(*qkv(heads=3, groups=1), name="one key head")
    keep = torch.tensor([[True, False, True], [True, True, False], [False, False, True]]).reshape(1, 1, 3, 3)
    add(*qkv(), keep, name="bool mask")
    add(*qkv(), keep[:, :, :1], causal=True, name="bool mask and causal")
    add(*qkv(), wave(1, 2, 3, 3, step=0.4), name="bias")
    add(*qkv(t=2, s=4), wave(2, 4, step=0.4), name="bias of two axes")
    add(*qkv(t=5, s=5), causal=True, window=2, name="window")
    add(*qkv(t=2, s=6), causal=True, window=3, name="window, ends aligned")
    add(*qkv(), causal=True, softcap=2.0, name="soft cap")
    add(*qkv(heads=4, groups=2, t=4, s=4), causal=True, softcap=1.5, window=2, name="soft cap and window")
    add(*qkv(t=2, s=6), causal=True, length=4, name="length")
    add(*qkv(t=2, s=6), length=4, name="length without causal")
    # PyTorch gives 0 to a query that sees no key, and so do we.
    blind = torch.tensor([[True, False, True], [False, False, False], [False, False, True]])
    add(*qkv(), blind, name="a query that sees nothing")
    add(*qkv(t=3, s=2), causal=True, name="more queries than keys")

    def forward(causal=False, scale=1.0, window=None, softcap=None, length=None):
        def run(q, k, v, mask=None):
            keep = visible(q.shape[2], k.shape[2], window, length, causal)
            group = q.shape[1] // k.shape[1]
            scores = q @ k.repeat_interleave(group, 1).transpose(-1, -2) * scale
            if softcap is not None:
                scores = softcap * torch.tanh(scores / softcap)
            if mask is not None:
                scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
            scores = scores.masked_fill(~keep, -math.inf)
            return torch.softmax(scores, -1) @ v.repeat_interleave(group, 1), torch.logsumexp(scores, -1)

        return run

    def add_trained(q, k, v, mask=None, name="", **attrs):
        attrs = {"causal": False, "scale": 0.5, **attrs}
        inputs = (q, k, v) if mask is None else (q, k, v, mask)
        out.add("attentionForward", forward(**attrs), *inputs, attrs=attrs, name=name)
        gradient = wave(*q.shape, step=1.1)

        def backward(q, k, v, dout, sums, delta, mask=None):
            leaves = [tensor.detach().double().requires_grad_() for tensor in (q, k, v)]
            result, _ = forward(**attrs)(*leaves, *(() if mask is None else (mask,)))
            return torch.autograd.grad(result, leaves, dout.detach())

        with torch.no_grad():
            result, sums = forward(**attrs)(*inputs)
        delta = (result * gradient).sum(-1).float().double()
        rest = () if mask is None else (mask,)
        out.add("attentionGrad", backward, q, k, v, gradient, sums.float().double(), delta, *rest, attrs=attrs, name=name, grad=False)

    add_trained(*qkv(batch=2), name="full")
    add_trained(*qkv(t=2, s=5), causal=True, name="causal, ends aligned")
    add_trained(*qkv(heads=4, groups=2, t=3, s=4), causal=True, name="grouped")
    add_trained(*qkv(), keep, name="bool mask")
    add_trained(*qkv(), wave(1, 2, 3, 3, step=0.4), name="bias")
    add_trained(*qkv(t=5, s=5), causal=True, window=2, softcap=1.5, name="window and soft cap")
    add_trained(*qkv(t=2, s=6), causal=True, length=4, name="length")

    def softmax_matmul(scores, v):
        p = torch.softmax(scores, -1)
        return p @ v, p

    out.add("softmaxMatmul", softmax_matmul, wave(2, 3, 5, scale=3.0), wave(2, 5, 2, step=0.7))
    out.add("softmaxMatmul", softmax_matmul, wave(2, 2, 3, 5), wave(2, 1, 5, 4, step=0.7), name="shared values")
    for dtype, label in halves:
        add(*(t.to(dtype) for t in qkv(heads=4, groups=2, t=2, s=3)), causal=True, name=label)

    def put(cache, rows, positions):
        y = cache.clone()
        for b in range(cache.shape[0]):
            at = int(positions if positions.ndim == 0 else positions[b])
            y[b, :, at : at + rows.shape[2]] = rows[b]
        return y

    rows, cache = wave(2, 2, 2, 3, step=0.7), wave(2, 2, 6, 3)
    out.add("cacheWrite", put, cache, rows, ints(3).reshape(()), name="one position", grad=False)
    out.add("cacheWrite", put, cache, rows, ints(0, 4), name="position per row", grad=False)

    def attend_filled(q, keys, values, positions, scores):
        results = []
        for b in range(q.shape[0]):
            length = int(positions if positions.ndim == 0 else positions[b]) + q.shape[2]
            one = slice(b, b + 1)
            results.append(attend(True, *scores)(q[one], keys[one, :, :length], values[one, :, :length]))
        return torch.cat(results)

    def cached(scale=1.0, window=None, softcap=None):
        def run(q, k, v, cache_k, cache_v, positions):
            full_k, full_v = put(cache_k, k, positions), put(cache_v, v, positions)
            return attend_filled(q, full_k, full_v, positions, (scale, window, softcap)), full_k, full_v

        return run

    for name, positions, t, extra in (
        ("first tokens", ints(0).reshape(()), 3, {}),
        ("one token later", ints(4).reshape(()), 1, {}),
        ("several tokens later", ints(2).reshape(()), 3, {}),
        ("position per row", ints(1, 5), 1, {}),
        ("several per row", ints(0, 3), 2, {}),
        ("window", ints(4).reshape(()), 2, {"window": 3}),
        ("soft cap", ints(4).reshape(()), 1, {"softcap": 1.5}),
    ):
        attrs = {"scale": 0.5, **extra}
        q, k, v = qkv(heads=4, groups=2, t=t, s=t, batch=2)
        out.add("attendCached", cached(**attrs), q, k, v, wave(2, 2, 7, 4, step=0.35), wave(2, 2, 7, 4, step=0.55), positions, attrs=attrs, name=name, grad=False)

    def put_pages(pool, rows, table, positions):
        y, size = pool.clone(), pool.shape[2]
        for b in range(rows.shape[0]):
            for t in range(rows.shape[2]):
                position = int(positions if positions.ndim == 0 else positions[b]) + t
                block = int(table[b, position // size])
                if 0 <= block < pool.shape[0]:
                    y[block, :, position % size] = rows[b, :, t]
        return y

    def in_pages(scale=1.0, window=None, softcap=None):
        def run(q, k, v, pool_k, pool_v, table, positions):
            full_k, full_v = put_pages(pool_k, k, table, positions), put_pages(pool_v, v, table, positions)
            keys, values = (pool[table.long().clamp(min=0)].transpose(1, 2).flatten(2, 3) for pool in (full_k, full_v))
            return attend_filled(q, keys, values, positions, (scale, window, softcap)), full_k, full_v

        return run

    table = ints(3, 0, 4, 1, 5, -1).reshape(2, 3)
    pools = [wave(6, 2, 3, 4, step=0.35), wave(6, 2, 3, 4, step=0.55)]
    out.add("pagedWrite", put_pages, pools[0], wave(2, 2, 2, 4, step=0.7), table, ints(2).reshape(()), name="one position", grad=False)
    out.add("pagedWrite", put_pages, pools[0], wave(2, 2, 3, 4, step=0.7), table, ints(5, 1), name="position per row", grad=False)
    out.add("pagedWrite", put_pages, pools[0], wave(2, 2, 1, 4, step=0.7), table, ints(8, 7), name="no block for a row", grad=False)
    for name, positions, t, extra in (
        ("first tokens", ints(0).reshape(()), 3, {}),
        ("one token later", ints(4).reshape(()), 1, {}),
        ("position per row", ints(7, 2), 1, {}),
        ("several per row", ints(4, 1), 3, {}),
        ("window", ints(4).reshape(()), 2, {"window": 3}),
        ("soft cap", ints(4).reshape(()), 1, {"softcap": 1.5}),
    ):
        attrs = {"scale": 0.5, **extra}
        q, k, v = qkv(heads=4, groups=2, t=t, s=t, batch=2)
        out.add("attendPaged", in_pages(**attrs), q, k, v, *pools, table, positions, attrs=attrs, name=name, grad=False)
    return out


def losses() -> Goldens:
    out = Goldens("losses")
    nll = lambda ignore=-100: lambda logits, labels: F.cross_entropy(logits.flatten(0, -2), labels.long().flatten(), reduction="none", ignore_index=ignore).reshape(labels.shape)
    labels = ints(4, 0, 2)
    out.add("crossEntropy", nll(), wave(3, 5, scale=3.0), labels)
    out.add("crossEntropy", nll(), wave(2, 3, 4, scale=3.0), ints(3, 0, 1, 1, 2, 0).reshape(2, 3), name="batch")
    out.add("crossEntropy", nll(-1), wave(4, 5), ints(1, -1, 3, -1), attrs={"ignoreIndex": -1}, name="ignored")
    out.add("crossEntropy", nll(-100), wave(3, 5), ints(-100, 4, 0), attrs={"ignoreIndex": -100}, name="ignored -100")
    for dtype, label in halves:
        out.add("crossEntropy", nll(), wave(3, 5).to(dtype), labels, name=label, wide=(0,))
    out.add("crossEntropy", nll(), reals(1000, -1000, 0, -1000, 1000, 0).reshape(2, 3), ints(0, 0), name="large", single=True)

    def nll_grad(ignore):
        def run(logits, labels, g):
            leaf = logits.detach().clone().requires_grad_(True)
            return torch.autograd.grad(nll(ignore)(leaf, labels), leaf, g)[0]

        return run

    g = wave(3, step=0.6)
    out.add("crossEntropyGrad", nll_grad(-100), wave(3, 5, scale=3.0), labels, g, grad=False)
    out.add("crossEntropyGrad", nll_grad(-1), wave(3, 5), ints(-1, 4, 0), g, attrs={"ignoreIndex": -1}, name="ignored", grad=False)

    def logprob(hidden, head, labels, bias=None):
        logits = hidden @ head.T if bias is None else hidden @ head.T + bias
        return torch.log_softmax(logits, -1).gather(1, labels.long()[:, None])[:, 0], torch.logsumexp(logits, -1)

    hidden, head, targets = wave(3, 4), wave(10, 4, step=0.7), ints(9, 0, 4)
    out.add("tokenLogprob", logprob, hidden, head, targets)
    out.add("tokenLogprob", logprob, hidden, head, targets, wave(10, step=0.4), name="bias")
    for chunk in (3, 5):
        out.add("tokenLogprob", logprob, hidden, head, targets, attrs={"chunk": chunk}, name=f"chunks of {chunk}")
        out.add("tokenLogprob", logprob, hidden, head, targets, wave(10, step=0.4), attrs={"chunk": chunk}, name=f"bias, chunks of {chunk}")
    for dtype, label in halves:
        out.add("tokenLogprob", logprob, hidden.to(dtype), head.to(dtype), targets, attrs={"chunk": 4}, name=label, wide=(0, 1))
    return out


def optimizers() -> Goldens:
    out = Goldens("optimizers")
    settings = dict(lr=0.01, betas=(0.9, 0.95), eps=1e-6, weight_decay=0.1)
    attrs = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-6, "weightDecay": 0.1, "epsMode": "torch"}
    p = wave(2, 3)
    m = v = torch.zeros(2, 3, dtype=torch.float64)
    parameter = torch.nn.Parameter(p.clone())
    optimizer = torch.optim.AdamW([parameter], **settings)
    lr = torch.tensor(settings["lr"], dtype=torch.float64)
    for step in (1, 2, 3):
        gradient = wave(2, 3, step=0.4 + 0.3 * step, scale=10.0 ** (1 - step))

        def torch_step(p, g, m, v, lr, t):
            parameter.grad = g.detach().clone()
            optimizer.step()
            state = optimizer.state[parameter]
            return parameter.detach().clone(), state["exp_avg"].clone(), state["exp_avg_sq"].clone()

        counter = torch.tensor(float(step), dtype=torch.float64)
        p, m, v = out.add("adamwStep", torch_step, p, gradient, m, v, lr, counter, attrs=attrs, name=f"step {step}", grad=False)

    def tensorflow_step(p, g, m, v, lr, t):
        """The form of the Adam paper's section 2, with epsilon beside the uncorrected root, as TensorFlow has it."""
        m = 0.9 * m + 0.1 * g
        v = 0.95 * v + 0.05 * g * g
        rate = lr * (1 - 0.95**t).sqrt() / (1 - 0.9**t)
        return p * (1 - lr * 0.1) - rate * m / (v.sqrt() + 1e-3), m, v

    out.add("adamwStep", tensorflow_step, p.float().double(), wave(2, 3, step=1.9), m.float().double(), v.float().double(), lr, torch.tensor(4.0).double(), attrs={**attrs, "eps": 1e-3, "epsMode": "tensorflow"}, name="tensorflow", grad=False)
    return out


files = (matmul, quantized, norms, rope, attention, losses, optimizers)
