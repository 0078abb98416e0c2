"""Writes the safetensors fixtures with the reference implementation.

    pip install torch safetensors numpy
    python tools/goldens/safetensors-fixture.py

Output: packages/tensor/src/io/__fixtures__/python.safetensors, and python.json with the values that PyTorch gives for
every tensor (bytes in hexadecimal for the types without a tensor dtype of ours).
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

target = Path(__file__).parents[2] / "packages/tensor/src/io/__fixtures__"


def wave(*shape: int, scale: float = 2.0) -> torch.Tensor:
    count = 1
    for dim in shape:
        count *= dim
    return (torch.sin(torch.arange(count, dtype=torch.float64) * 0.7 + 0.3) * scale).reshape(shape)


def integers(dtype: torch.dtype, *values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype)


tensors = {
    "float64": wave(3),
    "float32": wave(2, 3).float(),
    "float16": wave(5, scale=300.0).half(),
    "bfloat16": wave(7, scale=1e30).bfloat16(),
    "int64": integers(torch.int64, -2147483648, -1, 0, 2147483647),
    "int64.large": integers(torch.int64, 5, 2147483648),
    "uint64": integers(torch.uint64, 0, 7, 2147483647),
    "int32": integers(torch.int32, -2147483648, 2147483647),
    "uint32": integers(torch.uint32, 0, 4294967295),
    "int16": integers(torch.int16, -32768, 32767, -1),
    "uint16": integers(torch.uint16, 0, 65535),
    "int8": integers(torch.int8, -128, 127, -1),
    "uint8": integers(torch.uint8, 0, 255, 9),
    "bool": torch.tensor([True, False, True]),
    "f8.e4m3": wave(4).to(torch.float8_e4m3fn),
    "f8.e5m2": wave(4).to(torch.float8_e5m2),
    "complex64": torch.complex(wave(2).float(), wave(2).float() + 1),
    "scalar": wave(1).float()[0],
    "empty": torch.zeros(2, 0, 3),
    "näme ☃ \"quoted\"": wave(2).float(),
}

save_file(tensors, target / "python.safetensors", metadata={"format": "pt"})

raw = {torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64}
expected = {}
for name, tensor in tensors.items():
    entry = {"shape": list(tensor.shape)}
    if tensor.dtype in raw:
        entry["hex"] = bytes(tensor.contiguous().view(torch.uint8).flatten().tolist()).hex()
    elif tensor.dtype == torch.bool:
        entry["values"] = [int(value) for value in tensor.flatten().tolist()]
    elif tensor.dtype == torch.float64:
        entry["values"] = tensor.float().flatten().tolist()
        entry["double"] = tensor.flatten().tolist()
    else:
        entry["values"] = tensor.flatten().tolist()
    expected[name] = entry
(target / "python.json").write_text(json.dumps({"generator": "tools/goldens/safetensors-fixture.py", "torch": torch.__version__, "tensors": expected}, indent=1, ensure_ascii=False) + "\n")
