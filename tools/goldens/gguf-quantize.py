"""Blocks that the reference implementation makes of weights.

    pip install gguf numpy
    python tools/goldens/gguf-quantize.py

Output: packages/tensor/src/io/gguf/__fixtures__/quantize.json: float32 weights and the bytes of each type, in base64. Ordinary weights,
ties, equal ones, zeros, very small and very large ones.
"""

import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import quants

random = np.random.default_rng(11)
rows = [random.normal(0, 0.02, 96), random.normal(0.5, 3, 96), np.tile([0.5, -0.5, 1.5, -2.5], 24)]
rows += [np.zeros(96), np.full(96, -0.3), random.normal(0, 1e-7, 96), random.normal(0, 2e3, 96), np.arange(96) - 127.0]
values = np.stack(rows).astype(np.float32)
encode = lambda array: base64.b64encode(array.tobytes()).decode()
out = {"shape": list(values.shape), "values": encode(values)}
for kind in (T.Q8_0, T.Q4_0, T.Q4_1):
    out[kind.name] = encode(quants.quantize(values, kind))
target = Path(__file__).parents[2] / "packages/tensor/src/io/gguf/__fixtures__/quantize.json"
target.write_text(json.dumps(out) + "\n")
