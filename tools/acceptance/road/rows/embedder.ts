// The encoder that this repository trains: its recipe as committed, measured on texts that it has not seen.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { atLeast, atMost, type RowSource } from '../../lib/row.js'
import type { Figures } from '../../../recipes/embedder/card.js'

const source: RowSource = async () => {
  const out = mkdtempSync(join(tmpdir(), 'tesserae-embedder-'))
  try {
    const recipe = join(import.meta.dirname, '../../../recipes/embedder/main.ts')
    const run = spawnSync(process.execPath, ['--import', 'tsx', '--conditions=@tesserae/source', recipe, '--out', out], {
      encoding: 'utf8',
    })
    if (run.status !== 0) throw new Error(`the recipe ended with ${run.status}: ${run.stderr.slice(-500)}`)
    const { seconds, figures } = JSON.parse(readFileSync(join(out, 'figures.json'), 'utf8')) as { seconds: number; figures: Figures[] }
    const rows = figures.map(({ set, rows: measured }) => {
      const of = Object.fromEntries(measured)
      const note = measured
        .map(
          ([name, { recall, mrr }]) => `${name}: recall@1 ${recall[1]!.toFixed(3)}, @10 ${recall[10]!.toFixed(3)}, MRR ${mrr.toFixed(3)}`,
        )
        .join('; ')
      const figure = `Trained encoder, ${set}: recall@10 above the better of hashed words and the untrained encoder`
      const best = Math.max(of['hashed words']!.recall[10]!, of['before training']!.recall[10]!)
      return atLeast(figure, of['trained']!.recall[10]! - best, 0.02, { digits: 3, note })
    })
    // Somebody else's work on the same cores has made it three times as long.
    const note = `wall clock; load average of the last five minutes ${loadavg()[1]!.toFixed(1)} on ${cpus().length} cores`
    return [...rows, atMost('Training the encoder', seconds, 120, { unit: 's', digits: 0, note })]
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}
export default source
