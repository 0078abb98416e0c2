"""Writes tiny random checkpoints of Hugging Face's architectures, with what transformers computes from them.

    pip install torch transformers safetensors gguf      (CPU)
    python tools/transformer/generate-model-fixtures.py

Output: packages/transformer/src/checkpoints/__fixtures__/NAME-DTYPE/{config.json, model.safetensors}, NAME.gguf with the float32 weights, and answers.json with the logits behind a prompt of 40
tokens and the 20 tokens that greedy decoding gives. Logits are computed in float32 from the weights as they are stored.
"""

import json
import shutil
from pathlib import Path

import gguf
import torch
import transformers
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

target = Path(__file__).parents[2] / "packages/transformer/src/checkpoints/__fixtures__"
sizes = dict(
    vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=128, tie_word_embeddings=False, initializer_range=0.4,
)  # fmt: skip
llama3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)
models = {
    "llama": LlamaConfig(**sizes),
    "llama-3.1": LlamaConfig(**{**sizes, "tie_word_embeddings": True}, rope_parameters=llama3),
    "mistral": MistralConfig(**sizes, head_dim=8, sliding_window=96),
    "qwen2": Qwen2Config(**{**sizes, "tie_word_embeddings": True}, rope_parameters=dict(rope_type="default", rope_theta=1000000.0)),
    "qwen3": Qwen3Config(**sizes, head_dim=8),
}

names = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm",
    "mlp.up_proj": "ffn_up", "mlp.gate_proj": "ffn_gate", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def gguf_name(name: str) -> str:
    """Source: the names of the gguf package, gguf.constants.TENSOR_NAMES."""
    whole = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
    if name in whole:
        return whole[name]
    _, _, layer, *part, end = name.split(".")
    return f"blk.{layer}.{names['.'.join(part)]}.{end}"


def neighbours(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of queries or keys in the order in which llama.cpp turns them: entry i of one half beside entry i of the other."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def write_gguf(path: Path, model, config) -> None:
    kind = {"mistral": "llama"}.get(config.model_type, config.model_type)
    writer = gguf.GGUFWriter(path, kind)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    if config.rope_parameters["rope_type"] == "llama3":
        rotary = model.model.rotary_emb
        plain = config.rope_parameters["rope_theta"] ** (-torch.arange(0, head, 2, dtype=torch.float64) / head)
        writer.add_tensor("rope_freqs.weight", (plain / rotary.inv_freq.double()).float().numpy())
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if kind == "llama" and (".q_proj." in name or ".k_proj." in name):
            weight = neighbours(weight, config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads)
        writer.add_tensor(gguf_name(name), weight.detach().float().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


shutil.rmtree(target, ignore_errors=True)
target.mkdir(parents=True)
answers = {"transformers": transformers.__version__, "torch": torch.__version__, "models": {}}
for at, (name, config) in enumerate(models.items()):
    for kind, dtype in {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}.items():
        if kind == "f16" and name != "llama":
            continue
        torch.manual_seed(at)
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
            greedy = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0)[0, 40:]
            whole = model(torch.cat([prompt[0], greedy])[None]).logits[0]
        best = whole[39:-1].topk(2).values
        answers["models"][f"{name}-{kind}"] = {
            "prompt": prompt[0].tolist(),
            "greedy": greedy.tolist(),
            # The least by which a greedy token leads: what rounding may not turn.
            "lead": float((best[:, 0] - best[:, 1]).min()),
            "rows": [0, 17, 39],
            "logits": [[float(f"{x:.7g}") for x in logits[row].tolist()] for row in (0, 17, 39)],
            "last": [float(f"{x:.7g}") for x in whole[-1].tolist()],
        }
(target / "answers.json").write_text(json.dumps(answers) + "\n")
