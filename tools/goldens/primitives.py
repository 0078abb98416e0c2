"""Goldens of the primitive operations. Each function fills one file."""

import math

import torch

from golden import Goldens, ints, reals, wave

inf = math.inf
nan = math.nan
halves = ((torch.float16, "f16"), (torch.bfloat16, "bf16"))


def unary() -> Goldens:
    out = Goldens("unary")
    everywhere = reals(-inf, -1e30, -100, -1e-30, -0.0, 0, 1e-30, 100, 1e30, inf, nan)
    positive = dict(scale=1.2, shift=1.5)
    rows = [
        ("neg", torch.neg, {}, everywhere),
        ("exp", torch.exp, {}, everywhere),
        ("log", torch.log, positive, reals(-inf, -1, 0, 1e-30, 1, 1e30, inf, nan)),
        ("sin", torch.sin, dict(scale=5.0), reals(-0.0, 0, 1e-30, 3.1415927, -100, 100, inf, nan)),
        ("cos", torch.cos, dict(scale=5.0), reals(-0.0, 0, 1e-30, 3.1415927, -100, 100, inf, nan)),
        ("sqrt", torch.sqrt, positive, reals(-1, 0, 1e-30, 4, 1e30, inf, nan)),
        ("recip", torch.reciprocal, positive, everywhere),
        ("floor", torch.floor, dict(scale=3.0), reals(-inf, -2.5, -2, -0.5, 0, 0.5, 2, 1e10, inf, nan)),
        ("tanh", torch.tanh, dict(scale=3.0), everywhere),
        ("erf", torch.erf, dict(scale=2.5), reals(-inf, -5, -2, -1e-30, 0, 1e-30, 0.5, 3.9, inf, nan)),
        ("relu", torch.relu, {}, everywhere),
        ("sigmoid", torch.sigmoid, dict(scale=4.0), everywhere),
        ("silu", torch.nn.functional.silu, dict(scale=4.0), reals(-1e30, -100, -5, 0, 5, 100, 1e30, nan)),
        ("softplus", torch.nn.functional.softplus, dict(scale=4.0), reals(-1e30, -100, -5, 0, 5, 15, nan)),
        ("abs", torch.abs, {}, everywhere),
    ]
    for op, function, options, edges in rows:
        out.add(op, function, wave(3, 5, **options))
        out.add(op, function, edges, name="edges", single=True, grad=False)
        for dtype, label in halves:
            out.add(op, function, wave(6, step=0.7, **options).to(dtype), name=label)
    for op, function in (("neg", torch.neg), ("abs", torch.abs)):
        out.add(op, function, ints(-2147483648, -7, 0, 7, 2147483647), name="i32")
        out.add(op, function, ints(-128, -7, 0, 127, dtype=torch.int8), name="i8")
    for approximate in ("none", "tanh"):
        gelu = lambda x: torch.nn.functional.gelu(x, approximate=approximate)
        attrs = {"approximate": approximate}
        out.add("gelu", gelu, wave(3, 5, scale=4.0), attrs=attrs, name=approximate)
        out.add("gelu", gelu, reals(-1e4, -30, -5, -1e-30, 0, 5, 30, 1e4, nan), attrs=attrs, name=f"{approximate} edges", single=True, grad=False)
        for dtype, label in halves:
            out.add("gelu", gelu, wave(6, step=0.7, scale=3.0).to(dtype), attrs=attrs, name=f"{approximate} {label}")
        out.add("geluGrad", backward(gelu), wave(3, 5, scale=4.0), wave(3, 5, step=0.6), attrs=attrs, name=approximate)
    out.add("siluGrad", backward(torch.nn.functional.silu), wave(3, 5, scale=4.0), wave(3, 5, step=0.6))
    casts(out)
    return out


def backward(function):
    """The backward operation (x, dy) → dx of an elementwise function, itself differentiable."""

    def run(x: torch.Tensor, dy: torch.Tensor) -> torch.Tensor:
        leaf = x if x.requires_grad else x.clone().requires_grad_(True)
        return torch.autograd.grad(function(leaf), leaf, dy, create_graph=True)[0]

    return run


