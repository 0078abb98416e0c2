"""Decoders as ONNX, the way transformers.js's models are made.

    python onnx-decoder.py MODEL.gguf OUT

The weights are decoded out of GGUF. Models of Llama's kind are built by onnxruntime-genai's model builder, as onnx-community's are; GPT-2 is traced with its
cache, as Optimum does.
OUT receives config.json, the tokenizer's files and onnx/model.onnx in f32, onnx/model_q4.onnx (MatMulNBits, blocks of 32, symmetric) and
onnx/model_quantized.onnx (dynamic, int8). Weights above 1 GB lie beside the model, as model.onnx_data.
Needs torch, transformers, gguf, onnx, onnxruntime and onnxruntime-genai with onnx-ir.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

LARGE = 1_000_000_000
FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"]


def save(model: onnx.ModelProto, path: Path) -> None:
    size = sum(len(one.raw_data) for one in model.graph.initializer)
    onnx.save(model, str(path), save_as_external_data=size > LARGE, location=f"{path.name}_data")


def build_llama(folder: Path, scratch: Path) -> Path:
    out = scratch / "genai"
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", folder, "-o", out, "-p", "fp32", "-e", "cpu", "-c", scratch / "cache"]
    subprocess.run([str(one) for one in command], check=True, stdout=sys.stderr)
    path = out / "model.onnx"
    model = onnx.load(str(path), load_external_data=False)
    config = AutoConfig.from_pretrained(folder)
    # transformers.js makes the first, empty cache by the shapes that the model declares.
    for value in [*model.graph.input, *model.graph.output]:
        if value.name.startswith(("past_key_values.", "present.")):
            value.type.tensor_type.shape.dim[3].dim_value = config.head_dim
    onnx.save(model, str(path))
    return path


class Gpt2WithCache(torch.nn.Module):
    """GPT-2 written out over the modules of transformers' own, keys and values as flat arguments."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, *past):
        config, body = self.model.config, self.model.transformer
        before, new = past[0].shape[2], input_ids.shape[1]
        positions = torch.arange(before, before + new).unsqueeze(0)
        hidden = body.wte(input_ids) + body.wpe(positions)
        seen = torch.arange(before + new).unsqueeze(0) <= positions.squeeze(0).unsqueeze(1)
        allowed = seen[None, None] & (attention_mask[:, None, None, :] > 0)
        bias = torch.where(allowed, torch.tensor(0.0), torch.tensor(torch.finfo(torch.float32).min))
        heads, width = config.n_head, config.n_embd // config.n_head
        present = []
        for i, block in enumerate(body.h):
            q, k, v = block.attn.c_attn(block.ln_1(hidden)).split(config.n_embd, dim=2)
            q, k, v = (x.view(x.shape[0], x.shape[1], heads, width).transpose(1, 2) for x in (q, k, v))
            k, v = torch.cat((past[2 * i], k), dim=2), torch.cat((past[2 * i + 1], v), dim=2)
            present += [k, v]
            weights = torch.softmax(q @ k.transpose(2, 3) / width**0.5 + bias, dim=-1)
            mixed = (weights @ v).transpose(1, 2).flatten(2)
            hidden = hidden + block.attn.c_proj(mixed)
            hidden = hidden + block.mlp(block.ln_2(hidden))
        return (self.model.lm_head(body.ln_f(hidden)), *present)


def build_gpt2(folder: Path, scratch: Path) -> Path:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    config = model.config
    empty = torch.zeros(1, config.n_head, 3, config.n_embd // config.n_head)
    past = [f"past_key_values.{i}.{kind}" for i in range(config.n_layer) for kind in ("key", "value")]
    present = [name.replace("past_key_values", "present") for name in past]
    axes = {"input_ids": {0: "batch_size", 1: "sequence_length"}, "attention_mask": {0: "batch_size", 1: "total_length"}}
    axes |= {name: {0: "batch_size", 2: "past_length"} for name in past} | {name: {0: "batch_size", 2: "total_length"} for name in present}
    axes |= {"logits": {0: "batch_size", 1: "sequence_length"}}
    path = scratch / "gpt2.onnx"
    with torch.no_grad():
        torch.onnx.export(
            Gpt2WithCache(model), (torch.ones(1, 2, dtype=torch.int64), torch.ones(1, 5, dtype=torch.int64), *([empty] * len(past))), str(path),
            input_names=["input_ids", "attention_mask", *past], output_names=["logits", *present], dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
    return path


def main() -> None:
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(2)
    (out / "onnx").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as name:
        scratch = Path(name)
        folder = scratch / "hf"
        decoded = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
        # A model that was read out of GGUF counts as quantised and is not saved; one with the same weights is.
        settings = decoded.config.to_dict()
        settings.pop("quantization_config", None)
        model = AutoModelForCausalLM.from_config(type(decoded.config).from_dict(settings), dtype=torch.float32)
        model.load_state_dict(decoded.state_dict())
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)
        del decoded, model
        config = AutoConfig.from_pretrained(folder)
        path = build_gpt2(folder, scratch) if config.model_type == "gpt2" else build_llama(folder, scratch)
        for file in FILES:
            if (folder / file).exists():
                shutil.copy(folder / file, out / file)
        # Saving moves the weights out of a model in memory, so each is read anew.
        save(onnx.load(str(path)), out / "onnx/model.onnx")
        quantizer = MatMulNBitsQuantizer(onnx.load(str(path)), block_size=32, is_symmetric=True, accuracy_level=4)
        quantizer.process()
        save(quantizer.model.model, out / "onnx/model_q4.onnx")
        del quantizer
        quantize_dynamic(
            str(path), str(scratch / "q8.onnx"), weight_type=QuantType.QInt8, extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
        )  # fmt: skip
        save(onnx.load(str(scratch / "q8.onnx")), out / "onnx/model_quantized.onnx")
    print(json.dumps({"folder": str(out), "bytes": {one.name: one.stat().st_size for one in sorted((out / "onnx").iterdir())}}))


if __name__ == "__main__":
    main()
