"""Writes tiny random checkpoints of Hugging Face's architectures, with what transformers computes from them.

    pip install torch transformers safetensors gguf      (CPU)
    python tools/transformer/generate-model-fixtures.py

Output: packages/transformer/src/checkpoints/__fixtures__/NAME-DTYPE/{config.json, model.safetensors, answers.json}, and NAME.gguf with the float32 weights. Answers are the logits behind a prompt of 40
tokens, the 20 tokens that greedy decoding gives, and those behind three prompts of unequal length in one batch, padded on the left. Logits are computed in float32 from the weights as they are stored.
"""

import json
import math
import shutil
from pathlib import Path

import gguf
import torch
import transformers
from transformers import (
    AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, GemmaConfig, GPT2Config, GPTNeoXConfig, LlamaConfig, MistralConfig, MixtralConfig, Olmo2Config, Phi3Config,
    Qwen2Config, Qwen2MoeConfig, Qwen3Config, Qwen3MoeConfig,
)  # fmt: skip

target = Path(__file__).parents[2] / "packages/transformer/src/checkpoints/__fixtures__"
sizes = dict(
    vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=128, tie_word_embeddings=False, initializer_range=0.4,
)  # fmt: skip
# Embeddings that are scaled up and looked for again at the end would answer every token with itself.
soft = {**sizes, "tie_word_embeddings": True, "initializer_range": 0.15}
# Two heads of 8 rather than four of 4, of which a part can turn.
few = {**sizes, "num_attention_heads": 2, "num_key_value_heads": 1}
llama3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
models = {
    "llama": LlamaConfig(**sizes),
    "llama-3.1": LlamaConfig(**{**sizes, "tie_word_embeddings": True}, rope_parameters=llama3),
    "mistral": MistralConfig(**sizes, head_dim=8, sliding_window=16),
    "qwen2": Qwen2Config(**{**sizes, "tie_word_embeddings": True}, rope_parameters=dict(rope_type="default", rope_theta=1000000.0)),
    "qwen3": Qwen3Config(**sizes, head_dim=8),
    "gemma": GemmaConfig(**{**sizes, "tie_word_embeddings": True}, head_dim=8),
    "gemma2": Gemma2Config(**soft, head_dim=8, query_pre_attn_scalar=8, sliding_window=16, attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
    "gemma3": Gemma3TextConfig(
        **{**soft, "num_hidden_layers": 3}, head_dim=8, query_pre_attn_scalar=8, sliding_window=16, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters=dict(full_attention=dict(rope_type="linear", factor=4.0, rope_theta=10000.0), sliding_attention=dict(rope_type="default", rope_theta=100.0)),
    ),
    "phi3": Phi3Config(
        **few, original_max_position_embeddings=32, sliding_window=16, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.5, short_factor=[1.0, 1.5], long_factor=[2.0, 5.0], original_max_position_embeddings=32),
    ),
    "olmo2": Olmo2Config(**few, pad_token_id=0, eos_token_id=2, rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32)),
    "gpt-neox": GPTNeoXConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=128, initializer_range=0.4,
        rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5),
    ),
    "gpt2": GPT2Config(vocab_size=64, n_embd=16, n_head=4, n_layer=2, n_positions=128, initializer_range=0.4, bos_token_id=0, eos_token_id=0),
    "mixtral": MixtralConfig(**{**few, "intermediate_size": 12}, sliding_window=16, num_local_experts=6, num_experts_per_tok=2),
    "qwen2-moe": Qwen2MoeConfig(**few, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=12),
    "qwen3-moe": Qwen3MoeConfig(**few, head_dim=8, num_experts=8, num_experts_per_tok=2, moe_intermediate_size=8, norm_topk_prob=True, mlp_only_layers=[1]),
}  # fmt: skip

kinds = {"mistral": "llama", "mixtral": "llama", "gemma3_text": "gemma3", "gpt_neox": "gptneox", "qwen2_moe": "qwen2moe", "qwen3_moe": "qwen3moe"}
architectures = {name: architecture for architecture, name in gguf.MODEL_ARCH_NAMES.items()}


