"""Writes packages/tokenizer/src/__fixtures__/training.json: what Hugging Face's trainers make of small corpora.

In a virtual environment outside the repository:
    pip install tokenizers==0.23.3 sentencepiece==0.2.3
    python tools/tokenizer/generate-training-fixtures.py
"""
import hashlib
import json
import pathlib
import random

import tokenizers
from hf_tokenizers import BOOK, LINES, texts
from hf_training import train

ROOT = pathlib.Path(__file__).parents[2]
SEED = 20251126
BERT = {'type': 'BertNormalizer', 'clean_text': True, 'handle_chinese_chars': True, 'strip_accents': None, 'lowercase': True}
METASPACE = {'type': 'Metaspace', 'replacement': '\u2581', 'prepend_scheme': 'always', 'split': True}

CASES = [
    {'name': 'plain', 'kind': 'characters', 'vocabSize': 320, 'minFrequency': 0, 'preTokenizer': {'type': 'Whitespace'}, 'unkToken': '[UNK]', 'specialTokens': ['[UNK]', '[PAD]']},
    {'name': 'suffix', 'kind': 'characters', 'vocabSize': 300, 'minFrequency': 2, 'preTokenizer': {'type': 'BertPreTokenizer'}, 'normalizer': {'type': 'Sequence', 'normalizers': [{'type': 'NFKC'}, {'type': 'Lowercase'}]},
     'endOfWordSuffix': '</w>', 'unkToken': '<unk>', 'specialTokens': ['<unk>'], 'decoder': {'type': 'BPEDecoder', 'suffix': '</w>'}},
    {'name': 'prefix', 'kind': 'characters', 'vocabSize': 280, 'minFrequency': 0, 'preTokenizer': {'type': 'WhitespaceSplit'}, 'continuingSubwordPrefix': '##', 'endOfWordSuffix': '$',
     'limitAlphabet': 38, 'initialAlphabet': ['\u00df', 'q'], 'specialTokens': []},
    {'name': 'metaspace', 'kind': 'characters', 'vocabSize': 300, 'minFrequency': 0, 'preTokenizer': METASPACE, 'normalizer': {'type': 'NFC'}, 'maxTokenLength': 4, 'unkToken': '<unk>', 'specialTokens': ['<s>', '<unk>'],
     'decoder': METASPACE},
    {'name': 'whole texts', 'kind': 'characters', 'vocabSize': 230, 'minFrequency': 3, 'specialTokens': []},
    {'name': 'bert', 'kind': 'wordpiece', 'vocabSize': 330, 'minFrequency': 2, 'normalizer': BERT, 'preTokenizer': {'type': 'BertPreTokenizer'}, 'continuingSubwordPrefix': '##', 'limitAlphabet': 1000,
     'specialTokens': ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'], 'decoder': {'type': 'WordPiece', 'prefix': '##', 'cleanup': True}},
]


def corpus() -> list[str]:
    book = (BOOK / 'chapter_1.txt').read_text(encoding='utf-8')
    return [line for line in book.split('\n') if line][:14] + LINES * 2


def runs() -> list[dict]:
    """Corpora of few characters, where two ways lead to one token again and again."""
    rng = random.Random(SEED)
    cases = []
    for _ in range(60):
        alphabet = rng.choice(['ab', 'abc', 'a', 'ab ', 'a\u00e9'])
        words = [rng.choice(alphabet) * rng.randrange(1, 30) if rng.random() < 0.5 else ''.join(rng.choices(alphabet, k=rng.randrange(1, 25))) for _ in range(rng.randrange(1, 14))]
        text = rng.choice([' ', ''] if len(words) > 3 else ['']).join(words)
        case = {'name': 'runs', 'kind': 'bytes', 'vocabSize': 256 + rng.choice([10, 40, 120]), 'minFrequency': rng.choice([1, 2, 3]), 'preTokenizer': {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}}
        merges = json.loads(train(case, [text]).to_str())['model']['merges']
        cases.append({'text': text, 'vocabSize': case['vocabSize'], 'minFrequency': case['minFrequency'], 'merges': [' '.join(merge) for merge in merges]})
    return cases


def main() -> None:
    lines = corpus()
    samples = texts([], 30, 'training')
    trained = []
    for case in CASES:
        tokenizer = train(case, lines)
        model = json.loads(tokenizer.to_str())['model']
        merges = [' '.join(merge) for merge in model.get('merges', [])]
        encodings = [tokenizer.encode(text).ids for text in samples]
        trained.append({
            'case': case,
            'vocab': sorted(model['vocab'], key=model['vocab'].get),
            'merges': {'count': len(merges), 'sha256': hashlib.sha256('\n'.join(merges).encode()).hexdigest()},
            'ids': encodings,
            # Some decoders of the library panic on nothing.
            'decoded': [tokenizer.decode(ids, skip_special_tokens=False) if ids else '' for ids in encodings],
        })
    fixture = {'generator': 'tools/tokenizer/generate-training-fixtures.py', 'tokenizers': tokenizers.__version__, 'corpus': lines, 'samples': samples, 'trained': trained, 'runs': runs()}
    (ROOT / 'packages/tokenizer/src/__fixtures__/training.json').write_text(json.dumps(fixture, separators=(',', ':')) + '\n')


main()
