"""What Python's libraries say to the tokenizer package's promises. Reads a JSON file
{"tokenizers": {name: tokenizer.json}, "texts": [..], "pairs": [..], "rules": [..], "ranks": {base64: rank}, "special": {name: id}, "chats": [..], "out": folder}; writes NAME.jsonl for
each tokenizer (a line for each rule, text and its pair), policies.jsonl by tiktoken and chats.jsonl by transformers. Prints the versions as JSON."""

import base64
import importlib.util
import json
import os
import sys
from pathlib import Path

import tiktoken
import tokenizers
import transformers

with open(sys.argv[1], encoding="utf-8") as file:
    job = json.load(file)
GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""


def lines(name):
    return open(os.path.join(job["out"], name), "w", encoding="utf-8")


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def fields(encoding):
    return [
        encoding.ids,
        encoding.type_ids,
        encoding.tokens,
        [place for offsets in encoding.offsets for place in offsets],
        [-1 if word is None else word for word in encoding.word_ids],
        [-1 if sequence is None else sequence for sequence in encoding.sequence_ids],
        encoding.special_tokens_mask,
        encoding.attention_mask,
    ]


# The library writes a page for every refusal that is a panic of Rust.
errors = os.dup(2)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
for name, source in job["tokenizers"].items():
    tokenizer = tokenizers.Tokenizer.from_str(source)
    with lines(name + ".jsonl") as out:
        for rule in job["rules"]:
            tokenizer.no_truncation()
            tokenizer.no_padding()
            if rule.get("truncation"):
                given = rule["truncation"]
                tokenizer.enable_truncation(given["maxLength"], stride=given["stride"], strategy=given["strategy"], direction=given["side"])
            if rule.get("padding"):
                given = rule["padding"]
                tokenizer.enable_padding(
                    direction=given["side"], pad_id=given["id"], pad_type_id=given["typeId"], pad_token=tokenizer.id_to_token(given["id"]),
                    length=None if given["to"] == "longest" else given["to"], pad_to_multiple_of=given.get("multipleOf"),
                )
            for text, pair in zip(job["texts"], job["pairs"]):
                try:
                    encoding = tokenizer.encode(text, pair if rule["pair"] else None, add_special_tokens=rule["addSpecial"])
                    out.write(compact([fields(encoding), [fields(rest) for rest in encoding.overflowing][:20], len(encoding.overflowing)]))
                except BaseException as error:
                    out.write(compact("error"))

os.dup2(errors, 2)

ranks = {base64.b64decode(token): rank for token, rank in job["ranks"].items()}
encoding = tiktoken.Encoding("fixture", pat_str=GPT2, mergeable_ranks=ranks, special_tokens=job["special"])
names = sorted(job["special"])
policies = [
    {},
    {"allowed_special": "all"},
    {"disallowed_special": ()},
    {"allowed_special": set(names[:1])},
    {"allowed_special": set(names[1:])},
]
with lines("policies.jsonl") as out:
    for policy in policies:
        for text in job["texts"]:
            try:
                out.write(compact(encoding.encode(text, **policy)))
            except ValueError:
                out.write(compact("error"))

path = Path(__file__).resolve().parents[3] / "tokenizer/generate-chat-fixtures.py"
spec = importlib.util.spec_from_file_location("chats", path)
chats = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chats)
with lines("chats.jsonl") as out:
    for chat in job["chats"]:
        out.write(compact(chats.answer_of(chats.TEMPLATES[chat["template"]], chat)))
print(json.dumps({"tokenizers": tokenizers.__version__, "tiktoken": tiktoken.__version__, "transformers": transformers.__version__}))
