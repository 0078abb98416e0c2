"""Training by Hugging Face tokenizers, made repeatable.

Its trainers number the forms of characters with a prefix or suffix (`##a`, `a</w>`) by the order of a hash table, which differs from run to run, and of pairs
that are equally frequent the one with lower ids is merged first: so vocabularies differ too. Here these forms are given to the trainer beforehand, as special
tokens, by rising code points; afterwards only the true special tokens are kept as such.
"""
import json

from tokenizers import Tokenizer, pre_tokenizers, trainers


def words_of(tokenizer: Tokenizer, texts: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
        words = [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)] if tokenizer.pre_tokenizer else [normal]
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    return counts


def forms_of(words: dict[str, int], case: dict) -> list[str]:
    """The alphabet and the forms with prefix and suffix, in the order that is documented."""
    occurrences: dict[str, float] = {}
    for word, count in words.items():
        for char in word:
            occurrences[char] = occurrences.get(char, 0) + count
    for char in case.get('initialAlphabet', []):
        occurrences[char] = float('inf')
    kept = sorted(occurrences, key=lambda char: (-occurrences[char], ord(char)))
    limit = case.get('limitAlphabet')
    if limit is not None and limit < len(kept):
        # Where the last one kept is as frequent as the first one dropped, the library's choice is a matter of chance.
        assert occurrences[kept[limit - 1]] != occurrences[kept[limit]], f"{case['name']}: choose another limitAlphabet"
        kept = kept[:limit]
    prefix, suffix = case.get('continuingSubwordPrefix', ''), case.get('endOfWordSuffix', '')
    alphabet = set(kept)
    placed = set()
    for word in words:
        for i, char in enumerate(word):
            if char in alphabet:
                inner, last = i > 0 and prefix != '', i + 1 == len(word) and suffix != ''
                placed.add((ord(char), inner + 2 * last, (prefix if inner else '') + char + (suffix if last else '')))
    return sorted(kept, key=ord) + [form for _, place, form in sorted(placed) if place > 0]


def train(case: dict, texts: list[str]) -> Tokenizer:
    """The tokenizer of a case, whose fields are options of this package's trainers; components are those of a tokenizer.json."""
    bytes_ = case['kind'] == 'bytes'
    model = {'type': 'WordPiece', 'unk_token': case.get('unkToken', '[UNK]'), 'continuing_subword_prefix': '##', 'max_input_chars_per_word': 100, 'vocab': {}}
    if case['kind'] != 'wordpiece':
        model = {'type': 'BPE', 'dropout': None, 'unk_token': case.get('unkToken'), 'continuing_subword_prefix': None, 'end_of_word_suffix': None, 'fuse_unk': False,
                 'byte_fallback': False, 'ignore_merges': False, 'vocab': {}, 'merges': []}
    empty = {'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': [], 'normalizer': case.get('normalizer'), 'pre_tokenizer': case.get('preTokenizer'),
             'post_processor': None, 'decoder': case.get('decoder'), 'model': model}
    tokenizer = Tokenizer.from_str(json.dumps(empty))
    special = case.get('specialTokens', [])
    options = {'vocab_size': case['vocabSize'], 'min_frequency': case['minFrequency'], 'show_progress': False}
    if bytes_:
        options |= {'initial_alphabet': pre_tokenizers.ByteLevel.alphabet(), 'special_tokens': special}
    else:
        options |= {'initial_alphabet': case.get('initialAlphabet', []), 'special_tokens': special + [form for form in forms_of(words_of(tokenizer, texts), case) if form not in special]}
        options |= {theirs: case[ours] for ours, theirs in {'limitAlphabet': 'limit_alphabet', 'continuingSubwordPrefix': 'continuing_subword_prefix', 'endOfWordSuffix': 'end_of_word_suffix',
                                                           'maxTokenLength': 'max_token_length'}.items() if ours in case}
    trainer = trainers.WordPieceTrainer if case['kind'] == 'wordpiece' else trainers.BpeTrainer
    tokenizer.train_from_iterator(texts, trainer(**options))
    trained = json.loads(tokenizer.to_str())
    trained['added_tokens'] = [{'id': i, 'content': content, 'single_word': False, 'lstrip': False, 'rstrip': False, 'normalized': False, 'special': True} for i, content in enumerate(special)]
    return Tokenizer.from_str(json.dumps(trained))
