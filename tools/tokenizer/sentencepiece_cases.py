"""Trains SentencePiece models in many configurations and writes down what Python's sentencepiece makes of tricky texts.

    pip install sentencepiece==0.2.3
    python tools/tokenizer/sentencepiece_cases.py <corpus.txt> <folder> --strings 2000

writes `<configuration>.model` and `<configuration>.json` ({text, ids, pieces, spans in bytes, decoded}) to the folder. The acceptance row runs it as
it is; `generate-sentencepiece-fixtures.py` makes the small fixtures of the unit tests with it.
"""
import argparse
import io
import json
import pathlib
import random

import sentencepiece

SEED = 20250102

ATOMS = [
    list('abcdefghijklmnopqrstuvwxyzABCXYZ'), list('0123456789'), list('.,;:!?"()[]{}<>/\\|@#$%^&*-_=+~`\''),
    [' ', '  ', '   ', '\t', '\n', '\r\n', '\u3000', '\u00a0', '\u2003', '\u200b', '\u0085', '\u2028', '\ufeff', '\u00ad'],
    ['the', ' the', 'Hello', ' world', ' whale', 'ing', ' of', 'Mr. ', ' and', 'tion', ' I', 'SHALL'],
    ['\u00e9', 'e\u0301', '\u00df', '\u0130', '\u017f', '\u212a', '\ufb01', '\u1e9e', '\u03a3', '\u03c2', 'a\u0308\u0301', '\u01c5', '\u0345'],
    ['\u4e2d', '\u6587', '\u65e5\u672c\u8a9e', '\ud55c\uad6d', '\u1112\u1161\u11ab', '\u3042', '\u30ab\u3099', '\uff76\uff9e', '\uff21', '\u3002', '\u32ff', '\ufdfa'],
    ['\u0e33', '\u0915\u094d\u0937', '\u0627\u0644', '\u05e9\u05c1', '\u0660', '\u00bd', '\u00b2', '\u2460', '\u2167'],
    ['\U0001f600', '\U0001f468\u200d\U0001f469', '\U0001f44d\U0001f3fd', '\u2764\ufe0f', '\u20ac', '\u2026', '\u2014', '\u00a8', '\u2047'],
    ['\x00', '\x01', '\x1b', '\x7f', '\u2581', ' \u2581', '\u2581\u2581', '\ufffd', '\U00010400', '\U0010ffff', '\u0378', '\ue000'],
    ['<s>', '</s>', '<unk>', '<0x41>', '<sep>', '<cls>', 'foo bar', '\u2047'],
]

RULES = '41\t61\nC4\tE4\n2126\t3A9\n66 69\tFB01\n20 21\t21\n3C 33\t2665\nAD\t\n63 68 61\t78 20 79\n'
DENORMALIZE = '61 62\t62 61\n20 2E\t2E\n'

CONFIGURATIONS = {
    'unigram': dict(model_type='unigram'),
    'unigram-bytes': dict(model_type='unigram', byte_fallback=True, normalization_rule_name='identity'),
    'unigram-cf': dict(model_type='unigram', normalization_rule_name='nmt_nfkc_cf'),
    'unigram-nfkc-symbols': dict(model_type='unigram', normalization_rule_name='nfkc', user_defined_symbols='<sep>,foo bar,\u2460,ing', control_symbols='<cls>'),
    'unigram-bare': dict(model_type='unigram', normalization_rule_name='identity', add_dummy_prefix=False, remove_extra_whitespaces=False),
    'unigram-suffix': dict(model_type='unigram', treat_whitespace_as_suffix=True),
    'unigram-phrases': dict(model_type='unigram', split_by_whitespace=False, max_sentencepiece_length=24, normalization_rule_name='identity'),
    'unigram-rules': dict(model_type='unigram', rules=RULES, denormalize=DENORMALIZE),
    'bpe': dict(model_type='bpe'),
    'bpe-llama': dict(model_type='bpe', byte_fallback=True, normalization_rule_name='identity', split_digits=True, remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
    'bpe-symbols': dict(model_type='bpe', normalization_rule_name='nmt_nfkc_cf', user_defined_symbols='<sep>,foo bar,\u2581\u2581,ing', control_symbols='<cls>', add_dummy_prefix=False, remove_extra_whitespaces=False),
    'bpe-suffix': dict(model_type='bpe', treat_whitespace_as_suffix=True, byte_fallback=True),
    'bpe-phrases': dict(model_type='bpe', split_by_whitespace=False, max_sentencepiece_length=24, rules=RULES),
    'bpe-unused': dict(model_type='bpe', normalization_rule_name='identity', restrict=True),
    'unigram-unused': dict(model_type='unigram', normalization_rule_name='identity', restrict=True, byte_fallback=True),
    'word': dict(model_type='word'),
    'char': dict(model_type='char', byte_fallback=True, user_defined_symbols='<sep>,ing', remove_extra_whitespaces=False),
}


def lines(corpus):
    """The corpus with some lines of other scripts, so that a vocabulary holds more than Latin letters."""
    rng = random.Random(SEED)
    text = [line.strip() for line in corpus.splitlines() if line.strip()]
    other = ['\u4e2d\u6587\u65e5\u672c\u8a9e', '\u00e9t\u00e9 d\u00e9j\u00e0', '\ud55c\uad6d\uc5b4', '\u3042\u3044\u3046', '\u0645\u0631\u062d\u0628\u0627', '2 4 6 8', '\U0001f600 ok']
    return [line if i % 20 else f'{line} {rng.choice(other)}' for i, line in enumerate(text)]


def train(name, corpus, vocab_size, folder):
    """The serialized model of a configuration."""
    options = dict(CONFIGURATIONS[name])
    restrict = options.pop('restrict', False)
    for option, flag in (('rules', 'normalization_rule_tsv'), ('denormalize', 'denormalization_rule_tsv')):
        rules = options.pop(option, None)
        if rules is not None:
            path = pathlib.Path(folder) / f'{name}.{option}.tsv'
            path.write_text(rules, encoding='utf-8')
            options[flag] = str(path)
    if options.get('byte_fallback') or options['model_type'] == 'char':
        vocab_size += 256
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines(corpus)), model_writer=model, vocab_size=vocab_size, hard_vocab_limit=False, num_threads=1,
        character_coverage=0.9995, minloglevel=2, **options)
    if not restrict:
        return model.getvalue()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    rng = random.Random(SEED)
    names = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    # Unused pieces are 5 in the field `type` of a piece; SetVocabulary is not part of the Python package.
    return with_types(model.getvalue(), {p for p in names if len(p) > 1 and not p.startswith('<') and rng.random() < 0.4})


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def encoded(value):
    out = b''
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def with_types(data, unused):
    """The model with these pieces of type UNUSED."""
    out = b''
    at = 0
    while at < len(data):
        tag, after = varint(data, at)
        length, start = varint(data, after)
        body = data[start:start + length]
        if tag == 10:
            size, text = varint(body, 1)
            if body[text:text + size].decode() in unused:
                body += bytes([24, 5])
        out += encoded(tag) + encoded(len(body)) + body
        at = start + length
    return out