def casts(out: Goldens) -> None:
    def cast(x: torch.Tensor, label: str, dtype: torch.dtype, note: str = "") -> None:
        source = {torch.float64: "f32", torch.float16: "f16", torch.bfloat16: "bf16", torch.int32: "i32", torch.int64: "u32", torch.int8: "i8", torch.uint8: "u8", torch.bool: "bool"}[x.dtype]
        inputs = x.float() if x.dtype == torch.float64 else x
        out.add("cast", lambda _: inputs.to(dtype), x, attrs={"dtype": label}, name=f"{source} to {label}{note}", grad=False, single=True, wide=(0,))

    # Only values that the target holds: beyond them PyTorch leaves the result open, ours saturates.
    tricky = reals(0.1, -65504, 65519, 65520, 1e-8, 6e-8, -3e38, 1.00390625, 1.01171875, 1e-40, inf, -inf, nan)
    cast(tricky, "f16", torch.float16)
    cast(tricky, "bf16", torch.bfloat16)
    small = reals(0, -0.0, 0.5, -0.5, 1.9, -1.9, 126.9, -127.9, 100)
    cast(small, "i32", torch.int32)
    cast(small, "i8", torch.int8)
    cast(small.abs(), "u8", torch.uint8)
    cast(reals(0, -0.0, 0.5, -1, 1e-30, inf, nan), "bool", torch.bool)
    cast(reals(2147483520, -2147483648, 16777217, 3.999), "i32", torch.int32, ", large")
    cast(reals(0, 4294967040, 3e9, 7.9), "u32", torch.int64)
    cast(ints(-2147483648, -1, 0, 16777217, 2147483647), "f32", torch.float32)
    cast(ints(0, 1, 16777217, 4294967295, dtype=torch.int64), "f32", torch.float32)
    cast(ints(-3, 2049, 2051, 65504), "f16", torch.float16)
    cast(ints(-3, 257, 259, 70000), "bf16", torch.bfloat16)
    cast(ints(-128, 0, 127, dtype=torch.int8), "i32", torch.int32)
    cast(ints(0, 255, dtype=torch.uint8), "f32", torch.float32)
    cast(ints(-1, 0, 2), "bool", torch.bool)
    cast(torch.tensor([True, False]), "f32", torch.float32)
    cast(wave(5, scale=300.0).half(), "f32", torch.float32)
    cast(wave(5, scale=300.0).bfloat16(), "f32", torch.float32)
    for dtype, label in halves:
        out.add("cast", lambda x: x.float(), wave(4).to(dtype), attrs={"dtype": "f32"}, name=f"{label} gradient", wide=(0,))

    def bitcast(x: torch.Tensor, dtype: torch.dtype, label: str, restore=lambda y: y) -> None:
        out.add("bitcast", lambda _: restore(x.view(dtype)), x, attrs={"dtype": label}, name=label, grad=False, single=True)

    bitcast(torch.tensor([0.0, -0.0, 1.0, -2.5, inf, 0.1]), torch.int32, "i32")
    bitcast(ints(0, 0x3F800000, -1071644672), torch.float32, "f32")
    bitcast(ints(-1, 0, 127, dtype=torch.int8), torch.uint8, "u8")
    out.add("bitcast", lambda x: x.float().view(torch.int32).long() & 0xFFFFFFFF, reals(1, -2.5, inf), attrs={"dtype": "u32"}, name="u32", grad=False, single=True)


