// SentencePiece, GGUF, tiktoken and llama2.c files that mean harm, by hand.
import { Tokenizer } from '@tesserae/tokenizer'
import type { HostileCase } from './case.js'
import { ggufFile, u32, u64, type GgufEntry } from './gguf-writer.js'
import { bombs } from './json-files.js'
import { byteLevelEntries, llama2cFile, modelOf, pieceEntries, rankFile } from './valid.js'

const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
const message = (field: number, content: Buffer): Buffer => Buffer.concat([varint(field * 8 + 2), varint(content.length), content])
/** A piece of a SentencePiece file. */
function piece(text: string | Buffer, score: number, type = 1): Buffer {
  const scored = Buffer.concat([Buffer.from([0x15]), Buffer.from(Float32Array.of(score).buffer)])
  return message(1, Buffer.concat([message(1, Buffer.from(text as string)), scored, Buffer.from([0x18]), varint(type)]))
}
const unknown = piece('<unk>', 0, 2)
/** A file of these pieces: 1 is Unigram, 2 BPE. */
const pieces = (list: readonly Buffer[], kind = 1, more: readonly Buffer[] = []): Buffer =>
  Buffer.concat([unknown, ...list, message(2, Buffer.concat([Buffer.from([0x18]), varint(kind)])), ...more])
const charsmap = (blob: Buffer): Buffer => message(3, message(2, blob))
const sized = (trie: Buffer, replacements = Buffer.from('x\0')): Buffer => Buffer.concat([u32(trie.length), trie, replacements])

/** Units that all lead on by the same letter. */
const endless = (): Buffer => {
  const units = new Uint32Array(512)
  for (let i = 0; i < units.length; i++) units[i] = (i << 10) | 0x161
  return Buffer.from(units.buffer)
}

const models: Record<string, () => Uint8Array> = {
  'nothing': () => Buffer.alloc(0),
  '10 MB of zeros': () => Buffer.alloc(1e7),
  '10 MB of 255': () => Buffer.alloc(1e7, 255),
  '10 MB of text': () => Buffer.alloc(1e7, 'a'),
  'no pieces': () => message(2, Buffer.from([0x18, 1])),
  'no unknown piece': () => piece('a', 0),
  'two unknown pieces': () => Buffer.concat([unknown, piece('<unk2>', 0, 2)]),
  'the same piece twice': () => pieces([piece('a', 0), piece('a', 0)]),
  'a piece of no text': () => pieces([piece('', 0)]),
  'a piece of 1 MB': () => pieces([piece('a'.repeat(1e6), 0)]),
  'a piece that is not UTF-8': () => pieces([piece(Buffer.from([0xc3, 0x28]), 0)]),
  'pieces of runs': () => pieces(times(1024, (i) => piece('a'.repeat(i + 1), -i))),
  'pieces of runs, merged': () => pieces(times(1024, (i) => piece('a'.repeat(i + 1), -i)), 2),
  'pieces of runs that all cost the same': () => pieces(times(1024, (i) => piece('a'.repeat(i + 1), -1)), 2),
  'pieces that are unused': () => pieces(times(200, (i) => piece('a'.repeat(i + 1), i, 5)), 2),
  'pieces that users defined': () => pieces(times(1000, (i) => piece('a'.repeat(i + 1), 0, 4))),
  '200,000 pieces': () => Buffer.concat(times(2e5, (i) => piece(i.toString(36), -i))),
  'three million empty fields': () => Buffer.alloc(6e6, Buffer.from([0x0a, 0x00])),
  'a score that is no number': () => pieces([piece('a', NaN)]),
  'an infinite score': () => pieces([piece('a', -Infinity)]),
  'the greatest scores': () => pieces([piece('a', 3.4e38), piece('aa', 3.4e38), piece('b', -3.4e38)]),
  'the greatest scores, merged': () => pieces([piece('a', 3.4e38), piece('aa', 3.4e38), piece('aaa', -3.4e38)], 2),
  'a type that is none': () => pieces([piece('a', 0, 99)]),
  'a type beyond 2^32': () => pieces([piece('a', 0, 2 ** 40)]),
  'a model that is none': () => pieces([piece('a', 0)], 77),
  'a length beyond the file': () => Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
  'a length beyond 2^53': () => Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  'a number without an end': () => Buffer.alloc(100, 0x80),
  'groups': () => Buffer.alloc(10_000, 0x0b),
  'a field numbered 0': () => Buffer.from([0x02, 0x00]),
  'a byte piece without its name': () => pieces([piece('byte', 0, 6)]),
  'byte fallback without bytes': () => pieces([piece('a', 0)], 1, [message(2, Buffer.from([0x18, 1, 0x98, 2, 1]))]),
  'rules of a byte': () => pieces([piece('a', 0)], 1, [charsmap(Buffer.from([1]))]),
  'rules that claim 4 GB': () => pieces([piece('a', 0)], 1, [charsmap(Buffer.alloc(64, 255))]),
  'rules in circles': () => pieces([piece('a', 0)], 1, [charsmap(sized(endless()))]),
  'rules of 8 MB': () => pieces([piece('a', 0)], 1, [charsmap(sized(Buffer.alloc(8e6, 9)))]),
  'rules with a replacement of 1 MB': () => pieces([piece('a', 0)], 1, [charsmap(sized(endless(), Buffer.alloc(1e6, 'y')))]),
  'rules with replacements beyond the list': () => pieces([piece('a', 0)], 1, [charsmap(sized(Buffer.alloc(4096, 0xff)))]),
  'a normalizer whose flags are texts': () => pieces([piece('a', 0)], 1, [message(3, message(3, Buffer.from('yes')))]),
  'settings a thousand times': () => pieces([piece('a', 0)], 1, times(1000, () => message(2, Buffer.from([0x18, 2])))),
  'a surface of 1 MB for the unknown': () => pieces([piece('a', 0)], 1, [message(2, message(44, Buffer.alloc(1e6, 'u')))]),
} // prettier-ignore

