"""Writes random checkpoints of the shapes of real models, with what transformers computes from them on this machine's graphics card, and how fast.

    python tools/cuda/models.py FOLDER [--compiled] [NAME ...]      (torch with CUDA, transformers)

--compiled also measures generation with a static cache and torch.compile, whose compilation takes a minute for each model.

Output: FOLDER/NAME/{config.json, model.safetensors, peer.json}; see models.ts, which loads them.
"""

import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GPT2Config, LlamaConfig, Qwen3Config

shapes = {
    "smollm2-135m": LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
        max_position_embeddings=8192, tie_word_embeddings=True, initializer_range=0.04,
    ),
    "llama-3.2-1b": LlamaConfig(
        vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
        max_position_embeddings=8192, tie_word_embeddings=True, initializer_range=0.03,
    ),
    "gemma-3-270m": Gemma3TextConfig(
        vocab_size=262144, hidden_size=640, intermediate_size=2048, num_hidden_layers=18, num_attention_heads=4, num_key_value_heads=1, head_dim=256,
        max_position_embeddings=8192, sliding_window=512, tie_word_embeddings=True, initializer_range=0.04,
    ),
    "qwen3-0.6b": Qwen3Config(
        vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
        max_position_embeddings=8192, tie_word_embeddings=True, initializer_range=0.04,
    ),
    "gpt2-124m": GPT2Config(initializer_range=0.05, bos_token_id=0, eos_token_id=0),
}  # fmt: skip


def prompt(length: int, vocabulary: int, row: int = 0) -> list[int]:
    return [(31 * i + 7 * row + 1) % vocabulary for i in range(length)]


@torch.no_grad()
def written(model, prompts: list[list[int]], tokens: int, **more) -> tuple[list[list[int]], float, float]:
    """The ids behind each prompt, the seconds until the first of them, and the tokens a second of all rows behind these."""
    ids = torch.tensor(prompts, device="cuda")
    settings = dict(do_sample=False, eos_token_id=None, pad_token_id=0, attention_mask=torch.ones_like(ids), **more)

    def timed(count: int):
        torch.cuda.synchronize()
        start = time.perf_counter()
        out = model.generate(ids, min_new_tokens=count, max_new_tokens=count, **settings)
        torch.cuda.synchronize()
        return out[:, ids.shape[1] :].tolist(), time.perf_counter() - start

    timed(8)
    _, first = timed(1)
    out, all_ = timed(tokens)
    return out, first, (tokens - 1) * len(prompts) / (all_ - first)


def measure(folder: Path, name: str, compiled: bool) -> None:
    torch.manual_seed(0)
    config = shapes[name]
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).to(torch.bfloat16).save_pretrained(folder / name)
    vocabulary = config.vocab_size
    longest = min(2048, config.max_position_embeddings - 128)
    torch.backends.cuda.matmul.allow_tf32 = False
    peer = {}
    for dtype in ("f32", "bf16"):
        # Read anew for each: a cast of the model would cast the frequencies of its rotations too.
        stored = torch.float32 if dtype == "f32" else torch.bfloat16
        model = AutoModelForCausalLM.from_pretrained(folder / name, dtype=stored).eval().cuda()
        ids, first, decode = written(model, [prompt(128, vocabulary)], 64)
        _, prefill, _ = written(model, [prompt(512, vocabulary)], 4)
        _, _, late = written(model, [prompt(longest, vocabulary)], 64)
        _, _, eight = written(model, [prompt(128, vocabulary, row) for row in range(8)], 64)
        _, _, many = written(model, [prompt(128, vocabulary, row) for row in range(32)], 64)
        peer[dtype] = dict(ids=ids[0], prefill=512 / prefill, decode=decode, late=late, eight=eight, many=many, longest=longest)
        if compiled and dtype == "bf16":
            written(model, [prompt(128, vocabulary)], 64, cache_implementation="static")
            peer[dtype]["compiled"] = written(model, [prompt(128, vocabulary)], 64, cache_implementation="static")[2]
        print(name, dtype, {key: round(value, 1) for key, value in peer[dtype].items() if key != "ids"}, flush=True)
    (folder / name / "peer.json").write_text(json.dumps({"card": torch.cuda.get_device_name(), "torch": torch.__version__, "figures": peer}))


if __name__ == "__main__":
    target, *names = sys.argv[1:]
    for each in [name for name in names if not name.startswith("--")] or shapes:
        measure(Path(target), each, "--compiled" in names)
