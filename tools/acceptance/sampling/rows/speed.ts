// Bar 2: milliseconds a token at a vocabulary of 131,072 beside transformers.js in one run, and bytes of heap a token.
import { join } from 'node:path'
import type { Sampler } from '@tesserae/sampling'
import { npmFolderWith } from '../../lib/npm.js'
import { runForJson } from '../../lib/peers.js'
import { atMost, row, unavailable, type Row, type RowContext, type RowSource } from '../../lib/row.js'
import { compareTimes } from '../../lib/timing.js'
import { chains, someLogits, VOCABULARY } from '../speed/chains.js'
import { peerPackage, transformersJs, type Choose } from '../speed/transformers-js.js'

const TOKENS = 10_000
/** A number in the heap takes 16 bytes, so one a token would be more than this. */
const LEAST_BYTES = 16
/** Tokens of the text that penalties and n-grams look back at. */
const TEXT = 200

type PeerChain = keyof Awaited<ReturnType<typeof transformersJs>>
const bars: readonly { readonly name: string; readonly limit: number; readonly peer: PeerChain; readonly what: string }[] = [
  { name: 'default chain', limit: 0.6, peer: 'usual', what: 'temperature and top-k 40, without top-p and min-p, which it does not have' },
  { name: 'top-p alone', limit: 4, peer: 'whole vocabulary', what: 'temperature over the whole vocabulary, since it does not have top-p' },
  {
    name: 'full Hugging Face preset',
    limit: 6,
    peer: 'everything',
    what: 'repetition, n-grams, bad words, least length, suppressed tokens, temperature, top-k 50: all that it has of these',
  },
]
/** Without bars of their own. */
const others = ['full Hugging Face preset without top-H and top-k', 'full llama.cpp preset', 'grammar and default chain']

const source: RowSource = async (context) => [...(await times(context)), ...(await heap(context))]
export default source

async function times({ log }: RowContext): Promise<Row[]> {
  const logits = someLogits()
  let turn = 0
  const next = () => logits[turn++ & 7]!
  const ours = (name: string): Sampler => {
    const sampler = chains[name]!()
    for (let i = 0; i < TEXT; i++) if (!name.startsWith('grammar')) sampler.accept((i * 37) % 90)
    return sampler
  }
  // The text stays as it is but for the grammar's, which tokens that it does not allow could not go on with.
  const work = (name: string) => {
    const sampler = ours(name)
    return name.startsWith('grammar') ? () => sampler.accept(sampler.choose(next())) : () => sampler.choose(next())
  }
  let peers: Readonly<Record<PeerChain, Choose>> | undefined
  let missing: unknown
  try {
    peers = await transformersJs(npmFolderWith('transformers-js', [peerPackage]))
  } catch (error) {
    missing = error
  }
  const rows: Row[] = []
  for (const { name, limit, peer, what } of bars) {
    const works = { ours: work(name), theirs: async () => peers?.[peer](next()) }
    const found = await compareTimes(works, { warmup: 60, runs: 100 })
    const cpu = cpuTime(works.ours)
    log(
      `${name}: ${found.ours.toFixed(3)} ms, ${cpu.toFixed(3)} ms of CPU, transformers.js ${peers === undefined ? 'missing' : `${found.theirs.toFixed(2)} ms`}`,
    )
    const note =
      peers === undefined
        ? ''
        : `; ${peerPackage} ${found.theirs.toFixed(2)} ms, ${(found.theirs / found.ours).toFixed(1)} times as long: ${what}`
    rows.push(
      atMost(`${name}: a token at ${VOCABULARY.toLocaleString('en')} logits`, found.ours, limit, {
        unit: 'ms',
        digits: 3,
        note: `median of 100, taking turns; ${cpu.toFixed(3)} ms of CPU${note}`,
      }),
    )
  }
  if (peers === undefined) rows.push(unavailable('speed of transformers.js', 'beside ours', missing))
  for (const name of others) {
    const works = { ours: work(name) }
    const { ours: found } = await compareTimes(works, { warmup: 60, runs: 100 })
    const cpu = cpuTime(works.ours)
    log(`${name}: ${found.toFixed(3)} ms, ${cpu.toFixed(3)} ms of CPU`)
    rows.push(row(`${name}: a token`, 'told', `${found.toFixed(3)} ms`, true, `median of 100; ${cpu.toFixed(3)} ms of CPU`))
  }
  return rows
}

/** Milliseconds of CPU of a call, the least of five times a hundred: what other programs do on the machine falls on the clock, and hardly on this. */
function cpuTime(call: () => unknown): number {
  const times = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage()
    for (let i = 0; i < 100; i++) call()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e5
  })
  return Math.min(...times)
}

async function heap({ log }: RowContext): Promise<Row[]> {
  const rows: Row[] = []
  const script = join(import.meta.dirname, '../speed/heap.ts')
  const options = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=128', '--import', 'tsx']
  for (const name of [...bars.map((bar) => bar.name), ...others]) {
    const { median, mean } = (await runForJson(process.execPath, [...options, script, name, String(TOKENS)])) as {
      median: number
      mean: number
    }
    log(`${name}: ${median.toFixed(1)} bytes a token, ${mean.toFixed(1)} with what the engine compiles`)
    rows.push(
      row(
        `${name}: bytes of heap allocated a token, over ${TOKENS.toLocaleString('en')} tokens`,
        `0, below ${LEAST_BYTES}`,
        median.toFixed(1),
        median < LEAST_BYTES,
        `choose and accept; median of ten parts, the mean of all is ${mean.toFixed(1)}, with what the engine allocates while it compiles; one number in the heap would be 16`,
      ),
    )
  }
  return rows
}