const PRE = 'tokenizer.ggml.'
const set = (entries: readonly GgufEntry[], ...changes: readonly GgufEntry[]): GgufEntry[] => [
  ...entries.filter(([key]) => !changes.some(([changed]) => changed === key)),
  ...changes,
]
const arrayOf = (type: number, count: number | bigint, rest: Buffer = Buffer.alloc(0)): Uint8Array =>
  Buffer.concat([u32(type), u64(count), rest])

const ggufs: Record<string, () => Uint8Array> = {
  'nothing': () => Buffer.alloc(0),
  'its name alone': () => Buffer.from('GGUF'),
  'version 4294967295': () => ggufFile(byteLevelEntries(), { version: 2 ** 32 - 1 }),
  '2^63 keys': () => ggufFile(byteLevelEntries(), { count: 2n ** 63n }),
  'more keys than there are': () => ggufFile(byteLevelEntries(), { count: 9 }),
  'a million keys': () => ggufFile(times(1e5, (i): GgufEntry => [`k${i}`, 'bool', 1])),
  'a key of 2^40': () => Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0), u64(1), u64(2 ** 40), Buffer.alloc(64)]),
  'a text of 2^63': () => ggufFile([['k', 8, u64(2n ** 63n)]]),
  'an array of 2^63 texts': () => ggufFile([['k', 9, arrayOf(8, 2n ** 63n)]]),
  'an array of 2^61 numbers': () => ggufFile([['k', 9, arrayOf(4, 2n ** 61n)]]),
  'arrays in arrays 1,000 deep': () => ggufFile([['k', 9, Buffer.concat(times(1000, () => Buffer.from(arrayOf(9, 1))))]]),
  'arrays of arrays of nothing': () => ggufFile([['k', 9, arrayOf(9, 50_000, Buffer.concat(times(50_000, () => Buffer.from(arrayOf(0, 0)))))]]),
  'a type that is none': () => ggufFile([['k', 13, Buffer.alloc(8)]]),
  'an array of a type that is none': () => ggufFile([['k', 9, arrayOf(99, 1, Buffer.alloc(8))]]),
  '20 MB of numbers': () => ggufFile([...byteLevelEntries(), ['other', 9, arrayOf(0, 2e7, Buffer.alloc(2e7, 7))]]),
  'a line of 10 MB': () => ggufFile([...byteLevelEntries(), ['general.name', 'string', 'a'.repeat(1e7)]]),
  'no model': () => ggufFile([['k', 'bool', 1]]),
  'a model that is a number': () => ggufFile([[`${PRE}model`, 'uint32', 1]]),
  'an unknown model': () => ggufFile([[`${PRE}model`, 'string', '__proto__']]),
  'an unknown split': () => ggufFile(set(byteLevelEntries(), [`${PRE}pre`, 'string', 'constructor'])),
  'no tokens': () => ggufFile(set(byteLevelEntries(), [`${PRE}tokens`, 'strings', []])),
  'tokens that are numbers': () => ggufFile(set(byteLevelEntries(), [`${PRE}tokens`, 'int32s', [1, 2, 3]])),
  'tokens that repeat': () => ggufFile(set(byteLevelEntries(), [`${PRE}tokens`, 'strings', times(1024, () => 'a')])),
  'tokens named like properties': () => ggufFile(set(byteLevelEntries(), [`${PRE}tokens`, 'strings', times(1024, (i) => ['__proto__', 'constructor', 'toString'][i] ?? `t${i}`)])),
  'one type for all': () => ggufFile(set(byteLevelEntries(), [`${PRE}token_type`, 'int32s', [1]])),
  'types that are none': () => ggufFile(set(byteLevelEntries(), [`${PRE}token_type`, 'int32s', times(1024, () => 77)])),
  'control tokens alone': () => ggufFile(set(byteLevelEntries(), [`${PRE}token_type`, 'int32s', times(1024, () => 3)])),
  'tokens that users defined alone': () => ggufFile(set(byteLevelEntries(), [`${PRE}token_type`, 'int32s', times(1024, () => 4)])),
  'merges without a blank': () => ggufFile(set(byteLevelEntries(), [`${PRE}merges`, 'strings', ['ab']])),
  'merges of missing tokens': () => ggufFile(set(byteLevelEntries(), [`${PRE}merges`, 'strings', ['nothing here']])),
  'merges that are blanks': () => ggufFile(set(byteLevelEntries(), [`${PRE}merges`, 'strings', times(1000, () => '   ')])),
  'an end beyond the tokens': () => ggufFile(set(byteLevelEntries(), [`${PRE}eos_token_id`, 'uint32', 2 ** 32 - 1])),
  'scores that are no numbers': () => ggufFile(set(pieceEntries('bpe-llama', 'llama'), [`${PRE}scores`, 'float32s', times(732, () => NaN)])),
  'no scores': () => ggufFile(set(pieceEntries('bpe-llama', 'llama'), [`${PRE}scores`, 'float32s', []])),
  'scores that are all the same': () => ggufFile(set(pieceEntries('bpe-llama', 'llama'), [`${PRE}scores`, 'float32s', times(732, () => 0)])),
  'an unknown token that is a byte': () => ggufFile(set(pieceEntries('bpe-llama', 'llama'), [`${PRE}unknown_token_id`, 'uint32', 5])),
  'rules beyond bytes': () => ggufFile(set(pieceEntries('unigram-rules', 't5'), [`${PRE}precompiled_charsmap`, 'int32s', times(64, () => 2 ** 30)])),
  'pieces of runs in GGUF': () => ggufFile([[`${PRE}model`, 'string', 't5'], [`${PRE}tokens`, 'strings', ['<pad>', '</s>', '<unk>', ...times(1024, (i) => 'a'.repeat(i + 1))]], [`${PRE}scores`, 'float32s', times(1027, (i) => -i)], [`${PRE}token_type`, 'int32s', times(1027, (i) => (i < 2 ? 3 : i === 2 ? 2 : 1))]]),
  'a chat template that is a number': () => ggufFile([...byteLevelEntries(), ['tokenizer.chat_template', 'uint32', 1]]),
} // prettier-ignore

