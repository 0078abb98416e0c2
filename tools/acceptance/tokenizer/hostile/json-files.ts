// tokenizer.json and tokenizer_config.json files that mean harm, by hand.
import { Tokenizer } from '@tesserae/tokenizer'
import type { HostileCase } from './case.js'
import { moby } from './valid.js'

type Json = Record<string, unknown>

/** A small file of characters that works. */
const small = (extra: Json = {}, model: Json = {}): Json => ({
  version: '1.0',
  added_tokens: [],
  model: { type: 'BPE', vocab: { a: 0, b: 1, ' ': 2, ab: 3, '<unk>': 4 }, merges: [['a', 'b']], unk_token: '<unk>', ...model },
  ...extra,
})
const unigram = (vocab: unknown, extra: Json = {}): Json => ({ version: '1.0', model: { type: 'Unigram', unk_id: 0, vocab, ...extra } })
const added = (...tokens: Json[]): Json =>
  small({
    added_tokens: tokens.map((token, i) => ({
      id: 10 + i,
      content: `<${i}>`,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
      ...token,
    })),
  })
const vocabText = (entries: string): string => `{"version":"1.0","model":{"type":"BPE","unk_token":"a","merges":[],"vocab":{${entries}}}}`
const replace = (pattern: Json, content = ''): Json => ({ type: 'Replace', pattern, content })
const sequence = (kind: 'normalizers' | 'pretokenizers' | 'decoders' | 'processors', parts: unknown): Json => ({
  type: 'Sequence',
  [kind]: parts,
})
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
const nested = (depth: number, field: string, type: string): string =>
  `{"version":"1.0","${field === 'normalizers' ? 'normalizer' : 'pre_tokenizer'}":${`{"type":"Sequence","${field}":[`.repeat(depth)}{"type":"${type}"}${']}'.repeat(depth)},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}`
/** Tokens that are runs of one letter, 1 to `longest` long, which makes every search for the longest token as long as it can be. */
const runs = (longest: number, before = ''): string[] => times(longest, (i) => before + 'a'.repeat(i + 1))
const byId = (tokens: readonly string[]): Json => Object.fromEntries(tokens.map((token, id) => [token, id]))

/** Regular expressions that take engines exponential time, or memory, or do not exist. */
export const bombs: readonly string[] = [
  '(a+)+$', '(a|a)*b', '(a|aa)+$', '(.*)*x', '(.*?,){30}P', '(x+x+)+y', '([a-z]+)*1', '(a?){50}a{50}', '(?:a*)*b', '((a*)*)*b', '(a*?)*?b', '^(([a-z])+.)+[A-Z]([a-z])+$', '(?=(a+)+b)', '(?<=(a+)+)b',
  '(?<!a*)b', '(?!(a|a)*b)a', 'a{1000}{1000}', '(a{0,1000}){0,1000}', '((((a{100}){100}){100}){100})', 'a{99999999}', 'a{1,2147483648}', '(a{1,3}){1,300}b', '(?>a+)+b', '(a+)\\1+$', '(?<x>a)(?&x)', '(?R)', '(?1)', '(a(?1)?b)',
  '(?(1)a|b)', '\\k<x>', '(', ')', '[', '[z-a]', '*', 'a**', '\\', '\\p{Nothing}', '\\p{^L', '[[:nothing:]]', '[a&&b]', '(?i', '(?<n', '\\x{110000}', '\\u12', '(?#', '\\G', '\\K', '\\X*', '\\R+', '.', '\\b', '(?m)^', '$', '^', '',
  '(?:)', '(?:){9999}', 'a*', '|', '||||', '[\\s\\S]', '\\w+\\w+\\w+\\w+\\w+$', '(\\s*\\S*)*\\z', '\\s+(?!\\S)', '(?s:.)+?!', '(?i:ﬀ|ß|ſ)+', '[^\\p{L}]*[^\\p{N}]*[^\\p{P}]*#', `${'('.repeat(2000)}a${')'.repeat(2000)}`, `${'(?:'.repeat(100_000)}a`,
  `${'a|'.repeat(20_000)}b`, `[${'a-z'.repeat(20_000)}]`, `(${'a?'.repeat(500)}){20}`, 'a'.repeat(100_000), `(?:${'[a-y]?'.repeat(200)})*z`, '(?:.?){500}x', '(a|b|ab)*c', '(?:(?:a|b)*|(?:a|c)*)*d', `${'(?=a*'.repeat(30)}b${')'.repeat(30)}`,
] // prettier-ignore

const given: Record<string, () => unknown> = {
  'nothing': () => undefined,
  'null': () => null,
  'a number': () => 42,
  'a list': () => [],
  'an empty text': () => '',
  'an empty object': () => ({}),
  'a value in itself': () => {
    const file = small()
    file['normalizer'] = { type: 'Sequence', normalizers: [] as unknown[] }
    ;((file['normalizer'] as Json)['normalizers'] as unknown[]).push(file['normalizer'])
    return file
  },
  'a model in itself': () => {
    const file = small()
    ;(file['model'] as Json)['vocab'] = file
    return file
  },
  'a text with an order mark': () => `\ufeff${JSON.stringify(small())}`,
  'half a file': () => JSON.stringify(small()).slice(0, 60),
  'brackets 100,000 deep': () => '['.repeat(100_000),
  'objects 100,000 deep': () => '{"a":'.repeat(100_000),
  'closed brackets 50,000 deep in a field': () => `{"version":"1.0","normalizer":${'['.repeat(50_000)}${']'.repeat(50_000)},"model":{}}`,
  'normalizers in normalizers 1,000 deep': () => nested(1000, 'normalizers', 'NFC'),
  'splits in splits 1,000 deep': () => nested(1000, 'pretokenizers', 'Digits'),
  'a million normalizers': () => small({ normalizer: sequence('normalizers', times(1e6, () => ({ type: 'NFC' }))) }),
  'a line of 10 MB that is no JSON': () => 'a'.repeat(1e7),
  'a line of 10 MB in a text': () => `{"version":"${'a'.repeat(1e7)}"}`,
  'a token of 10 MB': () => vocabText(`"a":0,"${'b'.repeat(1e7)}":1`),
  'white space of 10 MB': () => `{"version":${' '.repeat(1e7)}"1.0"}`,
  'digits of 10 MB': () => vocabText(`"a":${'9'.repeat(1e7)}`),
  'another version': () => small({ version: '9.9' }),
  'a version that is a list': () => small({ version: ['1.0'] }),
  'no model': () => ({ version: '1.0' }),
  'an unknown model': () => small({}, { type: 'Transformer' }),
  'a model named __proto__': () => small({}, { type: '__proto__' }),
  'a model named constructor': () => small({}, { type: 'constructor' }),
  'an id beyond 2^32': () => vocabText('"a":0,"b":4294967296'),
  'an id of 2^31': () => vocabText('"a":0,"b":2147483648'),
  'an id of 2^24': () => vocabText('"a":0,"b":16777216'),
  'an id of 2^24 of an added token': () => added({ id: 2 ** 24 }),
  'an id beyond 2^53': () => vocabText('"a":0,"b":9007199254740993'),
  'an id that is infinite': () => vocabText('"a":0,"b":1e999'),
  'an id below zero': () => vocabText('"a":0,"b":-1'),
  'half an id': () => vocabText('"a":0,"b":0.5'),
  'minus zero': () => vocabText('"a":-0,"b":1'),
  'an id in quotes': () => vocabText('"a":0,"b":"1"'),
  'two tokens with an id': () => vocabText('"a":0,"b":0'),
  'a token twice': () => vocabText('"a":0,"a":1'),
  'tokens named like properties': () =>
    vocabText('"a":0,"__proto__":1,"constructor":2,"toString":3,"hasOwnProperty":4,"valueOf":5,"length":6,"__defineGetter__":7'),
  'a token with a lone surrogate': () => vocabText('"a":0,"\\ud800":1'),
  'an empty token': () => vocabText('"a":0,"":1'),
  'an empty vocabulary': () => small({}, { vocab: {}, merges: [], unk_token: null }),
  'a vocabulary that is a list': () => small({}, { vocab: ['a', 'b'] }),
  'a merge of a missing token': () => small({}, { merges: [['a', 'x']] }),
  'a merge whose result is missing': () => small({}, { merges: [['b', 'a']] }),
  'a merge of three': () => small({}, { merges: [['a', 'b', 'a']] }),
  'a merge of one': () => small({}, { merges: ['ab'] }),
  'a merge of nothing': () => small({}, { merges: [['', '']] }),
  'a merge of prototypes': () => small({}, { merges: [['__proto__', 'constructor']] }),
  'merges that are an object': () => small({}, { merges: { a: 'b' } }),
  'merges with holes': () => ({ ...small(), model: { type: 'BPE', vocab: { a: 0 }, merges: new Array(1000) } }),
  'three million merges': () => small({}, { merges: times(3e6, () => ['a', 'b']) }),
  'the same merge a million times': () => small({}, { merges: times(1e6, () => ['a', 'b']) }),
  'merges that double to 65,536': () => {
    const tokens = ['<unk>', ...times(17, (i) => 'a'.repeat(2 ** i))]
    return small({}, { vocab: byId(tokens), merges: times(16, (i) => ['a'.repeat(2 ** i), 'a'.repeat(2 ** i)]) })
  },
  'merges one by one to 2,000': () => {
    const tokens = ['<unk>', ...runs(2000)]
    return small({}, { vocab: byId(tokens), merges: times(1999, (i) => ['a'.repeat(i + 1), 'a']) })
  },
  'merges from behind, the longest first': () => {
    const tokens = ['<unk>', ...runs(1000)]
    return small({}, { vocab: byId(tokens), merges: times(999, (i) => ['a', 'a'.repeat(999 - i)]) })
  },
  'a prefix that is longer than tokens': () => small({}, { continuing_subword_prefix: '#'.repeat(50) }),
  'a prefix of 10 MB': () => small({}, { continuing_subword_prefix: '#'.repeat(1e7) }),
  'a suffix of 1,024': () => small({}, { end_of_word_suffix: '/'.repeat(1024) }),
  'an unknown token that is missing': () => small({}, { unk_token: 'nothing' }),
  'dropout': () => small({}, { dropout: 0.5 }),
  'byte fallback without bytes': () => small({}, { byte_fallback: true, unk_token: null }),
  'words of runs': () => ({ version: '1.0', model: { type: 'WordPiece', unk_token: 'a', continuing_subword_prefix: '##', max_input_chars_per_word: 2 ** 31 - 1, vocab: byId([...runs(2000), ...runs(2000, '##')]) } }),
  'words of one long token': () => ({ version: '1.0', model: { type: 'WordPiece', unk_token: 'a', continuing_subword_prefix: '', max_input_chars_per_word: 2 ** 31 - 1, vocab: byId(['a', `${'a'.repeat(50_000)}b`]) } }),
  'words of no characters': () => ({ version: '1.0', model: { type: 'WordPiece', unk_token: 'a', continuing_subword_prefix: '##', max_input_chars_per_word: 0, vocab: { a: 0 } } }),
  'words of minus one character': () => ({ version: '1.0', model: { type: 'WordPiece', unk_token: 'a', continuing_subword_prefix: '##', max_input_chars_per_word: -1, vocab: { a: 0 } } }),
  'a word level without its unknown': () => ({ version: '1.0', model: { type: 'WordLevel', unk_token: '?', vocab: { a: 0 } } }),
  'a word level of prototypes': () => ({ version: '1.0', model: { type: 'WordLevel', unk_token: '__proto__', vocab: JSON.parse('{"__proto__":0,"constructor":1}') as Json } }),
  'no pieces': () => unigram([]),
  'an unknown piece beyond the list': () => unigram([['a', -1]], { unk_id: 7 }),
  'an unknown piece below zero': () => unigram([['a', -1]], { unk_id: -1 }),
  'scores of any size': () => unigram([['<unk>', 0], ['a', 1e308], ['aa', -1e308], ['b', 1e308], ['ab', 5e-324]]),
  'scores beyond doubles': () => `{"version":"1.0","model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",1e999]]}}`,
  'scores below doubles': () => `{"version":"1.0","model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1e999]]}}`,
  'scores in quotes': () => unigram([['<unk>', '0']]),
  'a piece without a score': () => unigram([['<unk>']]),
  'pieces that are not listed': () => unigram({ a: 0 }),
  'the same piece many times': () => unigram(times(50_000, () => ['a', -1])),
  'an empty piece': () => unigram([['<unk>', 0], ['', -1], ['a', -2]]),
  'pieces of runs': () => unigram([['<unk>', 0], ...runs(2000).map((run, i) => [run, -i])]),
  'pieces of runs up to 500': () => unigram([['<unk>', 0], ...runs(500).map((run, i) => [run, -i])]),
  'one piece of 50,000': () => unigram([['<unk>', 0], ['a', -1], [`${'a'.repeat(50_000)}b`, -1]]),
  'positive scores': () => unigram([['<unk>', 5], ['a', 5], ['b', 9], [' ', 1]]),
  '50,000 added tokens': () => added(...times(50_000, (i) => ({ content: `<|${i}|>` }))),
  '50,000 added tokens that begin alike': () => added(...times(5000, (i) => ({ content: `${'a'.repeat(i % 1000)}<|${i}|>` }))),
  'added tokens of runs': () => added(...times(1000, (i) => ({ content: 'a'.repeat(i + 1) }))),
  'an added token of a run and more': () => added({ content: `${'a'.repeat(50_000)}b` }),
  'an added token of 1 MB': () => added({ content: 'ab'.repeat(5e5) }),
  'added tokens that strip': () => added({ content: 'a', lstrip: true, rstrip: true }, { content: ' ', lstrip: true }),
  'added tokens that want words': () => added({ content: 'a', single_word: true }, { content: 'b', single_word: true, lstrip: true, rstrip: true }),
  'an empty added token': () => added({ content: '' }),
  'an added token that is no text': () => added({ content: ['a'] }),
  'an added token that is missing its id': () => added({ id: undefined }),
  'two added tokens with a content': () => added({ content: 'x' }, { content: 'x' }),
  'two added tokens with an id': () => added({ id: 10 }, { id: 10 }),
  'an added token that takes the id of another': () => added({ id: 0 }),
  'added tokens that are no list': () => small({ added_tokens: { 0: 'a' } }),
  'added tokens named like properties': () => added({ content: '__proto__' }, { content: 'constructor' }, { content: 'toString' }),
  'an added token that is normalized away': () => ({ ...added({ content: 'b', normalized: true, special: false }), normalizer: replace({ String: 'b' }) }),
  'an added token that normalizing multiplies': () => ({ ...added({ content: 'b'.repeat(1000), normalized: true, special: false }), normalizer: replace({ String: 'b' }, 'x'.repeat(1000)) }),
  '64 replacements that double': () => small({ normalizer: sequence('normalizers', times(64, () => replace({ String: 'a' }, 'aa'))) }),
  'an id of 2^21 less one': () => vocabText('"a":0,"b":2097151'),
  'an id of 2^21 less one of an added token': () => added({ id: 2 ** 21 - 1 }),
  '20 added tokens of 50,000': () => added(...times(20, (i) => ({ content: `${'a'.repeat(50_000)}${i}` }))),
  '3 replacements that double': () => small({ normalizer: sequence('normalizers', times(3, () => replace({ String: 'a' }, 'aa'))) }),
  '5 replacements that double': () => small({ normalizer: sequence('normalizers', times(5, () => replace({ String: 'a' }, 'aa'))) }),
  'a replacement by 1,000': () => small({ normalizer: replace({ String: 'a' }, 'b'.repeat(1000)) }),
  'a replacement by 10 MB': () => small({ normalizer: replace({ String: 'a' }, 'b'.repeat(1e7)) }),
  'a replacement of nothing': () => small({ normalizer: replace({ String: '' }, 'b') }),
  'a replacement of every place': () => small({ normalizer: replace({ Regex: '' }, 'bb') }),
  'a replacement without pattern': () => small({ normalizer: { type: 'Replace', content: 'a' } }),
  'text put in front, 64 times': () => small({ normalizer: sequence('normalizers', times(64, () => ({ type: 'Prepend', prepend: 'a'.repeat(1000) }))) }),
  '60 forms of Unicode': () => small({ normalizer: sequence('normalizers', times(60, (i) => ({ type: ['NFKD', 'NFC', 'NFD', 'NFKC'][i % 4] }))) }),
  '60 normalizers of BERT': () => small({ normalizer: sequence('normalizers', times(60, () => ({ type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: true, lowercase: true }))) }),
  '60 regular expressions': () => small({ normalizer: sequence('normalizers', times(60, () => replace({ Regex: '\\s*(?:a|b)\\s*$' }, 'b'))) }),
  'bytes of bytes of bytes': () => small({ normalizer: sequence('normalizers', times(8, () => ({ type: 'ByteLevel' }))) }),
  'rules that are no base64': () => small({ normalizer: { type: 'Precompiled', precompiled_charsmap: '!!!!' } }),
  'rules that are empty': () => small({ normalizer: { type: 'Precompiled', precompiled_charsmap: '' } }),
  'rules of zeros': () => small({ normalizer: { type: 'Precompiled', precompiled_charsmap: Buffer.alloc(65_536).toString('base64') } }),
  'rules that run in circles': () => small({ normalizer: { type: 'Precompiled', precompiled_charsmap: circle().toString('base64') } }),
  'rules that claim 4 GB': () => small({ normalizer: { type: 'Precompiled', precompiled_charsmap: Buffer.from([255, 255, 255, 255, 0, 0, 0, 0]).toString('base64') } }),
  'rules of 8 MB': () => small({ normalizer: { type: 'Precompiled', precompiled_charsmap: Buffer.alloc(8e6, 7).toString('base64') } }),
  'an unknown normalizer': () => small({ normalizer: { type: 'Rot13' } }),
  'a normalizer named like a property': () => small({ normalizer: { type: 'hasOwnProperty' } }),
  'pieces of no length': () => small({ pre_tokenizer: { type: 'FixedLength', length: 0 } }),
  'pieces of 2^31': () => small({ pre_tokenizer: { type: 'FixedLength', length: 2 ** 31 } }),
  'pieces of one, 64 times': () => small({ pre_tokenizer: sequence('pretokenizers', times(64, () => ({ type: 'FixedLength', length: 1 }))) }),
  'splits at every place': () => small({ pre_tokenizer: { type: 'Split', pattern: { Regex: '' }, behavior: 'Isolated', invert: false } }),
  'splits at a text of nothing': () => small({ pre_tokenizer: { type: 'Split', pattern: { String: '' }, behavior: 'Isolated', invert: true } }),
  'splits by an unknown way': () => small({ pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'Burned', invert: false } }),
  '64 splits': () => small({ pre_tokenizer: sequence('pretokenizers', times(64, (i) => ({ type: 'Split', pattern: { Regex: `a{${i + 1}}` }, behavior: 'MergedWithNext', invert: i % 2 === 0 }))) }),
  '60 blanks in front': () => small({ pre_tokenizer: sequence('pretokenizers', times(60, () => ({ type: 'Metaspace', replacement: '_', prepend_scheme: 'always', split: true }))) }),
  'bytes of bytes in pieces': () => small({ pre_tokenizer: sequence('pretokenizers', times(8, () => ({ type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: false }))) }),
  'blanks of two characters': () => small({ pre_tokenizer: { type: 'Metaspace', replacement: '__', prepend_scheme: 'always', split: true } }),
  'a template of 100,000 parts': () => small({ post_processor: { type: 'TemplateProcessing', single: times(1e5, () => ({ Sequence: { id: 'A', type_id: 0 } })), pair: [], special_tokens: {} } }),
  'a template that repeats a text 1,000 times': () => small({ post_processor: { type: 'TemplateProcessing', single: times(1000, () => ({ Sequence: { id: 'A', type_id: 0 } })), pair: [], special_tokens: {} } }),
  'a template of tokens that are missing': () => small({ post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: 'x', type_id: 0 } }], pair: [], special_tokens: {} } }),
  'a template token of a million ids': () => small({ post_processor: { type: 'TemplateProcessing', single: times(1000, () => ({ SpecialToken: { id: 'x', type_id: 0 } })), pair: [], special_tokens: { x: { id: 'x', ids: times(1e6, () => 0), tokens: times(1e6, () => 'a') } } } }),
  'a template token of 100,000 ids that are none': () => small({ post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: 'x', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }], pair: [], special_tokens: { x: { id: 'x', ids: [4e9], tokens: ['a'] } } } }),
  'a template named __proto__': () => JSON.parse(JSON.stringify(small()).replace('"added_tokens":[]', '"added_tokens":[],"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"__proto__","type_id":0}}],"pair":[],"special_tokens":{}}')) as Json,
  'post-processors that frame twice': () => small({ post_processor: sequence('processors', times(2, () => ({ type: 'BertProcessing', sep: ['a', 0], cls: ['b', 1] }))) }),
  'post-processors in circles of 1,000': () => small({ post_processor: sequence('processors', times(1000, () => ({ type: 'ByteLevel' }))) }),
  'a decoder that multiplies': () => small({ decoder: sequence('decoders', times(64, () => replace({ String: 'a' }, 'aa'))) }),
  'a decoder that multiplies what is fused': () => small({ decoder: sequence('decoders', [{ type: 'Fuse' }, ...times(60, () => replace({ String: 'a' }, 'aa'))]) }),
  'a decoder that replaces by 1,000': () => small({ decoder: replace({ String: 'a' }, 'b'.repeat(1000)) }),
  'a decoder that strips 2^31': () => small({ decoder: { type: 'Strip', content: 'a', start: 2 ** 31 - 1, stop: 2 ** 31 - 1 } }),
  'a decoder that strips minus one': () => small({ decoder: { type: 'Strip', content: 'a', start: -1, stop: 0 } }),
  'a decoder with an empty suffix': () => small({ decoder: { type: 'BPEDecoder', suffix: '' } }),
  'a decoder with a prefix of 1 MB': () => small({ decoder: { type: 'WordPiece', prefix: 'a'.repeat(1e6), cleanup: true } }),
  'a decoder of texts that repeat': () => small({ decoder: { type: 'CTC', pad_token: 'a', word_delimiter_token: 'b', cleanup: true } }),
  'decoders that hold back': () => small({ decoder: sequence('decoders', [{ type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 1000 }, ...times(50, () => ({ type: 'Fuse' }))]) }),
  'decoders that search, 60 times': () => small({ decoder: sequence('decoders', times(60, () => replace({ Regex: 'a+b?' }, 'a'))) }),
  'padding to 2^31': () => small({ padding: { strategy: { Fixed: 2 ** 31 - 1 }, direction: 'Right', pad_to_multiple_of: null, pad_id: 0, pad_type_id: 0, pad_token: 'a' } }),
  'padding to a multiple of 2^31': () => small({ padding: { strategy: 'BatchLongest', direction: 'Left', pad_to_multiple_of: 2 ** 31 - 1, pad_id: 0, pad_type_id: 0, pad_token: 'a' } }),
  'padding to a multiple of 0': () => small({ padding: { strategy: 'BatchLongest', direction: 'Left', pad_to_multiple_of: 0, pad_id: 0, pad_type_id: 0, pad_token: 'a' } }),
  'padding by an unknown strategy': () => small({ padding: { strategy: 'Most', direction: 'Left', pad_id: 0, pad_type_id: 0, pad_token: 'a' } }),
  'truncation to nothing': () => small({ truncation: { max_length: 0, stride: 0, strategy: 'LongestFirst', direction: 'Right' } }),
  'truncation to one with a stride of 2^31': () => small({ truncation: { max_length: 1, stride: 2 ** 31 - 1, strategy: 'LongestFirst', direction: 'Right' } }),
  'truncation that moves by one': () => small({ truncation: { max_length: 1000, stride: 999, strategy: 'LongestFirst', direction: 'Left' } }),
  'truncation by minus one': () => small({ truncation: { max_length: -1, stride: 0, strategy: 'LongestFirst', direction: 'Right' } }),
} // prettier-ignore

