// `npm run bench:cuda -- FOLDER [NAME …] [--dtypes LIST] [--cache-type TYPE]`: language models on this machine's graphics card beside transformers on the same, from the checkpoints that models.py wrote into FOLDER. Ids of f32 must be those
// of transformers; figures are tokens a second, and the ratio to transformers' for the same dtype (of weights in blocks: to its bf16).
// Exit code 0 when ids are right, 1 when they are not, 2 for a command line that cannot work, 3 where there is no driver or no device.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Device } from '@tesserae/tensor'
import { createModel, type CreateModelOptions, type DecoderModel } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { openCudaDevice } from '../../packages/tensor/src/device/cuda/node/open.js'

const usage = 'Usage: npm run bench:cuda -- FOLDER [NAME …] [--dtypes f32,bf16,f16,q8,q4] [--cache-type f32]'
const dtypes = ['f32', 'bf16', 'f16', 'q8', 'q4'] as const
type Dtype = (typeof dtypes)[number]
type CacheType = NonNullable<CreateModelOptions['cacheType']>

/** What models.py measures: tokens a second. */
interface Figures {
  readonly ids: readonly number[]
  /** A prompt of 512 tokens. */
  readonly prefill: number
  /** One stream behind 128 tokens, and behind `longest`. */
  readonly decode: number
  readonly late: number
  /** All of 8 and 32 streams behind 128 tokens. */
  readonly eight: number
  readonly many: number
  readonly longest: number
  /** One stream behind 128 tokens with a static cache and torch.compile. */
  readonly compiled?: number
}
interface Peer {
  readonly card: string
  readonly torch: string
  readonly figures: { readonly f32: Figures; readonly bf16: Figures }
}

process.exitCode = await main()

async function main(): Promise<number> {
  let folder: string
  let names: string[]
  let wanted: Dtype[]
  let cacheType: CacheType
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { dtypes: { type: 'string' }, 'cache-type': { type: 'string' } },
    })
    const [first, ...rest] = positionals
    if (first === undefined) throw new Error('FOLDER is missing')
    folder = first
    names = rest.length > 0 ? rest : readdirSync(folder)
    cacheType = (values['cache-type'] ?? 'f32') as CacheType
    wanted = (values.dtypes?.split(',') ?? [...dtypes]) as Dtype[]
    const unknown = wanted.find((dtype) => !dtypes.includes(dtype))
    if (unknown !== undefined) throw new Error(`--dtypes are some of ${dtypes.join(', ')}, got ${unknown}`)
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    return 2
  }
  let device: Device
  try {
    device = await openCudaDevice()
  } catch (error) {
    console.log(`Nothing was run: ${(error as Error).message}`)
    return 3
  }
  console.log([device.description, ...(device.notes?.() ?? [])].join('\n'))
  let right = true
  try {
    for (const name of names) {
      const path = join(folder, name)
      const peer = JSON.parse(readFileSync(join(path, 'peer.json'), 'utf8')) as Peer
      console.log(`\n${name} (transformers with torch ${peer.torch})`)
      for (const dtype of wanted) {
        const theirs = peer.figures[dtype === 'f32' ? 'f32' : 'bf16']
        const ours = await measure(device, path, { dtype, cacheType, longest: theirs.longest })
        const agree = theirs.ids.findIndex((id, i) => ours.ids[i] !== id)
        if (dtype === 'f32') right &&= agree < 0
        const figure = (key: 'prefill' | 'decode' | 'late' | 'eight' | 'many'): string =>
          `${key} ${ours[key].toFixed(0)} (${(ours[key] / theirs[key]).toFixed(2)})`
        const { compiled } = theirs
        const beside =
          compiled === undefined || dtype === 'f32' ? '' : `  (decode to a compiled one's ${(ours.decode / compiled).toFixed(2)})`
        const ids = agree < 0 ? 'ids all' : `ids ${agree} of ${theirs.ids.length}`
        console.log(
          `${dtype.padEnd(5)}${(['prefill', 'decode', 'late', 'eight', 'many'] as const).map(figure).join('  ')}  ${ids}  loaded in ${ours.loaded.toFixed(1)} s${beside}`,
        )
      }
    }
  } finally {
    await device.dispose()
  }
  return right ? 0 : 1
}

function prompt(length: number, vocabulary: number, row = 0): number[] {
  return Array.from({ length }, (_, i) => (31 * i + 7 * row + 1) % vocabulary)
}

interface Setting {
  readonly dtype: Dtype
  readonly cacheType: CacheType
  readonly longest: number
}

async function measure(
  device: Device,
  path: string,
  { dtype, cacheType, longest }: Setting,
): Promise<Figures & { readonly loaded: number }> {
  const start = performance.now()
  const { config, weights } = await loadCheckpoint(path, { dtype, device, capacity: longest + 128 })
  using model = await createModel({ config, weights, device, capacity: longest + 128, cacheType, maxStreams: 32, prefixCache: false })
  const { ids } = await model.generate(prompt(128, config.vocabSize), { maxTokens: 64 })
  const loaded = (performance.now() - start) / 1000
  const one = async (length: number, maxTokens: number): Promise<{ prefill: number; decode: number }> => {
    await model.generate(prompt(length, config.vocabSize, 1), { maxTokens: 8 })
    const { prefillSeconds, decodeSeconds } = await model.generate(prompt(length, config.vocabSize), { maxTokens })
    return { prefill: length / prefillSeconds, decode: (maxTokens - 1) / decodeSeconds }
  }
  const { decode } = await one(128, 64)
  const { prefill } = await one(512, 4)
  const { decode: late } = await one(longest, 64)
  return { ids, loaded, prefill, decode, late, longest, eight: await streams(model, 8), many: await streams(model, 32) }
}

/** Tokens a second of all streams, from when the last has its first token. */
async function streams(model: DecoderModel, count: number): Promise<number> {
  const run = async (maxTokens: number): Promise<number> => {
    const written = await Promise.all(
      Array.from({ length: count }, async (_, row) => {
        const stamps: number[] = []
        for await (const _ of model.stream(prompt(128, model.config.vocabSize, row), { maxTokens })) stamps.push(performance.now())
        return stamps
      }),
    )
    const from = Math.max(...written.map(([first]) => first!))
    const to = Math.max(...written.map((stamps) => stamps.at(-1)!))
    return (1000 * written.flat().filter((stamp) => stamp > from).length) / (to - from)
  }
  await run(8)
  return run(96)
}
