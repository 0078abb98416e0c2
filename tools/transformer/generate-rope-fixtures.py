"""Writes the steps of rotary angles that transformers works out for each way of stretching them.

    pip install torch transformers      (CPU)
    python tools/transformer/generate-rope-fixtures.py

Output: packages/transformer/src/architectures/__fixtures__/rope-scaling.json: for heads of 16 entries and a base of 10000, the settings in config.json's words, the step of each of the 8 pairs from one position to the
next, and the factor on cosines and sines.
"""

import json
from pathlib import Path

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

target = Path(__file__).parents[2] / "packages/transformer/src/architectures/__fixtures__/rope-scaling.json"
first = dict(original_max_position_embeddings=64)
divisors = dict(short_factor=[1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0, 2.5], long_factor=[1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0])
cases = [
    ("linear", 256, dict(factor=4.0)),
    ("llama3", 512, dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, **first)),
    ("yarn", 512, dict(factor=8.0, **first)),
    ("yarn", 512, dict(factor=8.0, beta_fast=16, beta_slow=2, attention_factor=1.5, truncate=False, **first)),
    ("longrope", 64, dict(factor=8.0, **divisors, **first)),
    ("longrope", 512, dict(factor=8.0, **divisors, **first)),
]
out = []
for kind, context, settings in cases:
    parameters = {"rope_type": kind, "rope_theta": 10000.0, **settings}
    config = LlamaConfig(hidden_size=64, num_attention_heads=4, max_position_embeddings=context, rope_parameters=parameters)
    # Phi-3 says it here too, where longrope looks for it.
    config.original_max_position_embeddings = 64
    steps, amplitude = ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=context)
    out.append(dict(context=context, parameters=parameters, steps=[float("%.7g" % step) for step in steps.tolist()], amplitude=amplitude))
target.parent.mkdir(exist_ok=True)
target.write_text(json.dumps(out) + "\n")
