"""Writes the GGUF fixture with the reference implementation.

    pip install gguf numpy
    python tools/goldens/gguf-fixture.py

Output: packages/tensor/src/io/gguf/__fixtures__/python.gguf, and python.json with what the package reads of it: metadata, and the
float32 values of every tensor (base64 of their bytes). Blocks hold random bytes, so that every bit of them matters, with scales
that are ordinary, negative, subnormal and zero.
"""

import base64
import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFValueType as V

target = Path(__file__).parents[2] / "packages/tensor/src/io/gguf/__fixtures__"
random = np.random.default_rng(7)
scales = np.array([0.013, -0.021, 3e-6, 0.0, 1.5, -6e-8], dtype=np.float16).view(np.uint8).reshape(-1, 2)

# Where the half floats of a block are.
halves = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
}  # fmt: skip


def blocks(kind: T, rows: int, columns: int) -> np.ndarray:
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (rows, columns // elements, size), dtype=np.uint8)
    for row in range(rows):
        for block in range(columns // elements):
            for i, at in enumerate(halves.get(kind, [])):
                data[row, block, at : at + 2] = scales[(row + 2 * block + 3 * i) % len(scales)]
    return data.reshape(rows, -1)


writer = gguf.GGUFWriter(target / "python.gguf", "llama")
for kind in V:
    if kind in (V.STRING, V.ARRAY):
        continue
    value = {V.BOOL: True, V.FLOAT32: 0.1, V.FLOAT64: 0.1, V.UINT64: 2**63 + 1, V.INT64: -(2**62) - 1}.get(kind, 7)
    writer.add_key_value(f"test.{kind.name.lower()}", value, kind)
writer.add_string("test.string", "Größe\n\u0000 😀")
writer.add_array("test.strings", ["", "a", "▁the"])
writer.add_array("test.numbers", [1, -2, 3])
writer.add_array("test.floats", [0.5, -1e30])
writer.add_array("test.flags", [True, False])
writer.add_array("test.lists", [[1, 2], [3]])

expected = {}
tensors = {
    "f32": np.sin(np.arange(6, dtype=np.float32)).reshape(2, 3),
    "f16": (np.sin(np.arange(10)) * 300).astype(np.float16).reshape(5, 2),
    "f64": np.cos(np.arange(3, dtype=np.float64)),
    "i8": np.array([-128, 127, 3], dtype=np.int8),
    "i16": np.array([-32768, 32767], dtype=np.int16),
    "i32": np.array([[-(2**31)], [2**31 - 1]], dtype=np.int32),
    "i64": np.array([-5, 2**31 - 1], dtype=np.int64),
}
for name, values in tensors.items():
    writer.add_tensor(name, values)
    expected[name] = values.astype(np.float32)
bf16 = random.integers(0, 256, (3, 8), dtype=np.uint8)
bf16[:, 1::2] &= 0xBF
writer.add_tensor("bf16", bf16, raw_dtype=T.BF16)
expected["bf16"] = gguf.quants.dequantize(bf16, T.BF16)
for kind in halves:
    columns = gguf.GGML_QUANT_SIZES[kind][0] * 2
    data = blocks(kind, 3, columns)
    writer.add_tensor(kind.name.lower(), data, raw_dtype=kind)
    expected[kind.name.lower()] = gguf.quants.dequantize(data, kind)
writer.add_tensor("iq4_nl", blocks(T.IQ4_NL, 2, 32), raw_dtype=T.IQ4_NL)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

reader = gguf.GGUFReader(target / "python.gguf")
answers = {
    "gguf": __import__("importlib.metadata").metadata.version("gguf"),
    "tensors": {
        tensor.name: {
            "type": tensor.tensor_type.name,
            "shape": [int(size) for size in reversed(tensor.shape)],
            "offset": int(tensor.data_offset),
            "bytes": int(tensor.n_bytes),
            **(
                {"values": base64.b64encode(expected[tensor.name].astype("<f4").tobytes()).decode()}
                if tensor.name in expected
                else {}
            ),
        }
        for tensor in reader.tensors
    },
}
(target / "python.json").write_text(json.dumps(answers, indent=1) + "\n")