/** A double array whose units lead back to each other: `a` from the root, then `a` for ever. */
function circle(): Buffer {
  const units = new Uint32Array(256)
  units[0] = 0x61 << 10
  for (let i = 1; i < units.length; i++) units[i] = (i << 10) | 0x61
  units[0x61 ^ 0x61] = 0x61 | (0 << 10) | 0x100
  return Buffer.concat([Buffer.from(Uint32Array.of(units.byteLength).buffer), Buffer.from(units.buffer), Buffer.from('x\0')])
}

const configs: Record<string, () => unknown> = {
  'a text that is no JSON': () => '{"bos_token":',
  'a list': () => [],
  'a number': () => 1,
  'brackets 100,000 deep': () => '['.repeat(100_000),
  'a bos that is missing': () => ({ bos_token: '<nothing>' }),
  'a bos that is a list': () => ({ bos_token: ['a'] }),
  'a bos without content': () => ({ bos_token: { lstrip: true } }),
  'a bos named __proto__': () => ({ bos_token: '__proto__' }),
  'tokens to add that are missing': () => ({ add_bos_token: true, add_eos_token: true }),
  'templates in a list without names': () => ({ chat_template: [{ template: 'a' }] }),
  'templates in a list of texts': () => ({ chat_template: ['a', 'b'] }),
  'templates that are numbers': () => ({ chat_template: 5 }),
  'templates by name with a prototype': () => ({ chat_template: [{ name: '__proto__', template: '{{ 1 }}' }, { name: 'constructor', template: '' }] }),
  'a million templates': () => ({ chat_template: times(1e6, (i) => ({ name: `t${i}`, template: '' })) }),
  'a template of 10 MB': () => ({ chat_template: 'a'.repeat(1e7) }),
  'a length that is infinite': () => '{"model_max_length":1e999}',
  'a length below zero': () => ({ model_max_length: -5 }),
  'fields named like properties': () => JSON.parse('{"__proto__":{"bos_token":"a"},"constructor":{"prototype":{}},"hasOwnProperty":1}') as unknown,
} // prettier-ignore

