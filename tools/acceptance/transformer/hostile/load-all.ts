// Loads every hostile checkpoint, in a process whose memory is looked at.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TesseraeError } from '@tesserae/core'
import { loadModel } from '@tesserae/transformer'
import { hostileFiles } from '../../../../packages/transformer/src/checkpoints/testing/hostile-files.js'
import { peakBytes } from '../../lib/peak.js'

export interface FileOutcome {
  readonly name: string
  readonly isTyped: boolean
  readonly message: string
  /** Most resident memory while it was read, beyond what there was before. */
  readonly grownMiB: number
}

const [folder, out] = process.argv.slice(2) as [string, string]
const outcomes: FileOutcome[] = []
/** Bytes, the most there were. */
let peak = 0
for (const { name, files, entry } of await hostileFiles()) {
  const place = join(folder, String(outcomes.length))
  await mkdir(place)
  for (const [file, content] of Object.entries(files)) await writeFile(join(place, file), content)
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  const error: unknown = await loadModel(entry === undefined ? place : join(place, entry)).then(
    (lm) => lm.dispose(),
    (caught: unknown) => caught,
  )
  // The most there was in the process's life; where this one raised it, it is this one's.
  const most = peakBytes()
  const grown = most > Math.max(peak, before) ? most - before : 0
  peak = Math.max(peak, most)
  outcomes.push({ name, isTyped: TesseraeError.isInstance(error), message: String(error).slice(0, 300), grownMiB: grown / 2 ** 20 })
  await rm(place, { recursive: true })
}
await writeFile(out, JSON.stringify(outcomes))
process.exit(0)
