"""Writes what Hugging Face tokenizers make of texts: by default packages/tokenizer/src/__fixtures__/hf/*.json, small ones for the tests.

In a virtual environment outside the repository:
    pip install tokenizers==0.23.3 sentencepiece==0.2.3
    python tools/tokenizer/generate-hf-fixtures.py [folder, vocabulary size, texts of each]
"""
import json
import pathlib
import random
import sys

from hf_tokenizers import BUILDERS, SEED, texts
from tokenizers import Tokenizer

FIXTURES = pathlib.Path(__file__).parents[2] / 'packages/tokenizer/src/__fixtures__/hf'


def attempt(make):
    """None where the library panics; a panic is no Exception."""
    try:
        return make()
    except BaseException as error:  # noqa: BLE001
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def case(tokenizer: Tokenizer, text: str):
    encoding = tokenizer.encode(text)
    ids = encoding.ids
    return {
        'text': text,
        'ids': ids,
        'plain': tokenizer.encode(text, add_special_tokens=False).ids,
        'tokens': encoding.tokens,
        'offsets': [position for pair in encoding.offsets for position in pair],
        'words': [-1 if word is None else word for word in encoding.word_ids],
        'decoded': tokenizer.decode(ids, skip_special_tokens=False) if ids else '',
        'skipped': attempt(lambda: tokenizer.decode(ids, skip_special_tokens=True)),
    }


def pair(tokenizer: Tokenizer, first: str, second: str):
    encoding = tokenizer.encode(first, second)
    return {'first': first, 'second': second, 'ids': encoding.ids, 'typeIds': encoding.type_ids, 'tokens': encoding.tokens, 'sequences': [-1 if i is None else i for i in encoding.sequence_ids]}


def main() -> None:
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES
    vocab = int(sys.argv[2]) if len(sys.argv) > 2 else 420
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 32
    folder.mkdir(parents=True, exist_ok=True)
    made_all = []
    for name, build in BUILDERS.items():
        tokenizer = build(vocab)
        written = json.loads(tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        added = [token['content'] for token in written['added_tokens'] if not token['content'].startswith('<0x')]
        given = texts(added, count, name)
        rng = random.Random(f'{SEED} {name} decode')
        size = tokenizer.get_vocab_size()
        # Ids that no encoding would give, which decoders must take all the same.
        decodings = []
        for _ in range(max(12, count // 10)):
            ids = [rng.randrange(size) for _ in range(rng.randrange(1, 14))]
            if name in ('llama2', 'mistral', 'unigram-bytes') and rng.random() < 0.7:
                ids += [tokenizer.token_to_id(f'<0x{byte:02X}>') for byte in rng.choice(['\u00e9', '\U0001f600', '\u4e2d\u6587']).encode()[rng.randrange(2):]]
            text = attempt(lambda: tokenizer.decode(ids, skip_special_tokens=False))
            if text is not None:
                decodings.append({'ids': ids, 'text': text})
        result = {
            'tokenizer': written,
            'cases': [made for text in given if (made := attempt(lambda: case(tokenizer, text))) is not None],
            'pairs': [made for first, second in zip(given[4:14], given[5:]) if (made := attempt(lambda: pair(tokenizer, first, second))) is not None],
            'decodings': decodings,
        }
        (folder / f'{name}.json').write_text(json.dumps(result, ensure_ascii=True, separators=(',', ':')))
        made_all.append(name)
    print(json.dumps(made_all))


if __name__ == '__main__':
    main()
