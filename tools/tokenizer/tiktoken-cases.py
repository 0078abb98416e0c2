"""Writes packages/tokenizer/src/__fixtures__/tiktoken.json: what tiktoken makes of hand-picked and seeded random texts with each of its encodings.

    pip install tiktoken==0.14.0
    python tools/tokenizer/tiktoken-cases.py

tiktoken downloads the rank files, or takes them from TIKTOKEN_CACHE_DIR."""

import json
import os
import random

import tiktoken

NAMES = ["gpt2", "r50k_base", "p50k_base", "p50k_edit", "cl100k_base", "o200k_base", "o200k_harmony"]
TEXTS = [
    "",
    "The Agentic AI Academy teaches advanced AI skills.",
    "I'VE said it's HTTPServer's, don'T you'Ll we\u017f' '\u017f",
    "  leading and trailing  \n\n \t",
    "\ufeffBOM \u0085next\u00a0line\u3000wide",
    "camelCase PascalCase SCREAMING_CASE mixedCASEWord ABCdef",
    "1234567 3.14 \u0663\u0664\u0665 \u00bd\u2167",
    "e\u0301A\u0301B \u0301C \u20dd\u0301AB e\u0345\u01c5\u01c4",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f \uc548\ub155\ud558\uc138\uc694 \u4e2dABC\u6587def",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea 1\ufe0f\u20e3",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\x00\x01\x1b[0m\x7f\x80\u200b\u2028\ufffd\U0010ffff\U000e0101",
    "if (a) {\r\n\treturn b[0]; // done\n}\n\n\n",
    ".\n/path/to//file.ts:12\n/",
    "a" * 300,
    "_" * 129 + " " * 83 + "\n" * 41,
    "<|endoftext|>a<|endofprompt|><|fim_middle|><|start|>assistant<|message|>hi<|reserved_200018|><|endoftext",
]
ALPHABET = list("aAbB eE.,'sS1 9\n\t-_/(") + ["\u00e9", "\u00df", "\u0416", "\u0436", "\u4e2d", "\u3042", "\ud55c", "\u0301", "\u0663", "\U0001f600", "\u3000", "\u0085", "\u01c5", " the", "'ll"]

source = random.Random(20260101)
for _ in range(60):
    TEXTS.append("".join(source.choice(ALPHABET) for _ in range(source.randint(1, 24))))

encodings = {}
for name in NAMES:
    encoding = tiktoken.get_encoding(name)
    encodings[name] = {
        "vocabSize": encoding.n_vocab,
        "special": encoding._special_tokens if len(encoding._special_tokens) < 20 else {"<|call|>": 200012, "<|reserved_201087|>": 201087},
        "ordinary": [encoding.encode_ordinary(text) for text in TEXTS],
        "allowed": [encoding.encode(text, allowed_special="all") for text in TEXTS],
    }
target = os.path.join(os.path.dirname(__file__), "../../packages/tokenizer/src/__fixtures__/tiktoken.json")
with open(target, "w", encoding="utf-8") as file:
    json.dump({"tiktoken": tiktoken.__version__, "texts": TEXTS, "encodings": encodings}, file, separators=(",", ":"))
    file.write("\n")