def neighbours(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of queries or keys in the order in which llama.cpp turns them: entry i of one half beside entry i of the other."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def as_gguf(name: str, weight: torch.Tensor, config) -> list[tuple[str, torch.Tensor]]:
    """A tensor of a model as llama.cpp's files have it. Sources: the names of the gguf package, gguf.get_tensor_name_map; llama.cpp's convert_hf_to_gguf.py."""
    kind = kinds.get(config.model_type, config.model_type)
    names = gguf.get_tensor_name_map(architectures[kind], config.num_hidden_layers)
    known = names.get_name(name, try_suffixes=(".weight", ".bias"))
    if kind == "llama" and (".q_proj." in name or ".k_proj." in name):
        weight = neighbours(weight, config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads)
    if kind.startswith("gemma") and name.endswith("norm.weight"):
        weight = weight + 1
    if kind == "gpt2" and any(part in name for part in ("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        weight = weight.T
    if "query_key_value" in name:
        # Head after head the query, the key and the value, which become all queries, all keys and all values.
        heads = config.num_attention_heads
        weight = weight.reshape(heads, 3, -1, *weight.shape[1:]).transpose(0, 1).reshape(weight.shape)
    block = ".".join(name.split(".")[:3])
    experts = "blk." + name.split(".")[2] + "." if name.startswith("model.layers.") else ""
    if name == f"{block}.mlp.gate.weight":
        return [(f"{experts}ffn_gate_inp.weight", weight)]
    if name == f"{block}.mlp.experts.gate_up_proj":
        gate, up = weight.chunk(2, dim=1)
        return [(f"{experts}ffn_gate_exps.weight", gate), (f"{experts}ffn_up_exps.weight", up)]
    if name == f"{block}.mlp.experts.down_proj":
        return [(f"{experts}ffn_down_exps.weight", weight)]
    if name.endswith("shared_expert_gate.weight"):
        weight = weight.reshape(-1)
    if known is None and name == "lm_head.weight":
        known = "output.weight"
    if known is None and kind == "qwen3moe":
        # A layer without experts, which the package has no names for under this architecture.
        known = f"{experts}ffn_{name.split('.')[-2].removesuffix('_proj')}.weight"
    assert known is not None, name
    return [(known, weight)]


def write_gguf(path: Path, model, config) -> None:
    kind = kinds.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(path, kind)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None) or 4 * config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    if kind in ("gpt2", "gptneox"):
        writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or config.layer_norm_epsilon)
    else:
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(head)
        writer.add_value_length(head)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if kind == "gptneox":
        writer.add_parallel_residual(config.use_parallel_residual)
    if kind != "gpt2":
        rope = config.rope_parameters
        if kind == "gemma3":
            writer.add_float32("gemma3.rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
            rope = rope["full_attention"]
        writer.add_rope_dimension_count(int(head * rope.get("partial_rotary_factor", 1)))
        writer.add_rope_freq_base(rope["rope_theta"])
        if rope["rope_type"] in ("linear", "yarn"):
            writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
            writer.add_rope_scaling_factor(rope["factor"])
        if rope["rope_type"] == "yarn":
            writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        if rope["rope_type"] == "longrope":
            first = rope["original_max_position_embeddings"]
            writer.add_rope_scaling_orig_ctx_len(first)
            writer.add_rope_scaling_attn_factors((1 + math.log(config.max_position_embeddings / first) / math.log(first)) ** 0.5)
            for which in ("long", "short"):
                writer.add_tensor(f"rope_factors_{which}.weight", torch.tensor(rope[f"{which}_factor"]).numpy())
        if rope["rope_type"] == "llama3":
            plain = rope["rope_theta"] ** (-torch.arange(0, head, 2, dtype=torch.float64) / head)
            writer.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq.double()).float().numpy())
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
        if kind == "gemma3":
            writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config.layer_types])
    if kind == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None)
    if experts:
        writer.add_expert_count(experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        if kind != "llama":
            writer.add_expert_feed_forward_length(config.moe_intermediate_size)
        if kind == "qwen2moe":
            writer.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)
    for name, weight in model.state_dict().items():
        if name in ("lm_head.weight", "embed_out.weight") and config.tie_word_embeddings:
            continue
        for own, part in as_gguf(name, weight.detach().float(), config):
            writer.add_tensor(own, part.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def greedy_of(model, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return model.generate(ids, attention_mask=mask, max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0)[:, ids.shape[1] :]


def batch_of(model, prompt: list[int]) -> dict:
    """Three prompts of unequal length side by side."""
    pieces = [[0, 40], [5, 28], [30, 37]]
    prompts = [prompt[start:end] for start, end in pieces]
    ids = torch.zeros(3, len(prompt), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(prompts):
        ids[row, len(prompt) - len(one) :] = torch.tensor(one)
        mask[row, len(prompt) - len(one) :] = 1
    return {"pieces": pieces, "greedy": greedy_of(model, ids, mask).tolist()}


shutil.rmtree(target, ignore_errors=True)
target.mkdir(parents=True)
# Of some, the first random weights say the same token again and again.
seeds = {"qwen2": 61, "qwen3": 62}
for at, (name, config) in enumerate(models.items()):
    for kind, dtype in {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}.items():
        if kind == "f16" and name != "llama":
            continue
        torch.manual_seed(seeds.get(name, at))
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
        # Norms start at one and biases at zero, where their mistakes would not show.
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() == 1:
                    weight.add_(torch.randn_like(weight) * 0.2)
        model = model.to(dtype)
        folder = target / f"{name}-{kind}"
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        # Read anew, so that tables which are no weights are not rounded as these are.
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        if kind == "f32":
            write_gguf(target / f"{name}.gguf", model, config)
        prompt = torch.randint(0, sizes["vocab_size"], (1, 40), generator=torch.Generator().manual_seed(100 + at))
        with torch.no_grad():
            logits = model(prompt).logits[0]
            greedy = greedy_of(model, prompt, torch.ones_like(prompt))[0]
            whole = model(torch.cat([prompt[0], greedy])[None]).logits[0]
            batch = batch_of(model, prompt[0].tolist())
        best = whole[39:-1].topk(2).values
        lead = float((best[:, 0] - best[:, 1]).min())
        assert lead > 2e-4, f"{name}-{kind}: a greedy token leads by {lead}; take another seed"
        answers = {
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "prompt": prompt[0].tolist(),
            "greedy": greedy.tolist(),
            "batch": batch,
            # The least by which a greedy token leads: what rounding may not turn.
            "lead": lead,
            "rows": [0, 17, 39],
            "logits": [[float(f"{x:.7g}") for x in logits[row].tolist()] for row in (0, 17, 39)],
            "last": [float(f"{x:.7g}") for x in whole[-1].tolist()],
        }
        (folder / "answers.json").write_text(json.dumps(answers) + "\n")
        print(f"{name}-{kind}: {len(set(greedy.tolist()))} tokens, leads by {lead:.4f}", flush=True)
