"""What the golden generators share: deterministic inputs, autograd in float64, and compact JSON.

A golden is {op, name?, attrs?, inputs, outputs, seeds?, grads?}. Tensors are {shape, dtype, values}; `seeds` weigh the
outputs (the loss is the sum of output times seed), `grads` are the gradients of the inputs, null where there is none.
Inputs labelled f32 are decimals; the float32 nearest to them is what PyTorch was given, in float64 arithmetic, unless
the golden says "single": then PyTorch computed in float32, as befits infinities and overflow.
"""

import json
import math
from pathlib import Path

import torch

folder = Path(__file__).parents[2] / "packages/tensor/src/__fixtures__/goldens"

labels = {
    torch.float64: "f32",
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.int32: "i32",
    torch.int64: "u32",  # PyTorch has little arithmetic on uint32: its values are kept in int64
    torch.int8: "i8",
    torch.uint8: "u8",
    torch.bool: "bool",
}


def wave(*shape: int, step: float = 1.3, scale: float = 1.5, shift: float = 0.0) -> torch.Tensor:
    """shift + scale · sin(step · i + 0.5), rounded to 3 decimals and then to float32, held in float64."""
    count = math.prod(shape)
    values = shift + scale * torch.sin(torch.arange(count, dtype=torch.float64) * step + 0.5)
    return ((values * 1000).round() / 1000).float().double().reshape(shape)


def reals(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).double()


def ints(*values: int, dtype: torch.dtype = torch.int32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype)


def number(value: float | int | bool, digits: int) -> float | int | str:
    if isinstance(value, (bool, int)):
        return int(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    rounded = float(f"%.{digits}g" % value)
    # -0 is written as -0.0: JSON keeps its sign.
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e9 and not (rounded == 0 and math.copysign(1, rounded) < 0) else rounded


def flat(tensor: torch.Tensor, digits: int) -> list:
    return [number(value, digits) for value in tensor.detach().flatten().tolist()]


def described(tensor: torch.Tensor, digits: int = 10) -> dict:
    if tensor.dtype in (torch.float16, torch.bfloat16):
        digits = 9
    return {"shape": list(tensor.shape), "dtype": labels[tensor.dtype], "values": flat(tensor, digits)}


def given(tensor: torch.Tensor) -> dict:
    """An input: seven digits name every decimal that `wave` makes; moments and the like need nine."""
    short = described(tensor, 7)
    same = all(isinstance(v, str) or torch.tensor(v, dtype=torch.float32).item() == torch.tensor(w, dtype=torch.float32).item() for v, w in zip(short["values"], tensor.flatten().tolist()))
    return short if same else described(tensor, 9)


class Goldens:
    """Collects the goldens of one file."""

    def __init__(self, name: str):
        self.name = name
        self.items: list[dict] = []

    def add(self, op: str, compute, *inputs: torch.Tensor, attrs: dict | None = None, name: str = "", grad: bool = True, single: bool = False, wide: tuple[int, ...] = ()) -> tuple:
        """Runs `compute` on the inputs (halves and, unless `single`, float32 in float64) and records the result.

        Results have the inputs' half type, if they have one, except the outputs listed in `wide`.
        """
        half = next((tensor.dtype for tensor in inputs if tensor.dtype in (torch.float16, torch.bfloat16)), None)
        leaves = []
        for tensor in inputs:
            leaf = tensor.detach().clone()
            if leaf.is_floating_point():
                leaf = leaf.float() if single else leaf.double()
                leaf.requires_grad_(grad)
            leaves.append(leaf)
        results = compute(*leaves)
        results = results if isinstance(results, tuple) else (results,)
        item: dict = {"op": op}
        if name:
            item["name"] = name
        if attrs:
            item["attrs"] = attrs
        if single:
            item["single"] = True
        narrow = lambda tensor: tensor.to(half) if half is not None and tensor.is_floating_point() else tensor
        item["inputs"] = [given(tensor) for tensor in inputs]
        item["outputs"] = [described(result if i in wide else narrow(result)) for i, result in enumerate(results)]
        tracked = [i for i, result in enumerate(results) if result.requires_grad]
        if grad and tracked:
            seeds = {i: wave(*results[i].shape, step=0.9 + 0.4 * i, scale=1.0, shift=0.25) for i in tracked}
            if half is not None:
                seeds = {i: seed.to(half).double() for i, seed in seeds.items()}
            loss = sum((results[i] * seed).sum() for i, seed in seeds.items())
            loss.backward()
            item["seeds"] = [flat(seeds[i], 7 if half is None else 9) if i in seeds else None for i in range(len(results))]
            item["grads"] = [flat(narrow(leaf.grad), 10) if leaf.requires_grad and leaf.grad is not None else (flat(torch.zeros_like(leaf), 10) if leaf.requires_grad else None) for leaf in leaves]
        self.items.append(item)
        return tuple(result.detach() for result in results)

    def write(self) -> int:
        folder.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(json.dumps(item, separators=(",", ":"), allow_nan=False) for item in self.items)
        text = f'{{"generator":"tools/goldens/ops.py","torch":"{torch.__version__.split("+")[0]}","goldens":[\n{lines}\n]}}\n'
        (folder / f"{self.name}.json").write_text(text)
        return len(text)
