"""Writes packages/tokenizer/src/__fixtures__/regex.json: what the engines that tokenizers run their regular expressions on make of patterns.

    pip install tokenizers==0.23.3 regex
    python tools/tokenizer/generate-regex-fixtures.py [--count N] [--seed S] [--out FILE]

`oniguruma` comes from Hugging Face tokenizers' Split (the matches are what its inverted removal leaves), `fancy` from Python's regex module, over
the syntax that means the same there as in fancy-regex. Offsets are code points. Random patterns are drawn from a grammar with the seed given.
"""
import argparse
import json
import random
import sys
from pathlib import Path

import regex
from tokenizers import Regex, normalizers, pre_tokenizers

BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
HERE = Path(__file__).resolve().parent
TARGET = HERE / "../../packages/tokenizer/src/__fixtures__/regex.json"

# What real files carry, and one of each construct.
PATTERNS = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"[0-9][0-9][0-9]", r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}{1,3}",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", r"\p{Han}+|\p{Hiragana}+|\p{Katakana}+", r"\d{1,3}(?=(?:\d{3})*\b)", r"\w+|[^\w\s]+", r" {2,}", r"\d", r"\n+",
    r"^", r"$", r"a$", r"^a", r"\A.", r".\z", r".\Z", r"\b", r"\B.", r"\b\w", r"(?m).", r".", r"\R", r"\N", r"\O", r"\h+", r"\H+", r"a{1,2}+b", r"a{,2}",
    r"a{2}?", r"a{2}+", r"a{2,1}", r"a{0}b", r"a**", r"(?>a+)b|b", r"a++b|b", r"a?+a", r"(?<=a)b", r"(?<!a)b", r"(?<=a+)b", r"(?<=ab?)\S", r"(?<!a|bc)\d",
    r"a(?=b)", r"a(?!b)", r"(?:|a)*", r"(?:a|)*", r"(?:a*)*b", r"(?:a?){2,3}b", r"()", r"a|", r"", r"(?i)k", r"(?i:s)", r"(?i:[^s])", r"(?i)[ſ]",
    r"(?i)\p{Lu}", r"(?i)[\p{Lu}]", r"(?i)[[:upper:]]", r"(?i)a(?-i)b", r"a(?i)b|c", r"(?x) a b # c", r"(?x)a\ b", r"[[:alpha:]]", r"[[:^alpha:]]", r"[[:punct:]]",
    r"\p{Punct}", r"[[:cntrl:]]", r"\p{Cntrl}", r"[[:graph:]]", r"[[:print:]]", r"[[:alnum:]]", r"\p{Alnum}", r"[[:blank:]]", r"[[:space:]]", r"[[:word:]]",
    r"[[:xdigit:]]", r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", r"[a-c&&b]", r"[^a-c&&b]", r"[a-c&&[^b]]", r"[a[bc]]", r"[^a[^b]]", r"[]a]", r"[a-]", r"[-a]",
    r"[a\-b]", r"[\n-\r]", r"[\x{41}-\x{43}]", r"\x41", r"\u00e9", r"\x{e9}", r"\t", r"\v", r"\e", r"\012", r"\0", r"\p{L}", r"\P{L}", r"\p{^L}", r"\pL",
    r"\p{Letter}", r"\p{ l_}", r"\p{Lowercase_Letter}", r"\p{Alphabetic}", r"\p{White_Space}", r"\p{Emoji}", r"\p{Hani}", r"\p{Latin}", r"\p{Cyrillic}",
    r"\p{Thai}", r"\p{Devanagari}", r"\p{Arabic}", r"\p{Any}", r"\p{M}", r"\p{S}", r"\p{P}", r"\p{Z}", r"\p{C}", r"\p{Nd}", r"\p{Sc}", r"\p{Pd}", r"{", r"a{", r"a{b}", r"]", r"}",
    r"(?#comment)a", r"(?<name>a)b", r"\.", r"\_", r"\,", r"\ ",
]
TEXTS = [
    "Hello, World's  12345 tests!\r\n\r\n  We'LL see it’s  fine\t\n",
    "aab ab aaa b c abc bcd a\nab\n",
    "Ünïcödé Straße ſ K \u212a e\u0301 日本語テキスト 中文 한국어 ไทย हिन्दी العربية Привет 😀👍🏽 1½²٣",
    "a$+<=>^`|~! {x} [y] \u00ad\u200b\u200d\ufeff\u0085\u2028\u3000 face0 {a{b}} \x01\x1b",
    "",
    "  \n\n ",
    "s S ſ k K",
]

ATOMS = ["a", "b", "c", "ab", ".", "[ab]", "[^a]", r"\s", r"\S", r"\w", r"\d", "1", " ", r"\p{L}", r"[^\s\p{L}]", r"\n", "é", "[a-c&&[^b]]", "(?i:A)", "(?i:s)"]
ASSERTIONS = ["^", "$", r"\b", r"\B", r"\A", r"\z"]
TEXT_ALPHABET = ["a", "a", "a", "b", "b", "c", "A", " ", " ", "\n", "1", "é", "s", "ſ", "中", "😀", "_", "."]


