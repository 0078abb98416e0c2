// Files that are right, to be made wrong: those of the package's fixtures, and the same vocabularies in other formats.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer } from '@tesserae/tokenizer'
import { sentencePieceAnswers, unzipped } from '../../../../packages/tokenizer/src/__fixtures__/sentencepiece.js'
import { readModelProto } from '../../../../packages/tokenizer/src/formats/sentencepiece/model-proto.js'
import { ggufFile, type GgufEntry } from './gguf-writer.js'

const fixtures = join(import.meta.dirname, '../../../../packages/tokenizer/src/__fixtures__')
const read = (name: string): unknown => JSON.parse(readFileSync(join(fixtures, name), 'utf8'))
type Json = Record<string, unknown>

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

export const jsonNames = [
  'bert', 'bert-cased', 'byte-normalizer', 'clip', 'gpt2', 'llama2', 'llama3', 'mistral', 'roberta', 'subword-bpe', 'suffix-bpe', 't5', 'unigram-bytes', 'wav2vec', 'word-level',
  'xlm-roberta',
] as const // prettier-ignore
export const pieceNames = ['unigram-rules', 'unigram-bytes', 'bpe-llama', 'bpe-unused', 'char', 'word'] as const

/** The `tokenizer.json` of a fixture. */
export const jsonOf = (name: string): Json => (read(`hf/${name}.json`) as { tokenizer: Json }).tokenizer
export const moby = once(() => read('moby-1024.tokenizer.json') as Json)
export const chats = once(
  () =>
    read('chats.json') as {
      templates: Record<string, string>
      cases: { messages: { role: string; content: string }[]; tools?: unknown[] }[]
    },
)

/** A SentencePiece model of the fixtures; undefined where there is none of the name. */
export const modelOf = (name: string): Uint8Array | undefined => {
  const answers = sentencePieceAnswers()[name]
  return answers === undefined ? undefined : unzipped(answers.model)
}

/** The rank file of the fixtures' vocabulary. */
export const rankFile = once(() => {
  const tokenizer = Tokenizer.fromJSON(moby())
  const special = new Set(tokenizer.specialTokens.values())
  let text = ''
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (!special.has(id)) text += `${Buffer.from(tokenizer.tokenBytes(id)).toString('base64')} ${id}\n`
  }
  return text
})

const PRE = 'tokenizer.ggml.'

/** GPT-2's kind of vocabulary in GGUF. */
export const byteLevelEntries = once((): GgufEntry[] => {
  const { vocab, merges } = moby()['model'] as { vocab: Record<string, number>; merges: [string, string][] }
  const tokens = Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!)
  return [
    ['general.architecture', 'string', 'gpt2'],
    [`${PRE}model`, 'string', 'gpt2'],
    [`${PRE}pre`, 'string', 'gpt-2'],
    [`${PRE}tokens`, 'strings', tokens],
    [`${PRE}token_type`, 'int32s', tokens.map((token) => (token === '<|endoftext|>' ? 3 : 1))],
    [`${PRE}merges`, 'strings', merges.map((pair) => pair.join(' '))],
    [`${PRE}eos_token_id`, 'uint32', vocab['<|endoftext|>']!],
  ]
})

/** A SentencePiece vocabulary in GGUF. */
export function pieceEntries(name: string, model: 'llama' | 't5'): GgufEntry[] {
  const proto = readModelProto(modelOf(name)!)
  const text = new TextDecoder()
  return [
    [`${PRE}model`, 'string', model],
    [
      `${PRE}tokens`,
      'strings',
      Array.from(proto.types, (_, id) => text.decode(proto.text.subarray(proto.starts[id], proto.starts[id + 1]))),
    ],
    [`${PRE}scores`, 'float32s', [...proto.scores]],
    [`${PRE}token_type`, 'int32s', [...proto.types]],
    [`${PRE}unknown_token_id`, 'uint32', 0],
    [`${PRE}bos_token_id`, 'uint32', 1],
    [`${PRE}eos_token_id`, 'uint32', 2],
    [`${PRE}add_space_prefix`, 'bool', 1],
    ...(proto.normalizer.charsmap === undefined ? [] : [[`${PRE}precompiled_charsmap`, 'int8s', [...proto.normalizer.charsmap]] as const]),
  ]
}

/** BERT's kind in GGUF. */
export const wordPieceEntries = once((): GgufEntry[] => {
  const tokens = [
    '[PAD]',
    '[UNK]',
    '[CLS]',
    '[SEP]',
    ...[...'abcdefghijklmnopqrstuvwxyz .,'].flatMap((char) => [`\u2581${char}`, char]),
    '\u2581whale',
    '\u2581the',
  ]
  return [
    [`${PRE}model`, 'string', 'bert'],
    [`${PRE}tokens`, 'strings', tokens],
    [`${PRE}token_type`, 'int32s', tokens.map((token) => (token.startsWith('[') ? 3 : 1))],
  ]
})

export const ggufFiles: Readonly<Record<string, () => Uint8Array>> = {
  gpt2: once(() => ggufFile(byteLevelEntries())),
  llama: once(() => ggufFile(pieceEntries('bpe-llama', 'llama'))),
  t5: once(() => ggufFile(pieceEntries('unigram-rules', 't5'))),
  bert: once(() => ggufFile(wordPieceEntries())),
}

/** A file in llama2.c's format: control and byte tokens, then these. */
export function llama2cFile(tokens: readonly (readonly [string, number])[], longest = 16): Uint8Array {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  const all: (readonly [string, number])[] = [...['<unk>', '\n<s>\n', '\n</s>\n', ...bytes].map((token) => [token, 0] as const), ...tokens]
  const parts = [Buffer.from(Int32Array.of(longest).buffer)]
  for (const [token, score] of all) {
    const text = Buffer.from(token)
    parts.push(Buffer.from(Float32Array.of(score).buffer), Buffer.from(Int32Array.of(text.length).buffer), text)
  }
  return Uint8Array.from(Buffer.concat(parts))
}

export const llama2c = once(() =>
  llama2cFile([' ', ' t', 'he', ' the', 'in', 'an', ...'abcdefghijklmnopqrstuvwxyz.,é中'].map((token, i) => [token, -i] as const)),
)