const line = (bytes: Buffer | string, rank: number | string): string => `${Buffer.from(bytes as string).toString('base64')} ${rank}\n`
const bytesFirst = (): string => times(256, (byte) => line(Buffer.from([byte]), byte)).join('')
const rankFiles: Record<string, () => string | Uint8Array> = {
  'nothing': () => '',
  'a line of 10 MB': () => 'a'.repeat(1e7),
  '10 MB of line breaks': () => '\n'.repeat(1e7),
  '10 MB of blanks': () => ' '.repeat(1e7),
  '10 MB of zeros': () => new Uint8Array(1e7),
  'a token of 1 MB': () => bytesFirst() + line(Buffer.alloc(1e6, 97), 256),
  'bytes that are missing': () => line('a', 0),
  'a rank of 2^32': () => bytesFirst() + line('ab', 2 ** 32),
  'a rank of 10 MB of digits': () => bytesFirst() + line('ab', '9'.repeat(1e7)),
  'a rank below zero': () => bytesFirst() + line('ab', -1),
  'half a rank': () => bytesFirst() + line('ab', '1.5'),
  'a rank of NaN': () => bytesFirst() + line('ab', 'NaN'),
  'the highest rank alone': () => bytesFirst() + line('ab', 2 ** 21 - 1),
  'one rank twice': () => bytesFirst() + line('ab', 255),
  'one token twice': () => bytesFirst() + line('a', 256),
  'base64 without padding': () => `${bytesFirst()}YWI 256\n`,
  'base64 with bits too many': () => `${bytesFirst()}YWJ= 256\n`,
  'base64 of others': () => `${bytesFirst()}YW-_ 256\n`,
  'columns too many': () => `${bytesFirst()}YWI= 256 257\n`,
  'runs to 1,024': () => bytesFirst() + times(1023, (i) => line('a'.repeat(i + 2), 256 + i)).join(''),
  'runs to 1,024, the longest first': () => bytesFirst() + times(1023, (i) => line('a'.repeat(1024 - i), 256 + i)).join(''),
  'half a million tokens': () => bytesFirst() + times(5e5, (i) => line(`x${i.toString(36)}`, 256 + i)).join(''),
} // prettier-ignore