def draw(rng, depth, fancy, behind=False):
    """A random pattern. Inside a look-behind nothing that Oniguruma refuses there."""
    roll = rng.random()
    if depth == 0 or roll < 0.3:
        return rng.choice(ATOMS)
    inner = lambda: draw(rng, depth - 1, fancy, behind)
    if roll < 0.5:
        return inner() + inner()
    if roll < 0.62:
        return "(?:" + "|".join(inner() for _ in range(rng.randint(2, 3))) + ")"
    if roll < 0.82:
        count = rng.choice(["*", "+", "?", "{2}", "{1,3}", "{2,}", "{0,2}"])
        kinds = ["", "", "", "?"]
        if not behind and (fancy or count in "*+?"):
            kinds.append("+")
        if count == "{2}" and not fancy:
            kinds = [""]
        return "(?:" + inner() + ")" + count + rng.choice(kinds)
    if roll < 0.88:
        return rng.choice(ASSERTIONS)
    if behind:
        return rng.choice(ATOMS)
    if roll < 0.92:
        return "(?>" + inner() + ")"
    if roll < 0.96:
        return rng.choice(["(?=", "(?!"]) + inner() + ")"
    return rng.choice(["(?<=", "(?<!"]) + draw(rng, 1, fancy, True) + ")"


def quietly(run):
    """None where the engine refuses the pattern (Rust panics arrive as BaseException)."""
    try:
        return run()
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def pieces(pattern, behavior, invert, text):
    return [list(offsets) for _, offsets in pre_tokenizers.Split(pattern, behavior, invert).pre_tokenize_str(text)]


def matches_of_oniguruma(source, text):
    return quietly(lambda: pieces(Regex(source), "removed", True, text))


def matches_of_fancy(source, text):
    # `$` ends a text there, and Python's iterator lets a match begin where an empty one was; otherwise the two agree on what is drawn here.
    compiled = quietly(lambda: regex.compile(source.replace("$", r"\Z").replace(r"\z", r"\Z"), regex.V1 | regex.UNICODE))
    if compiled is None:
        return None
    found, at, last = [], 0, -1
    while at <= len(text):
        match = quietly(lambda: compiled.search(text, at, timeout=2))
        if match is None:
            break
        if match.start() == match.end() == last:
            at = last + 1
            continue
        if match.end() > match.start():
            found.append([match.start(), match.end()])
        at = last = match.end()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--out", default=str(TARGET))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    out = {"oniguruma": [], "fancy": [], "split": [], "replace": []}
    for source in PATTERNS:
        found = [matches_of_oniguruma(source, text) for text in TEXTS]
        if None in found:
            print("refused by Oniguruma:", source, file=sys.stderr)
            continue
        out["oniguruma"].append([source, found])
    for engine, run in [("oniguruma", matches_of_oniguruma), ("fancy", matches_of_fancy)]:
        kept = 0
        while kept < args.count:
            source = draw(rng, 3, engine == "fancy")
            text = "".join(rng.choice(TEXT_ALPHABET) for _ in range(rng.randint(5, 30)))
            found = run(source, text)
            if found is None:
                continue
            out[engine].append([source, text, found])
            kept += 1
    strings = ["a", " ", "ab", "é", "😀", ".", "l"]
    sources = [PATTERNS[1], r"\s+", r"a|", r"\d", r"(?:a|b)+", r"\p{L}+", r"^"]
    split_texts = [TEXTS[0], TEXTS[1], "Ünïcödé 日本語 😀👍🏽 ²٣", "", "aXbab a", "ab"]
    for number, text in enumerate(split_texts):
        for kind, source in [("String", s) for s in strings] + [("Regex", s) for s in sources]:
            for behavior in BEHAVIORS:
                for invert in (False, True):
                    if len(text) > 10 and kind == "String" and invert and behavior in ("contiguous", "isolated"):
                        continue
                    pattern = Regex(source) if kind == "Regex" else source
                    found = quietly(lambda: pieces(pattern, behavior, invert, text))
                    if found is not None:
                        out["split"].append([kind, source, behavior, invert, number, [n for pair in found for n in pair]])
    for kind, source, content in [("String", "a", "xy"), ("String", "l", ""), ("String", " ", "▁"), ("Regex", r"\s+", " "), ("Regex", r"[aeiou]", "<$0>"), ("Regex", r" {2,}", "▁"), ("Regex", r"^", "^"), ("Regex", r"\b", "|"), ("Regex", r"(?:ab)*", "-"), ("Regex", r"\p{L}+", "w")]:
        for number, text in enumerate(TEXTS):
            pattern = Regex(source) if kind == "Regex" else source
            result = quietly(lambda: normalizers.Replace(pattern, content).normalize_str(text))
            if result is not None:
                out["replace"].append([kind, source, content, number, result])
    lines = []
    for key, rows in out.items():
        lines.append(json.dumps(key) + ": [\n" + ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows) + "\n]")
    head = json.dumps({"texts": TEXTS, "splitTexts": split_texts}, ensure_ascii=False)[1:-1]
    # Line separators of Unicode would end lines in some readers.
    body = ("{\n" + head + ",\n" + ",\n".join(lines) + "\n}\n").replace("\u2028", "\\u2028").replace("\u0085", "\\u0085").replace("\ufeff", "\\ufeff")
    Path(args.out).write_text(body, encoding="utf-8")


main()
