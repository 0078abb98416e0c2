"""Writes tiny random encoders and rerankers as transformers and sentence-transformers save them, with what sentence-transformers computes from them.

    pip install torch transformers safetensors sentence-transformers gguf      (CPU)
    python tools/transformer/generate-encoder-fixtures.py

Output: packages/transformer/src/encoders/__fixtures__/NAME/, bert.gguf with the weights of bert, and answers.json. Vectors and scores are computed in float32 from the weights as they are stored.
"""

import json
import shutil
from pathlib import Path

import gguf
import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig, BertForSequenceClassification, BertModel, DistilBertConfig, DistilBertForSequenceClassification, DistilBertModel, ModernBertConfig,
    ModernBertForSequenceClassification, ModernBertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel, XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)  # fmt: skip

target = Path(__file__).parents[2] / "packages/transformer/src/encoders/__fixtures__"

words = "the whale is white ship sea captain sails over calm ? . , of ahab and query passage : where did go".split()
pieces = list("abcdefghijklmnopqrstuvwxyz") + ["##" + letter for letter in "abcdefghijklmnopqrstuvwxyz"]
texts = [
    "The whale is white.",
    "Call me Ishmael, and the ship sails",
    "sea",
    "Where did captain Ahab go? Over the calm sea, and over the white whale of the sea, where the ship is, and where the whale is.",
    "over the sea over the ship over the whale over the captain over the sea over the ship over the whale over the captain and so on and on and on",
    "where is the ship ?",
    "Ahab",
    "calm, calm, calm sea",
]
pairs = [(texts[5], text) for text in texts] + [(texts[3], texts[4])]


