"""Writes packages/tokenizer/src/__fixtures__/encodings.json: whole encodings by Hugging Face tokenizers (pip, 0.23) with pairs, truncation and padding.

The tokenizers are those of packages/tokenizer/src/__fixtures__/hf. Run: python tools/tokenizer/generate-encoding-fixtures.py
"""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer

SEED = 20260
CASES = 6
fixtures = Path(__file__).resolve().parents[2] / "packages/tokenizer/src/__fixtures__"
NAMES = ["bert", "roberta", "llama3", "llama2", "gpt2", "t5", "xlm-roberta", "mistral"]
WORDS = ["the whale", "Ishmael", "naïve", "日本語", "🐋🌊", "don't", "  two", "\n", "1851", "e\u0301tude", "a", "sea-captain", "\u00a0", "THE END"]


def text(random):
    return " ".join(random.choice(WORDS) for _ in range(random.randint(0, 12)))


def fields(encoding):
    return {
        "ids": encoding.ids,
        "typeIds": encoding.type_ids,
        "tokens": encoding.tokens,
        "offsets": [position for pair in encoding.offsets for position in pair],
        "wordIds": [-1 if word is None else word for word in encoding.word_ids],
        "special": encoding.special_tokens_mask,
        "attention": encoding.attention_mask,
        "sequences": [-1 if index is None else index for index in encoding.sequence_ids],
    }


def case(name, tokenizer, random):
    entries = [[text(random)] if random.random() < 0.45 else [text(random), text(random)] for _ in range(random.choice([1, 1, 1, 3]))]
    truncation = padding = None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if random.random() < 0.75:
        truncation = {
            "maxLength": random.randint(5, 24),
            "stride": random.choice([0, 0, 1, 2, 3]),
            "side": random.choice(["left", "right"]),
            "strategy": random.choice(["longest_first", "longest_first", "only_first", "only_second"]),
        }
        tokenizer.enable_truncation(
            truncation["maxLength"], stride=truncation["stride"], direction=truncation["side"], strategy=truncation["strategy"]
        )
    if random.random() < 0.5:
        padding = {
            "to": random.choice(["longest", "longest", 12, 30]),
            "multipleOf": random.choice([None, None, 8]),
            "side": random.choice(["left", "right"]),
            "id": 3,
            "typeId": random.choice([0, 2]),
        }
        tokenizer.enable_padding(
            direction=padding["side"],
            pad_id=3,
            pad_type_id=padding["typeId"],
            pad_token="[PAD]",
            length=None if padding["to"] == "longest" else padding["to"],
            pad_to_multiple_of=padding["multipleOf"],
        )
    add = random.random() < 0.8
    try:
        result = tokenizer.encode_batch([entry[0] if len(entry) == 1 else tuple(entry) for entry in entries], add_special_tokens=add)
    except BaseException as error:  # a panic of the library's is no Exception
        return {"name": name, "entries": entries, "truncation": truncation, "padding": padding, "addSpecial": add, "error": str(error)[:80]}
    return {
        "name": name,
        "entries": entries,
        "truncation": truncation,
        "padding": padding,
        "addSpecial": add,
        "encodings": [
            {**fields(encoding), "overflowing": [[part.ids, part.type_ids, part.sequence_ids] for part in encoding.overflowing]} for encoding in result
        ],
    }


def main():
    random_ = random.Random(SEED)
    cases = []
    for name in NAMES:
        definition = json.loads((fixtures / "hf" / f"{name}.json").read_text())["tokenizer"]
        tokenizer = Tokenizer.from_str(json.dumps(definition))
        cases += [case(name, tokenizer, random_) for _ in range(CASES)]
    path = fixtures / "encodings.json"
    path.write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(cases), "cases,", sum("error" in each for each in cases), "errors,", path.stat().st_size, "bytes")


main()