def binary() -> Goldens:
    out = Goldens("binary")
    away = dict(scale=0.8, shift=1.7)
    edges = (reals(inf, 1, inf, inf, 3e38, 1, -1, nan, 1), reals(1, -inf, -inf, 2, 3e38, 4, 5, 1, nan))
    rows = [
        ("add", torch.add, {}),
        ("sub", torch.sub, {}),
        ("mul", torch.mul, {}),
        ("div", torch.div, away),
        ("max", torch.maximum, {}),
        ("min", torch.minimum, {}),
        ("mod", torch.remainder, away),
    ]
    for op, function, second in rows:
        out.add(op, function, wave(3, 4), wave(3, 4, step=0.8, **second))
        out.add(op, function, wave(2, 1, 3, scale=3.0), wave(4, 1, step=0.8, **second), name="broadcast")
        out.add(op, function, wave(2, 3), wave(1, step=0.8, **second).reshape(()), name="scalar")
        out.add(op, function, *edges, name="edges", single=True, grad=False)
        for dtype, label in halves:
            out.add(op, function, wave(2, 3, step=0.7).to(dtype), wave(3, step=0.8, **second).to(dtype), name=label)
    for op, function in (("max", torch.maximum), ("min", torch.minimum)):
        out.add(op, function, reals(1, 2, 3), reals(1, 3, 3), name="ties")
    for a, b in ((-2.5, -1.2), (2.5, -1.2), (-2.5, 1.2)):
        out.add("mod", torch.remainder, reals(a), reals(b), name=f"{a} by {b}")
    out.add("div", torch.div, reals(1, -1, 0, 1), reals(0, 0, 0, -0.0), name="by zero", single=True, grad=False)

    trunc = lambda a, b: torch.div(a, b, rounding_mode="trunc")
    integer_rows = [("add", torch.add), ("sub", torch.sub), ("mul", torch.mul), ("div", trunc), ("max", torch.maximum), ("min", torch.minimum), ("mod", torch.remainder)]
    a = ints(7, -7, 7, -7, 6, 0, 123456789, -2147483648, 2147483647)
    b = ints(3, 3, -3, -3, -3, 5, 987654321, 2, -1)
    for op, function in integer_rows:
        out.add(op, function, a, b, name="i32")
        out.add(op, function, ints(100, -128, 7, -7, dtype=torch.int8), ints(100, 3, -2, 2, dtype=torch.int8), name="i8")
        out.add(op, function, ints(200, 5, 7, dtype=torch.uint8).reshape(3, 1), ints(100, 3, dtype=torch.uint8), name="u8")
        wrapped = (lambda f: lambda x, y: f(x, y) & 0xFFFFFFFF)(function)
        out.add(op, wrapped, ints(4294967295, 7, 3, 65536, dtype=torch.int64), ints(2, 3, 4294967295, 65537, dtype=torch.int64), name="u32")

    words = ints(0, 1, -1, 0x55555555, 2147483647, -2147483648)
    truth = torch.tensor([False, False, True, True]), torch.tensor([False, True, False, True])
    for op, function in (("and", torch.bitwise_and), ("or", torch.bitwise_or), ("xor", torch.bitwise_xor)):
        out.add(op, function, *truth, name="bool")
        out.add(op, function, words.reshape(6, 1), words, name="i32")
        out.add(op, function, ints(4294967295, 0x80000001, dtype=torch.int64), ints(0xC0000003, 5, dtype=torch.int64), name="u32")
    amounts = ints(0, 1, 7, 31)
    out.add("shl", torch.bitwise_left_shift, words.reshape(6, 1), amounts, name="i32")
    out.add("shr", torch.bitwise_right_shift, words.reshape(6, 1), amounts, name="i32")
    unsigned = ints(4294967295, 0x80000001, 5, dtype=torch.int64).reshape(3, 1)
    out.add("shl", lambda x, y: (x << y) & 0xFFFFFFFF, unsigned, amounts.long(), name="u32")
    out.add("shr", lambda x, y: x >> y, unsigned, amounts.long(), name="u32")

    special = reals(-inf, -1, -0.0, 0, 1, inf, nan)
    for op, function in (("lt", torch.lt), ("eq", torch.eq)):
        out.add(op, function, special.reshape(7, 1), special, name="special", single=True, grad=False)
        out.add(op, function, wave(2, 1, 3).detach(), wave(4, 1, step=0.8), name="broadcast", grad=False)
        out.add(op, function, words.reshape(6, 1), words, name="i32")
        out.add(op, function, ints(4294967295, 1, 2, dtype=torch.int64), ints(2, 2, 2, dtype=torch.int64), name="u32")
    out.add("eq", torch.eq, *truth, name="bool")
    choose = torch.tensor([[True, False, True], [False, True, True]])
    out.add("where", torch.where, choose, wave(2, 3), wave(2, 3, step=0.8))
    out.add("where", torch.where, choose, wave(3), wave(4, 1, 1, step=0.8), name="broadcast")
    out.add("where", torch.where, choose, reals(1, nan, inf), reals(nan, 2, 3), name="nan not chosen", single=True, grad=False)
    out.add("where", torch.where, choose, ints(1, 2, 3), ints(-1, -2, -3), name="i32")
    return out