def tokenizer(style: str) -> PreTrainedTokenizerFast:
    names = dict(bert=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], roberta=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])[style]
    pad, unk, cls, sep = dict(bert=(0, 1, 2, 3), roberta=(1, 3, 0, 2))[style]
    vocabulary = {token: i for i, token in enumerate([*names, *words, *pieces])}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token=names[unk]))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    between = f"{names[sep]}:1" if style == "bert" else f"{names[sep]} {names[sep]}"
    inner.post_processor = processors.TemplateProcessing(
        single=f"{names[cls]} $A {names[sep]}",
        pair=f"{names[cls]} $A {names[sep]} $B:1 {names[sep]}:1" if style == "bert" else f"{names[cls]} $A {between} $B {names[sep]}",
        special_tokens=[(names[cls], cls), (names[sep], sep)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=64, pad_token=names[pad], unk_token=names[unk], cls_token=names[cls], sep_token=names[sep],
        mask_token=names[4], model_input_names=["input_ids", "token_type_ids", "attention_mask"] if style == "bert" else ["input_ids", "attention_mask"],
    )  # fmt: skip


size = len(words) + len(pieces) + 5
sizes = dict(vocab_size=size, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64, initializer_range=0.3)
roberta = {**sizes, "max_position_embeddings": 66, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
modern = {**sizes, "num_hidden_layers": 4, "local_attention": 8, "global_attn_every_n_layers": 3, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
          "cls_token_id": 2, "sep_token_id": 3}  # fmt: skip
distil = dict(vocab_size=size, dim=16, hidden_dim=24, n_layers=2, n_heads=2, max_position_embeddings=64, initializer_range=0.3, pad_token_id=0)


def shake(model) -> None:
    """Random biases and norms too: zeros and ones would hide what is left out."""
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight, std=0.2)
        elif "norm" in name.lower():
            torch.nn.init.normal_(weight, mean=1, std=0.2)


def save(name: str, model, style: str, dtype=torch.float32) -> Path:
    folder = target / name
    shake(model)
    model.to(dtype).save_pretrained(folder)
    tokenizer(style).save_pretrained(folder)
    return folder


def write_gguf(path: Path, model, config) -> None:
    """As llama.cpp's convert_hf_to_gguf.py writes a BERT."""
    names = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
             "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
             "word_embeddings": "token_embd", "position_embeddings": "position_embd", "token_type_embeddings": "token_types", "LayerNorm": "token_embd_norm"}  # fmt: skip
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_layer_norm_eps(config.layer_norm_eps)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *pieces]
    special = lambda token: token.startswith("[") and token.endswith("]")  # noqa: E731
    writer.add_tokenizer_model("bert")
    writer.add_token_list([token if special(token) else token[2:] if token.startswith("##") else "\u2581" + token for token in tokens])
    writer.add_token_types([gguf.TokenType.CONTROL if special(token) else gguf.TokenType.NORMAL for token in tokens])
    for add, token in [(writer.add_unk_token_id, 1), (writer.add_sep_token_id, 3), (writer.add_pad_token_id, 0), (writer.add_bos_token_id, 2), (writer.add_mask_token_id, 4)]:
        add(token)
    for name, weight in model.state_dict().items():
        if name.startswith("pooler.") or name.endswith("position_ids"):
            continue
        prefix, *rest = name.removeprefix("embeddings.").removeprefix("encoder.layer.").split(".")
        block, part, end = (f"blk.{prefix}.", ".".join(rest[:-1]), rest[-1]) if prefix.isdigit() else ("", prefix, rest[-1])
        writer.add_tensor(f"{block}{names[part]}.{end}", weight.detach().float().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    shutil.rmtree(target, ignore_errors=True)
    torch.manual_seed(1)
    def pipeline(folder: Path, modules, dtype=torch.float32, max_seq_length=None, prompts=None, default=None):
        transformer = Transformer(str(folder), model_kwargs={"dtype": torch.float32})
        model = SentenceTransformer(modules=[transformer, *modules], device="cpu", prompts=prompts, default_prompt_name=default)
        stored = {file: (folder / file).read_bytes() for file in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]}
        model.save(str(folder), create_model_card=False)
        for file, data in stored.items():  # in the dtype and with the names that transformers gave them
            (folder / file).write_bytes(data)
        if max_seq_length is not None:
            (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": max_seq_length, "do_lower_case": False}))
        return SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})

    embedders = {}
    folder = save("bert", BertModel(BertConfig(**sizes)), "bert")
    embedders["bert"] = pipeline(folder, [Pooling(16, "mean"), Normalize()], max_seq_length=24, prompts={"query": "query: ", "passage": "passage: "})
    bert = BertModel.from_pretrained(folder)
    write_gguf(target / "bert.gguf", bert, bert.config)
    folder = save("bert-f16", BertModel(BertConfig(**{**sizes, "hidden_act": "gelu_new"}), add_pooling_layer=False), "bert", torch.float16)
    embedders["bert-f16"] = pipeline(folder, [Pooling(16, "cls"), Normalize()])
    folder = save("roberta", RobertaModel(RobertaConfig(**roberta)), "roberta")
    embedders["roberta"] = pipeline(folder, [Pooling(16, ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"))])
    folder = save("distilbert", DistilBertModel(DistilBertConfig(**distil)), "bert")
    dense = Dense(16, 6)
    embedders["distilbert"] = pipeline(folder, [Pooling(16, "mean"), dense], prompts={"query": "query: "}, default="query")
    folder = save("modernbert-bf16", ModernBertModel(ModernBertConfig(**modern)), "bert", torch.bfloat16)
    embedders["modernbert-bf16"] = pipeline(folder, [Pooling(16, "lasttoken"), Normalize()])
    folder = save("modernbert", ModernBertModel(ModernBertConfig(**{**modern, "norm_bias": True, "mlp_bias": True, "attention_bias": True})), "bert")
    embedders["modernbert"] = SentenceTransformer(str(folder), device="cpu")  # no modules.json: the mean

    answers = {"texts": texts, "pairs": pairs, "embedders": {}, "rerankers": {}}
    rounded = lambda values: [[round(x, 7) for x in row] for row in values.tolist()]  # noqa: E731
    for name, model in embedders.items():
        answers["embedders"][name] = {"vectors": rounded(model.encode(texts, batch_size=4))}
        if "query" in model.prompts:
            answers["embedders"][name]["query"] = rounded(model.encode(texts, prompt_name="query"))

    rerankers = {
        "bert-reranker": (BertForSequenceClassification(BertConfig(**sizes, num_labels=1)), "bert"),
        "xlm-roberta-reranker": (XLMRobertaForSequenceClassification(XLMRobertaConfig(**roberta, num_labels=1)), "roberta"),
        "distilbert-reranker": (DistilBertForSequenceClassification(DistilBertConfig(**distil, num_labels=1)), "bert"),
        "modernbert-reranker": (ModernBertForSequenceClassification(ModernBertConfig(**modern, num_labels=1, classifier_pooling="mean")), "bert"),
    }  # fmt: skip
    for name, (model, style) in rerankers.items():
        folder = save(name, model, style)
        if name == "modernbert-reranker":
            config = json.loads((folder / "config.json").read_text())
            config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.linear.Identity"}
            (folder / "config.json").write_text(json.dumps(config, indent=2))
        cross = CrossEncoder(str(folder), device="cpu")
        answers["rerankers"][name] = {
            "scores": [round(float(x), 7) for x in cross.predict(pairs)],
            "ranking": [int(one["corpus_id"]) for one in cross.rank(texts[5], texts)],
        }
    (target / "answers.json").write_text(json.dumps(answers, separators=(",", ":")) + "\n")
    for path in target.rglob("*"):
        if path.name in ("README.md", "special_tokens_map.json", "generation_config.json"):
            path.unlink()


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    main()
