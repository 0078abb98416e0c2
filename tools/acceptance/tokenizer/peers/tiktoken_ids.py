"""What tiktoken makes of texts. Reads a JSON file {"cache": folder, "encodings": [{"name", "texts": [..], "out": file}]}; writes for each encoding a file of
little-endian uint32: for each text the number of its ordinary ids, these, then the number of its ids with every special token allowed, and these. The folder
holds rank files by tiktoken's names for its cache; tiktoken itself checks their sha256. Prints {"version", "vocab": {name: n_vocab}} as JSON."""

import hashlib
import json
import os
import sys
from array import array

with open(sys.argv[1], encoding="utf-8") as file:
    job = json.load(file)
os.environ["TIKTOKEN_CACHE_DIR"] = job["cache"]

import tiktoken  # noqa: E402
from tiktoken_ext import openai_public  # noqa: E402

BASE = "https://openaipublic.blob.core.windows.net/"


def cache_path(url):
    return os.path.join(job["cache"], hashlib.sha1(url.encode()).hexdigest())


def put(url, data):
    with open(cache_path(url), "wb") as out:
        out.write(data)


# Rank files were written as NAME.tiktoken.
for name in ("r50k_base", "p50k_base", "cl100k_base", "o200k_base"):
    with open(os.path.join(job["cache"], name + ".tiktoken"), "rb") as file:
        put(f"{BASE}encodings/{name}.tiktoken", file.read())


def gpt2_files():
    """GPT-2's own two files, made anew from r50k's ranks; tiktoken checks that they are the published ones."""
    ranks = tiktoken.load.load_tiktoken_bpe(f"{BASE}encodings/r50k_base.tiktoken")
    tokens = sorted(ranks, key=ranks.get)
    printable = [b for b in range(256) if chr(b).isprintable() and chr(b) != " "]
    char = {b: chr(b) for b in printable}
    for n, byte in enumerate(b for b in range(256) if b not in char):
        char[byte] = chr(256 + n)
    form = lambda token: "".join(char[b] for b in token)
    lines = ["#version: 0.2"]
    for rank in range(256, len(tokens)):
        parts = [bytes([b]) for b in tokens[rank]]
        while len(parts) > 2:
            best = min(range(len(parts) - 1), key=lambda i: ranks.get(parts[i] + parts[i + 1], 1 << 30))
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        lines.append(" ".join(form(part) for part in parts))
    vocab = {form(token): rank for rank, token in enumerate(tokens)}
    vocab["<|endoftext|>"] = 50256
    put(f"{BASE}gpt-2/encodings/main/vocab.bpe", ("\n".join(lines) + "\n").encode())
    put(f"{BASE}gpt-2/encodings/main/encoder.json", json.dumps(vocab).encode())


if any(wanted["name"] == "gpt2" for wanted in job["encodings"]):
    gpt2_files()

vocab = {}
for wanted in job["encodings"]:
    encoding = tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[wanted["name"]]())
    vocab[wanted["name"]] = encoding.n_vocab
    ids = array("I")
    for text in wanted["texts"]:
        for found in (encoding.encode_ordinary(text), encoding.encode(text, allowed_special="all")):
            ids.append(len(found))
            ids.extend(found)
    with open(wanted["out"], "wb") as out:
        ids.tofile(out)
print(json.dumps({"version": tiktoken.__version__, "vocab": vocab}))
