import { readFileSync } from 'node:fs'
import type { ScalingRun } from '../fit.js'

/** The Chinchilla runs that Epoch AI read off the paper's figure 4 (model size, FLOP, loss), of a CSV file. */
export const chinchillaRuns = (path: string | URL): ScalingRun[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line): ScalingRun => {
      const fields = line.split(',').map(Number)
      return { parameters: fields[3]!, tokens: fields[4]! / 6 / fields[3]!, loss: fields[6]! }
    })

/** As in Epoch's fit: without the five of the highest loss, runs of few tokens. */
export const fittedRuns = (runs: readonly ScalingRun[]): ScalingRun[] => runs.toSorted((a, b) => a.loss - b.loss).slice(0, -5)
