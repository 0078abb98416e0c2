// How the time of every kind of call grows when the text doubles.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Tokenizer } from '@tesserae/tokenizer'
import { chats, jsonNames, jsonOf, llama2c, modelOf, moby, pieceNames, rankFile } from './valid.js'

export interface Growth {
  readonly name: string
  readonly length: number
  readonly shortMs: number
  readonly longMs: number
  readonly factor: number
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const LENGTH = 50_000
const MESSAGES = 400
const ROUNDS = 3
/** Below this a time tells nothing. */
const LEAST_MS = 4

const stretch = (unit: string, length: number): string => unit.repeat(Math.ceil(length / unit.length)).slice(0, length)

/** Texts that nothing cuts and that keep searches busy, by what they are for. */
const texts: Readonly<Record<string, (length: number) => string>> = {
  a: (length) => stretch('a', length),
  'blanks, then a letter': (length) => `${stretch(' ', length - 1)}x`,
  marks: (length) => stretch('\u0301\u0323', length),
  emoji: (length) => stretch('\u{1f600}', length),
  'line breaks': (length) => stretch('\n', length),
  'almost a token': (length) => stretch('<|endoftext', length),
  'digits and letters': (length) => stretch('a1', length),
}

const tokenizers = (): [string, Tokenizer][] => [
  ...jsonNames.map((name): [string, Tokenizer] => [name, Tokenizer.fromJSON(jsonOf(name))]),
  ['byte-level, no HF', Tokenizer.fromTiktoken(rankFile(), { pattern: 'cl100k' })],
  ['a split by an expression', Tokenizer.fromTiktoken(rankFile(), { pattern: String.raw`\p{L}+(?!x)|\s+(?!\S)|\s+|[^\s\p{L}]+` })],
  ...pieceNames.map((name): [string, Tokenizer] => [`SentencePiece ${name}`, Tokenizer.fromSentencePiece(modelOf(name)!)]),
  ['llama2.c', Tokenizer.fromLlama2c(llama2c())],
  ['added tokens that strip', withAdded({ lstrip: true, rstrip: true })],
  ['added tokens of whole words', withAdded({ single_word: true })],
  ['added tokens that are normalized', withAdded({ normalized: true, special: false })],
]

function withAdded(flags: object): Tokenizer {
  const json = moby() as { added_tokens: object[] }
  const contents = ['<x>', 'a<', ' b', '  ', `${'a'.repeat(500)}b`, '\u0301\u0323\u0301']
  const added = contents.map((content, i) => ({
    id: 1024 + i,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
    ...flags,
  }))
  return Tokenizer.fromJSON({ ...json, added_tokens: [...json.added_tokens, ...added] })
}

const calls: Readonly<Record<string, (tokenizer: Tokenizer, text: string, ids: Uint32Array) => unknown>> = {
  encode: (tokenizer, text) => tokenizer.encode(text, { special: 'text' }),
  'encode, tokens allowed': (tokenizer, text) => tokenizer.encode(text, { special: 'allow' }),
  offsets: (tokenizer, text) =>
    tokenizer.encodeWithOffsets(text, { special: 'text', offsets: 'utf8', truncation: false, padding: false }).offsets,
  decode: (tokenizer, _, ids) => tokenizer.decode(ids),
  stream: (tokenizer, _, ids) => {
    const decoder = tokenizer.decoder()
    for (const id of ids) decoder.push(id)
    return decoder.flush()
  },
  'exact truncation': (tokenizer, text) => tokenizer.truncateToTokens(text, 1000, { special: 'text' }),
  'truncation from the left': (tokenizer, text) => tokenizer.truncateToTokens(text, 1000, { special: 'text', side: 'left' }),
  'truncation in stretches': (tokenizer, text) =>
    tokenizer
      .encodeWithOffsets(text, { special: 'text', addSpecial: false, padding: false, truncation: { maxLength: 64, stride: 32 } })
      .overflowing.map(({ ids }) => ids.length),
}

/** The least of some rounds, in milliseconds: of CPU time and time by the clock the less, as other programs may hold the machine, and the garbage collector has threads. */
async function leastMs(work: () => unknown): Promise<number> {
  let least = Infinity
  // What others left is not this call's to collect.
  collectGarbage()
  for (let i = 0; i < ROUNDS; i++) {
    const [wall, used] = [performance.now(), process.cpuUsage()]
    await work()
    const { user, system } = process.cpuUsage(used)
    least = Math.min(least, performance.now() - wall, (user + system) / 1000)
  }
  return least
}

/** @param first the length to begin with, which grows up to eight times until a time can be told */
async function growthOf(name: string, first: number, work: (length: number) => () => unknown): Promise<Growth> {
  let length = first
  let short = work(length)
  await short() // brings the code to its speed
  let shortMs = await leastMs(short)
  while (shortMs < LEAST_MS && length < first * 8) {
    length *= 2
    short = work(length)
    shortMs = await leastMs(short)
  }
  // One doubling may be where a processor's cache or the heap's young half ends; what grows too fast goes on doing so.
  let least = await doubling(name, length, work)
  for (const times of [4, 8, 16]) {
    if (least.factor <= 2.2) break
    const further = await doubling(name, length * times, work)
    if (further.factor < least.factor) least = further
  }
  return least
}

async function doubling(name: string, length: number, work: (length: number) => () => unknown): Promise<Growth> {
  const [short, long] = [work(length), work(length * 2)]
  let [shortMs, longMs] = [await leastMs(short), await leastMs(long)]
  const factor = (): number => longMs / Math.max(shortMs, LEAST_MS)
  // Other programs hold the machine at times: what looks steep is measured again.
  for (let again = 0; again < 2 && factor() > 2.2; again++) {
    shortMs = Math.min(shortMs, await leastMs(short))
    longMs = Math.min(longMs, await leastMs(long))
  }
  return { name, length, shortMs, longMs, factor: factor() }
}

/** Every call of every family on every text, one call of a family at a time on texts by turns. */
export async function measureGrowth(log: (line: string) => void, wanted: (name: string) => boolean = () => true): Promise<Growth[]> {
  const found: Growth[] = []
  const textNames = Object.keys(texts)
  let turn = 0
  for (const [family, tokenizer] of tokenizers()) {
    for (const [call, run] of Object.entries(calls)) {
      // Encoding meets every text, what follows it two of them.
      const chosen = call === 'encode' ? textNames : [textNames[turn % textNames.length]!, textNames[(turn + 3) % textNames.length]!]
      turn++
      for (const textName of chosen) {
        const name = `${call} by ${family} of ${textName}`
        if (!wanted(name)) continue
        found.push(
          await growthOf(name, LENGTH, (length) => {
            const text = texts[textName]!(length)
            const ids = tokenizer.encode(text, { special: 'text' })
            return () => run(tokenizer, text, ids)
          }),
        )
      }
    }
    log(`${family}: ${found.length} calls so far, steepest ${found.reduce((worst, { factor }) => Math.max(worst, factor), 0).toFixed(2)}`)
  }
  return found
}

/** The same for chats of many messages and of one long one. */
export async function measureChatGrowth(): Promise<Growth[]> {
  const tokenizer = Tokenizer.fromJSON(moby(), { bos_token: '<|endoftext|>', eos_token: '<|endoftext|>' })
  const { templates } = chats()
  const found: Growth[] = []
  for (const [name, template] of Object.entries(templates)) {
    found.push(
      await growthOf(`chat by ${name}`, MESSAGES, (count) => {
        const messages = Array.from({ length: count }, (_, i) => ({
          role: i % 2 === 0 ? 'user' : 'assistant',
          content: 'Call me <|endoftext|> Ishmael. '.repeat(8),
        }))
        const limits = { time: 60_000, steps: 1e8, output: 1e8 }
        return () => tokenizer.applyChatTemplate(messages, { template, tools: [], documents: [], limits })
      }),
    )
  }
  return found
}