const llamas: Record<string, () => Uint8Array> = {
  'nothing': () => new Uint8Array(0),
  'a header': () => new Uint8Array(4),
  '10 MB of zeros': () => new Uint8Array(1e7),
  '40 MB of zeros': () => new Uint8Array(4e7),
  'a longest token of 2^31': () => llama2cFile([], 2 ** 31 - 1),
  'a longest token below zero': () => llama2cFile([], -1),
  'a token longer than the longest': () => llama2cFile([['a'.repeat(99), 0]]),
  'a score that is no number': () => llama2cFile([['a', NaN]]),
  'infinite scores': () => llama2cFile([['a', Infinity], ['aa', Infinity], ['aaa', -Infinity], ['b', 0]]),
  'runs that cost the same': () => llama2cFile(times(128, (i) => ['a'.repeat(i + 1), 0] as const), 128),
  'runs, the longest dearest': () => llama2cFile(times(128, (i) => ['a'.repeat(i + 1), -i] as const), 128),
  'tokens that repeat': () => llama2cFile(times(1000, () => ['a', 0] as const)),
  'tokens of nothing': () => llama2cFile(times(100_000, () => ['', 0] as const)),
} // prettier-ignore

const specials: Record<string, Record<string, number>> = {
  'ids that are taken': { '<x>': 5 },
  'an id beyond the highest': { '<x>': 2 ** 40 },
  'an id that is no number': { '<x>': NaN },
  'an empty name': { '': 5000 },
  'a lone surrogate': { '\ud800': 5000 },
  'names like properties': Object.fromEntries([['__proto__', 5000], ['constructor', 5001], ['toString', 5002]]),
} // prettier-ignore

const byHand = (format: string, files: Record<string, () => unknown>, read: (file: never) => Tokenizer): HostileCase[] =>
  Object.entries(files).map(([name, make]) => ({
    name: `${format}: ${name}`,
    byHand: true,
    prepare: () => {
      const file = make()
      return () => read(file as never)
    },
  }))

export const binaryFiles: readonly HostileCase[] = [
  ...byHand('SentencePiece', models, (file: Uint8Array) => Tokenizer.fromSentencePiece(file)),
  ...byHand('GGUF', ggufs, (file: Uint8Array) => Tokenizer.fromGGUF(file)),
  ...byHand('rank file', rankFiles, (file: string) => Tokenizer.fromTiktoken(file, { pattern: 'gpt2' })),
  ...byHand('llama2.c', llamas, (file: Uint8Array) => Tokenizer.fromLlama2c(file)),
  ...byHand(
    'rank file with special tokens',
    Object.fromEntries(Object.entries(specials).map(([name, special]) => [name, () => special])),
    (special: Record<string, number>) => Tokenizer.fromTiktoken(rankFile(), { pattern: 'gpt2', special }),
  ),
  ...byHand(
    'rank file split by',
    Object.fromEntries(bombs.filter((_, i) => i % 4 === 0).map((source) => [source.slice(0, 40), () => source])),
    (pattern: string) => Tokenizer.fromTiktoken(rankFile(), { pattern }),
  ),
  ...byHand(
    'GGUF metadata',
    {
      nothing: () => null,
      'a list': () => [],
      'an object in itself': () => {
        const self: Record<string, unknown> = {}
        self[`${PRE}model`] = self
        return self
      },
      'tokens with holes': () => ({ [`${PRE}model`]: 'llama', [`${PRE}tokens`]: new Array(10) }),
      'two million empty tokens': () => ({
        [`${PRE}model`]: 'gpt2',
        [`${PRE}pre`]: 'gpt-2',
        [`${PRE}tokens`]: new Array(2e6).fill(''),
        [`${PRE}merges`]: [],
      }),
      'a length and no list': () => ({ [`${PRE}model`]: 'llama', [`${PRE}tokens`]: { length: 2 ** 31 } }),
    } /* prettier-ignore */,
    (metadata: Record<string, unknown>) => Tokenizer.fromGGUF(metadata),
  ),
  ...byHand(
    'SentencePiece with an order to add tokens',
    { 'that are missing': () => modelOf('unigram-bare') ?? pieces([piece('a', 0)]) },
    (file: Uint8Array) => Tokenizer.fromSentencePiece(file, { addBos: true, addEos: true }),
  ),
]
