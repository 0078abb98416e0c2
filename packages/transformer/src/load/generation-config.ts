/** How a model's makers want it to be sampled, by `generation_config.json` or the metadata of GGUF. */
import type { GgufValue } from '@tesserae/tensor'
import type { LmSampling } from '../lm/sampling.js'

export interface GenerationDefaults {
  readonly sampling: LmSampling
  /** Ids that end an answer. */
  readonly stop: readonly number[]
}

type Values = Readonly<Record<string, unknown>>

const numberIn = (value: unknown, least: number, most: number): number | undefined =>
  typeof value === 'number' && value >= least && value <= most ? value : undefined

const given = <Key extends string>(key: Key, value: number | undefined): { readonly [K in Key]?: number } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: number }

const idsOf = (value: unknown): number[] =>
  (Array.isArray(value) ? (value as unknown[]) : [value]).filter((id): id is number => Number.isInteger(id) && (id as number) >= 0)

/**
 * What `generation_config.json` says, and of the ends `config.json` too. Values out of range are passed over: they are advice. As in transformers, settings of sampling count where `do_sample` is true only.
 */
export function generationDefaults(config: Values, generation: Values): GenerationDefaults {
  const stop = [...new Set([...idsOf(generation['eos_token_id']), ...idsOf(config['eos_token_id'])])]
  const repetition = given('repetitionPenalty', numberIn(generation['repetition_penalty'], 0.01, 100))
  if (generation['do_sample'] !== true) return { stop, sampling: { temperature: 0, ...repetition } }
  return {
    stop,
    sampling: {
      temperature: numberIn(generation['temperature'], 0, 100) ?? 1,
      // 50 is what transformers takes where nothing is said.
      topK: Math.round(numberIn(generation['top_k'] ?? 50, 0, 1e9) ?? 50),
      ...given('topP', numberIn(generation['top_p'], 1e-6, 1)),
      ...given('minP', numberIn(generation['min_p'], 0, 1)),
      ...repetition,
    },
  }
}

/** What the metadata of GGUF says: `general.sampling.…`, and the ends of its tokenizer. */
export function ggufDefaults(metadata: ReadonlyMap<string, GgufValue>): GenerationDefaults {
  const setting = (name: string, least: number, most: number): number | undefined =>
    numberIn(metadata.get(`general.sampling.${name}`), least, most)
  const temperature = setting('temp', 0, 100)
  const ends = ['eos', 'eot', 'eom'].flatMap((name) => idsOf(metadata.get(`tokenizer.ggml.${name}_token_id`)))
  const topK = setting('top_k', 0, 1e9)
  return {
    stop: [...new Set(ends)],
    sampling: {
      temperature: temperature ?? 0,
      ...(temperature === undefined
        ? {}
        : { ...given('topK', topK), ...given('topP', setting('top_p', 1e-6, 1)), ...given('minP', setting('min_p', 0, 1)) }),
      ...given('repetitionPenalty', setting('penalty_repeat', 0.01, 100)),
    },
  }
}
