/** Decoding, prompts and memory beside node-llama-cpp on the same GGUF file, two threads each, in turns. */
import { openGgufPath } from '@tesserae/tensor/node'
import { atLeast, atMost, type Row } from '../../lib/row.js'
import { inTurns, type Side } from './turns.js'

export interface BesideLlama {
  /** What the model and its types are called. */
  readonly name: string
  readonly path: string
  /** Where node-llama-cpp is installed. */
  readonly folder: string
  /** Tokens in the cache while decoding. */
  readonly contexts: readonly [short: number, long: number]
  readonly log: (line: string) => void
}

/** Also how long a token took at the shorter context. */
export async function besideLlama({
  name,
  path,
  folder,
  contexts,
  log,
}: BesideLlama): Promise<{ readonly rows: Row[]; readonly token: Side }> {
  const rows: Row[] = []
  const types = await typesOf(path)
  const peaks: { ours: number; theirs: number } = { ours: 0, theirs: 0 }
  let token: Side | undefined
  for (const { what, context, rounds, steps, limit } of [
    { what: 'decode', context: contexts[0], rounds: 8, steps: 12, limit: 1 },
    { what: 'decode', context: contexts[1], rounds: 8, steps: 12, limit: 1 },
    { what: 'prefill', context: 512, rounds: 6, steps: 1, limit: 0.8 },
  ] as const) {
    const { ours, theirs } = await inTurns({ path, what, context, peer: { file: 'llama.ts', path, more: [folder] }, rounds, steps })
    peaks.ours = Math.max(peaks.ours, ours.peakMiB)
    peaks.theirs = Math.max(peaks.theirs, theirs.peakMiB)
    token ??= ours
    const perSecond = ({ milliseconds }: Side): string => (((what === 'decode' ? 1 : context) * 1000) / milliseconds).toFixed(1)
    const text = `${perSecond(ours)} and ${perSecond(theirs)} tokens/s; ${types}`
    log(`${name}, ${what} at ${context}: ${text}`)
    rows.push(
      atLeast(
        what === 'decode'
          ? `${name}: decoding at ${context} tokens, times node-llama-cpp`
          : `${name}: prompt of ${context}, times node-llama-cpp`,
        theirs.milliseconds / ours.milliseconds,
        limit,
        { note: text },
      ),
    )
  }
  rows.push(
    atMost(`${name}: peak memory, times node-llama-cpp`, peaks.ours / peaks.theirs, 1.2, {
      note: `${peaks.ours.toFixed(0)} and ${peaks.theirs.toFixed(0)} MiB, Node included`,
    }),
  )
  return { rows, token: token! }
}

async function typesOf(path: string): Promise<string> {
  const file = await openGgufPath(path)
  const bytes = new Map<string, number>()
  for (const name of file.names) {
    const info = file.info(name)
    bytes.set(info.dtype, (bytes.get(info.dtype) ?? 0) + info.bytes)
  }
  await file.dispose()
  return [...bytes].map(([type, count]) => `${type} ${(count / 2 ** 20).toFixed(0)} MiB`).join(', ')
}