def fields(data):
    """Numbers and values of a protobuf message that has varints and bytes only; the package reads them with an extra dependency."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        value, at = varint(data, at)
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        yield tag >> 3, value


def texts(count, corpus):
    rng = random.Random(SEED + 1)
    words = corpus.split()
    result = ['', ' ', '   ', 'a', ' a ', 'Hello world', '  two  blanks  ', '\u2581', 'a' * 300, ' '.join('ab' * 40), '\u4e2d' * 50]
    while len(result) < count:
        kind = rng.random()
        if kind < 0.3:
            at = rng.randrange(max(1, len(corpus) - 200))
            result.append(corpus[at:at + rng.randrange(200)])
        elif kind < 0.4:
            result.append(' '.join(rng.choice(words) for _ in range(rng.randrange(1, 20))))
        elif kind < 0.5:
            result.append(''.join(chr(rng.choice([rng.randrange(0x20, 0x250), rng.randrange(0x250, 0xd800), rng.randrange(0xe000, 0x20000)])) for _ in range(rng.randrange(1, 20))))
        else:
            result.append(''.join(rng.choice(rng.choice(ATOMS)) for _ in range(rng.randrange(1, 30))))
    return result


def answers(model, strings):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    cases = []
    for text in strings:
        pieces = [dict(fields(body)) for number, body in fields(processor.encode(text, return_type='serialized_proto')) if number == 2]
        ids = [piece[2] for piece in pieces]
        assert ids == processor.encode(text)
        cases.append({
            'text': text, 'ids': ids, 'pieces': [piece[1].decode() for piece in pieces],
            'spans': [[piece.get(4, 0), piece.get(5, 0)] for piece in pieces], 'decoded': processor.decode(ids),
        })
    # Ids that no encoding gives: control tokens, halves of characters, anything.
    rng = random.Random(SEED + 2)
    special = [i for i in range(processor.get_piece_size()) if processor.is_control(i) or processor.is_unknown(i) or processor.is_byte(i)]
    decodings = []
    for _ in range(len(strings) // 4):
        ids = [rng.choice(special) if rng.random() < 0.5 else rng.randrange(processor.get_piece_size()) for _ in range(rng.randrange(1, 12))]
        decodings.append({'ids': ids, 'decoded': processor.decode(ids)})
    return {'size': processor.get_piece_size(), 'bos': processor.bos_id(), 'eos': processor.eos_id(), 'cases': cases, 'decodings': decodings}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('corpus')
    parser.add_argument('folder')
    parser.add_argument('--strings', type=int, default=2000)
    parser.add_argument('--vocab', type=int, default=2000)
    parser.add_argument('--only', default='')
    arguments = parser.parse_args()
    corpus = pathlib.Path(arguments.corpus).read_text(encoding='utf-8')
    folder = pathlib.Path(arguments.folder)
    strings = texts(arguments.strings, corpus)
    names = [name for name in CONFIGURATIONS if arguments.only in ('', name)]
    for name in names:
        model = train(name, corpus, arguments.vocab, folder)
        (folder / f'{name}.model').write_bytes(model)
        (folder / f'{name}.json').write_text(json.dumps(answers(model, strings)), encoding='utf-8')
    print(json.dumps({'version': sentencepiece.__version__, 'names': names, 'strings': len(strings)}))


if __name__ == '__main__':
    main()
