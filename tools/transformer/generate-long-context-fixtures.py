"""Writes tiny Llamas whose context is stretched to 131,072 tokens, with what transformers computes from them far out.

    pip install torch transformers safetensors      (CPU; some minutes)
    python tools/transformer/generate-long-context-fixtures.py

Output: packages/transformer/src/generate/__fixtures__/long-NAME/{config.json, model.safetensors, answers.json}. Answers are the logits behind the first so many ids of one long text, and its perplexity seen through a
window that moves on.

transformers multiplies positions by frequencies in float32, where angles of 100,000 are right to 0.01 only. So frequencies here are powers of 4: those that turn fast are exact, and so are their products with positions. Those that are
stretched by what is no power of two turn so slowly that the rounding of their angles is below 1e-4.
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

target = Path(__file__).parents[2] / "packages/transformer/src/generate/__fixtures__"
context = 131_072
kinds = {
    "linear": dict(rope_type="linear", rope_theta=65536.0, factor=32.0),
    "llama3": dict(rope_type="llama3", rope_theta=65536.0, factor=16.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192),
    "yarn": dict(rope_type="yarn", rope_theta=65536.0, factor=8.0, original_max_position_embeddings=16384),
}  # fmt: skip
lengths = [1_000, 5_000, 20_000, 65_536, context]
window, stride, judged = 2_048, 1_024, 20_000


def text(count: int) -> list[int]:
    """Ids of a generator of Numerical Recipes', chapter 7.1: the six highest bits."""
    state, ids = 1, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        ids.append(state >> 26)
    return ids


def perplexity(model, ids: torch.Tensor) -> float:
    losses, start, done = [], 0, 0
    while done < judged - 1:
        end = min(start + window, judged - 1)
        logits = model(ids[None, start:end]).logits[0]
        losses.append(torch.nn.functional.cross_entropy(logits[done - start :], ids[done + 1 : end + 1], reduction="none"))
        start, done = start + stride, end
    return torch.cat(losses).mean().exp().item()


with torch.no_grad():
    ids = torch.tensor(text(context))
    for at, (name, rope) in enumerate(kinds.items()):
        torch.manual_seed(at)
        config = LlamaConfig(
            vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=1, num_key_value_heads=1, max_position_embeddings=context,
            tie_word_embeddings=False, initializer_range=0.5, rope_parameters=rope,
        )  # fmt: skip
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa").eval()
        folder = target / f"long-{name}"
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        hidden = model.model(ids[None]).last_hidden_state[0]
        logits = {length: [round(x, 6) for x in model.lm_head(hidden[length - 1]).tolist()] for length in lengths}
        answers = {"logits": logits, "perplexity": {"tokens": judged, "window": window, "stride": stride, "value": perplexity(model, ids)}}
        (folder / "answers.json").write_text(json.dumps(answers) + "\n")
        print(name, answers["perplexity"], logits[context][:4], flush=True)