def movement() -> Goldens:
    out = Goldens("movement")
    out.add("iota", lambda: torch.arange(4, dtype=torch.float64).reshape(1, 4).expand(3, 4), attrs={"shape": [3, 4], "axis": 1, "dtype": "f32"})
    out.add("iota", lambda: torch.arange(3, dtype=torch.int32).reshape(3, 1).expand(3, 4), attrs={"shape": [3, 4], "axis": 0, "dtype": "i32"}, name="i32")
    out.add("reshape", lambda x: x.reshape(2, 3, 2), wave(6, 2), attrs={"shape": [2, 3, 2]})
    out.add("permute", lambda x: x.permute(2, 0, 1), wave(2, 3, 4), attrs={"perm": [2, 0, 1]})
    out.add("permute", lambda x: x.permute(0, 2, 1, 3), wave(2, 2, 3, 2), attrs={"perm": [0, 2, 1, 3]}, name="heads")
    out.add("expand", lambda x: x.expand(4, 2, 3), wave(2, 1), attrs={"shape": [4, 2, 3]})
    out.add("expand", lambda x: x.expand(2, 2), wave(1).reshape(()), attrs={"shape": [2, 2]}, name="scalar")
    pad = torch.nn.functional.pad
    out.add("pad", lambda x: pad(x, (2, 0, 1, 3), value=-1.5), wave(2, 3), attrs={"pads": [[1, 3], [2, 0]], "value": -1.5})
    out.add("pad", lambda x: pad(x, (1, 1)), ints(1, 2, 3), attrs={"pads": [[1, 1]], "value": 0}, name="i32")
    out.add("slice", lambda x: x[1:4, :3], wave(5, 4), attrs={"starts": [1, 0], "ends": [4, 3]})
    out.add("slice", lambda x: x[0:5:2, 1:6:3], wave(5, 7), attrs={"starts": [0, 1], "ends": [5, 6], "steps": [2, 3]}, name="steps")
    out.add("slice", lambda x: x[2:2], wave(4), attrs={"starts": [2], "ends": [2]}, name="nothing")
    out.add("concat", lambda *parts: torch.cat(parts, 1), wave(2, 3), wave(2, 1, step=0.8), wave(2, 2, step=0.6), attrs={"axis": 1})
    out.add("concat", lambda *parts: torch.cat(parts, 0), ints(1, 2), ints(3), attrs={"axis": 0}, name="i32")
    out.add("flip", lambda x: x.flip(0, 2), wave(2, 3, 4), attrs={"axes": [0, 2]})

    def update(x: torch.Tensor, block: torch.Tensor) -> torch.Tensor:
        y = x.clone()
        y[1:3, 2:5] = block
        return y

    out.add("updateSlice", update, wave(4, 6), wave(2, 3, step=0.7), attrs={"starts": [1, 2]})
    return out


