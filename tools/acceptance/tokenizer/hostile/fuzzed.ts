// Files that were right, changed by seed.
import { Tokenizer } from '@tesserae/tokenizer'
import { randomFrom } from '../texts/fuzz.js'
import type { HostileCase } from './case.js'
import { mutateBytes, mutateJson, mutateText, pick, type Random } from './mutate.js'
import { chats, ggufFiles, jsonNames, jsonOf, llama2c, moby, modelOf, pieceNames, rankFile } from './valid.js'

export const SEED = 20_260_425

const configs: readonly object[] = [
  { bos_token: '<|endoftext|>', eos_token: { content: '<|endoftext|>' }, pad_token: null, add_bos_token: false, model_max_length: 1e30, chat_template: 'a' },
  { eos_token: '<|endoftext|>', add_eos_token: true, chat_template: [{ name: 'default', template: '{{ 1 }}' }, { name: 'tool_use', template: '{{ 2 }}' }] },
] // prettier-ignore
const patterns = [
  'gpt2',
  'cl100k',
  'o200k',
  String.raw`\p{L}+|\s+|[^\s\p{L}]+`,
  String.raw`(?i:'s)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+|.`,
]

/** What is read, in how many variants, and how one is made. */
const kinds: readonly (readonly [name: string, count: number, make: (random: Random, at: number) => () => Tokenizer | Promise<string>])[] =
  [
    ['tokenizer.json', 320, (random, at) => jsonFrom(changedJson(random, at))],
    ['tokenizer.json as text', 60, (random, at) => jsonFrom(mutateText(random, JSON.stringify(jsonOf(jsonNames[at % jsonNames.length]!))))],
    [
      'tokenizer_config.json',
      60,
      (random, at) => {
        const config = mutateJson(random, configs[at % configs.length] as Record<string, unknown>)
        return () => Tokenizer.fromJSON(moby(), config as object)
      },
    ],
    [
      'SentencePiece',
      120,
      (random, at) => {
        const file = mutateBytes(random, modelOf(pieceNames[at % pieceNames.length]!)!)
        return () => Tokenizer.fromSentencePiece(file)
      },
    ],
    [
      'GGUF',
      100,
      (random, at) => {
        const file = mutateBytes(random, Object.values(ggufFiles)[at % 4]!())
        return () => Tokenizer.fromGGUF(file)
      },
    ],
    [
      'rank file',
      50,
      (random, at) => {
        const file = mutateBytes(random, Buffer.from(rankFile()))
        return () => Tokenizer.fromTiktoken(file, { pattern: patterns[at % patterns.length]! })
      },
    ],
    [
      'split of a rank file',
      60,
      (random, at) => {
        const pattern = mutateText(random, patterns[3 + (at % 2)]!)
        return () => Tokenizer.fromTiktoken(rankFile(), { pattern })
      },
    ],
    [
      'llama2.c',
      50,
      (random) => {
        const file = mutateBytes(random, llama2c())
        return () => Tokenizer.fromLlama2c(file)
      },
    ],
    [
      'chat template',
      180,
      (random) => {
        const { templates, cases } = chats()
        const template = mutateText(random, pick(random, Object.values(templates)))
        const { messages, tools } = pick(random, cases)
        const tokenizer = Tokenizer.fromJSON(moby())
        return async () =>
          tokenizer.decode(
            await tokenizer.applyChatTemplate(messages, { template, addGenerationPrompt: true, ...(tools === undefined ? {} : { tools }) }),
          )
      },
    ],
  ]

function changedJson(random: Random, at: number): object {
  return mutateJson(random, jsonOf(jsonNames[at % jsonNames.length]!))
}

function jsonFrom(file: object | string): () => Tokenizer {
  return () => Tokenizer.fromJSON(file)
}

export const fuzzed: readonly HostileCase[] = kinds.flatMap(([kind, count, make], number) =>
  Array.from({ length: count }, (_, at): HostileCase => {
    const random = (): Random => randomFrom(SEED + number * 10_000 + at)
    return {
      name: `${kind}, changed, ${at}`,
      byHand: false,
      prepare: () => make(random(), at),
      ...(kind === 'tokenizer.json' ? { json: () => JSON.stringify(changedJson(random(), at)) } : {}),
    }
  }),
)