const withPattern = (place: 'normalizer' | 'pre_tokenizer' | 'decoder', source: string): Json =>
  place === 'pre_tokenizer'
    ? small({ pre_tokenizer: { type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false } })
    : small({ [place]: replace({ Regex: source }, 'b') })

const jsonCase = (name: string, make: () => unknown): HostileCase => ({
  name: `tokenizer.json: ${name}`,
  byHand: true,
  prepare: () => {
    const file = make()
    return () => Tokenizer.fromJSON(file)
  },
})

export const jsonFiles: readonly HostileCase[] = [
  ...Object.entries(given).map(([name, make]) => jsonCase(name, make)),
  ...bombs.flatMap((source, i) =>
    (['normalizer', 'pre_tokenizer', 'decoder'] as const)
      // Every expression splits; by turns it replaces too.
      .filter((place) => place === 'pre_tokenizer' || (i % 2 === 0) === (place === 'normalizer'))
      .map((place) =>
        jsonCase(`${place} with ${source.length > 40 ? `${source.slice(0, 40)}…` : source}`, () => withPattern(place, source)),
      ),
  ),
  ...Object.entries(configs).map(([name, make]): HostileCase => ({
    name: `tokenizer_config.json: ${name}`,
    byHand: true,
    prepare: () => {
      const config = make()
      return () => Tokenizer.fromJSON(moby(), config as string)
    },
  })),
]