def reductions() -> Goldens:
    out = Goldens("reductions")
    out.add("reduceSum", lambda x: x.sum((0, 2)), wave(2, 3, 4), attrs={"axes": [0, 2], "keepDims": False})
    out.add("reduceSum", lambda x: x.sum(1, keepdim=True), wave(2, 3, 4), attrs={"axes": [1], "keepDims": True}, name="kept")
    out.add("reduceSum", lambda x: x.sum(), wave(3, 3), attrs={"axes": [0, 1], "keepDims": False}, name="all")
    out.add("reduceSum", lambda x: x.sum(1), wave(2, 0), attrs={"axes": [1], "keepDims": False}, name="nothing")
    out.add("reduceSum", lambda x: x.sum(1, dtype=torch.int32), ints(1, -2, 3, 2147483647, 1, 5).reshape(2, 3), attrs={"axes": [1], "keepDims": False}, name="i32 wraps")
    out.add("reduceSum", lambda x: x.sum(0), reals(1, inf, nan, inf, -inf, 2).reshape(2, 3), attrs={"axes": [0], "keepDims": False}, name="special", single=True, grad=False)
    out.add("reduceMax", lambda x: x.amax((0, 2)), wave(2, 3, 4), attrs={"axes": [0, 2], "keepDims": False})
    out.add("reduceMax", lambda x: x.amax(1, keepdim=True), wave(2, 3, 4), attrs={"axes": [1], "keepDims": True}, name="kept")
    out.add("reduceMax", lambda x: x.amax(1), reals(1, 3, 3, 2, 5, 5, 5, 5).reshape(2, 4), attrs={"axes": [1], "keepDims": False}, name="ties")
    out.add("reduceMax", lambda x: x.amax(1), reals(1, nan, 2, -inf, -inf, -inf).reshape(2, 3), attrs={"axes": [1], "keepDims": False}, name="special", single=True, grad=False)
    out.add("reduceMax", lambda x: x.amax(0), ints(-5, -9, -2147483648), attrs={"axes": [0], "keepDims": False}, name="i32")
    index = lambda axis, keep=False: lambda x: x.argmax(axis, keepdim=keep).int()
    out.add("argMax", index(1), wave(3, 5), attrs={"axis": 1, "keepDims": False})
    out.add("argMax", index(0, True), wave(4, 3), attrs={"axis": 0, "keepDims": True}, name="kept")
    out.add("argMax", index(1), reals(1, 2, 2, 3, 3, 3, 1, nan, nan).reshape(3, 3), attrs={"axis": 1, "keepDims": False}, name="ties and nan", single=True)
    out.add("argMax", index(0), ints(-5, 9, 9), attrs={"axis": 0, "keepDims": False}, name="i32")
    out.add("cumsum", lambda x: x.cumsum(1), wave(2, 5), attrs={"axis": 1})
    out.add("cumsum", lambda x: x.cumsum(0) - x, wave(5, 2), attrs={"axis": 0, "exclusive": True}, name="exclusive")
    out.add("cumsum", lambda x: x.flip(1).cumsum(1).flip(1), wave(2, 4, 2), attrs={"axis": 1, "reverse": True}, name="reverse")
    out.add("cumsum", lambda x: x.flip(0).cumsum(0).flip(0) - x, wave(4), attrs={"axis": 0, "exclusive": True, "reverse": True}, name="exclusive reverse")
    out.add("cumsum", lambda x: x.cumsum(0, dtype=torch.int32), ints(2147483647, 1, -5, 9), attrs={"axis": 0}, name="i32 wraps")
    order = lambda axis, descending=False: lambda x: (lambda r: (r.values, r.indices.int()))(torch.sort(x, dim=axis, stable=True, descending=descending))
    out.add("sort", order(1), wave(3, 6), attrs={"axis": 1, "descending": False})
    out.add("sort", order(0, True), wave(5, 3), attrs={"axis": 0, "descending": True}, name="descending")
    out.add("sort", order(0), reals(2, 1, 2, 1, 2, 1), attrs={"axis": 0, "descending": False}, name="ties")
    out.add("sort", order(0, True), reals(2, 1, 2, 1, 2, 1), attrs={"axis": 0, "descending": True}, name="ties descending")
    out.add("sort", order(0), reals(1, nan, -inf, nan, inf, 0), attrs={"axis": 0, "descending": False}, name="nan", single=True, grad=False)
    out.add("sort", order(0, True), reals(1, nan, -inf, nan, inf, 0), attrs={"axis": 0, "descending": True}, name="nan descending", single=True, grad=False)
    out.add("sort", order(0), ints(3, -1, 3, 0), attrs={"axis": 0, "descending": False}, name="i32")
    top = lambda k, axis: lambda x: (lambda r: (r.values.narrow(axis, 0, k), r.indices.int().narrow(axis, 0, k)))(torch.sort(x, dim=axis, stable=True, descending=True))
    out.add("topK", top(3, 1), wave(2, 7), attrs={"k": 3, "axis": 1})
    out.add("topK", top(2, 0), wave(5, 3), attrs={"k": 2, "axis": 0}, name="first axis")
    out.add("topK", top(4, 0), reals(1, 3, 2, 3, 3, 2), attrs={"k": 4, "axis": 0}, name="ties")
    return out


