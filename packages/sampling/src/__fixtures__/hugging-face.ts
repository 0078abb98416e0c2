/** What Hugging Face's logits processors, watermark detector and beam search give: fixtures by tools/sampling/generate-hf-fixtures.py and generate-beam-fixtures.py. */
import { readFileSync } from 'node:fs'
import * as sampling from '../index.js'
import {
  beamSearch,
  detectWatermark,
  guidance,
  type Beam,
  type BeamSearchOptions,
  type DetectOptions,
  type SamplerStep,
  type WatermarkEvidence,
} from '../index.js'
import { distribution } from './helpers.js'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8'))

interface ProcessorFixture {
  readonly step: string
  readonly options: readonly unknown[]
  readonly ids: readonly number[]
  readonly logits: number
  readonly unconditional?: number
  readonly kept: number
  readonly logprobs: readonly (readonly [id: number, logprob: number])[]
}

const { inputs, cases } = read('hf-processors') as { inputs: number[][]; cases: ProcessorFixture[] }

function stepOf({ step, options, unconditional }: ProcessorFixture): SamplerStep {
  if (unconditional !== undefined) return guidance(options[0] as number, () => inputs[unconditional]!)
  return (sampling as unknown as Record<string, (...given: unknown[]) => SamplerStep>)[step]!(...options)
}

/** Each with the largest difference of a token's log-probability; ∞ where other tokens are left, or as many others. */
export const processorCases = cases.map((one) => ({
  name: `${one.step} ${JSON.stringify(one.options)}, ${inputs[one.logits]!.length} tokens`,
  processor: one.step,
  deviation: (): number => {
    const step = stepOf(one)
    for (const id of one.ids) step.accept?.(id)
    const found = distribution(inputs[one.logits]!, step)
    if (found.size !== one.kept) return Infinity
    return Math.max(...one.logprobs.map(([id, logprob]) => (found.has(id) ? Math.abs(Math.log(found.get(id)!) - logprob) : Infinity)))
  },
}))

interface WatermarkFixture extends WatermarkEvidence {
  readonly options: DetectOptions
  readonly ids: readonly number[]
}

/** Texts, each with what the detector finds there, and here. */
export const watermarkCases = (read('hf-watermarks') as WatermarkFixture[]).map(({ options, ids, ...expected }, i) => ({
  name: `text ${i}`,
  expected,
  found: (): WatermarkEvidence => detectWatermark(ids, options),
}))

interface BeamFixtures {
  readonly vocabulary: number
  readonly prompt: readonly number[]
  readonly tables: readonly (readonly number[])[]
  readonly cases: readonly {
    readonly table: number
    readonly options: Omit<BeamSearchOptions, 'logits'>
    readonly results: readonly (readonly [ids: readonly number[], score: number])[]
  }[]
}
const beams = read('hf-beams') as BeamFixtures

/** A model that is a table: logits by the last two tokens. */
export const tableModel =
  (table: number) =>
  (going: readonly Beam[]): Float32Array[] =>
    going.map(({ ids }) => {
      const { vocabulary } = beams
      const [before, last] = [...beams.prompt, ...ids].slice(-2) as [number, number]
      const at = (before * vocabulary + last) * vocabulary
      return Float32Array.from(beams.tables[table]!.slice(at, at + vocabulary))
    })

/** Each with the largest difference of a text's score; ∞ where other texts are found. */
export const beamCases = beams.cases.map(({ table, options, results }) => ({
  name: `${JSON.stringify(options)}, table ${table}`,
  deviation: async (): Promise<number> => {
    const found = await beamSearch({ ...options, count: options.beams!, logits: tableModel(table) })
    if (JSON.stringify(found.map(({ ids }) => ids)) !== JSON.stringify(results.map(([ids]) => ids))) return Infinity
    return Math.max(...found.map(({ score }, i) => Math.abs(score - results[i]![1])))
  },
}))