def indexing() -> Goldens:
    out = Goldens("indexing")
    long = lambda index: index.long()
    rows = ints(0, 4, 2, 2)
    table = ints(0, 1, 2, 3, 0, 0).reshape(2, 3)
    out.add("gather", lambda x, i: x.index_select(0, long(i)), wave(5, 3), rows, attrs={"axis": 0})
    out.add("gather", lambda x, i: x[:, long(i)], wave(2, 4, 2), table, attrs={"axis": 1}, name="matrix of indices")
    out.add("gather", lambda x, i: x.select(1, int(i)), wave(3, 4), ints(2).reshape(()), attrs={"axis": 1}, name="scalar index")
    out.add("gather", lambda x, i: x.index_select(0, i), ints(5, 6, 7), ints(2, 0, dtype=torch.int64), attrs={"axis": 0}, name="i32 by u32")
    out.add("scatterAdd", lambda x, i, u: x.index_add(0, long(i), u), wave(5, 3), rows, wave(4, 3, step=0.7), attrs={"axis": 0})
    out.add("scatterAdd", lambda x, i, u: x.index_add(1, long(i), u), wave(2, 4), ints(3, 0, 3), wave(2, 3, step=0.7), attrs={"axis": 1}, name="last axis")
    out.add("scatterAdd", lambda x, i, u: x.index_add(0, long(i).flatten(), u.reshape(6, 2)), wave(4, 2), table, wave(2, 3, 2, step=0.7), attrs={"axis": 0}, name="matrix of indices")
    out.add("scatterAdd", lambda x, i, u: x.index_add(0, long(i), u), ints(5, 6, 7), ints(1, 1, 0), ints(10, 20, 30), attrs={"axis": 0}, name="i32")
    columns = ints(4, 0, 2, 2, 1, 1).reshape(3, 2)
    out.add("gatherAlong", lambda x, i: x.gather(1, long(i)), wave(3, 5), columns, attrs={"axis": 1})
    out.add("gatherAlong", lambda x, i: x.gather(0, long(i)), wave(3, 2), ints(0, 1, 2, 0, 1, 1, 2, 2).reshape(4, 2), attrs={"axis": 0}, name="first axis")
    out.add("scatterAddAlong", lambda x, i, u: x.scatter_add(1, long(i), u), wave(3, 5), columns, wave(3, 2, step=0.7), attrs={"axis": 1})
    out.add("scatterAddAlong", lambda x, i, u: x.scatter_add(0, long(i), u), wave(3, 2), ints(2, 0, 1, 0).reshape(2, 2), wave(2, 2, step=0.7), attrs={"axis": 0}, name="first axis")
    embed = lambda weight, ids: torch.nn.functional.embedding(long(ids), weight)
    out.add("embedding", embed, wave(6, 4), ints(5, 0, 3, 3, 1, 3).reshape(2, 3))
    out.add("embedding", embed, wave(4, 3), ints(3, 3, dtype=torch.int64), name="u32 ids")
    for dtype, label in halves:
        out.add("embedding", embed, wave(4, 3).to(dtype), ints(3, 1), name=label)
        out.add("gather", lambda x, i: x.index_select(0, long(i)), wave(4, 3).to(dtype), ints(3, 1), attrs={"axis": 0}, name=label)
    return out


files = (unary, binary, movement, reductions, indexing)
