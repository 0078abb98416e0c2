// What users of JavaScript sample with today: the processors and the sampler of transformers.js, as its generate() puts them together.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { VOCABULARY } from './chains.js'

export const peerPackage = '@huggingface/transformers@4.3.1'

/** Chooses a token by a copy of logits, since the processors write over them. */
export type Choose = (logits: Float32Array) => Promise<number>

interface Tensor {
  readonly data: Float32Array
}
type Processor = (ids: readonly (readonly bigint[])[], logits: Tensor) => Tensor
type Class<T, Args extends readonly unknown[] = readonly unknown[]> = new (...args: Args) => T

interface Processors {
  readonly LogitsProcessorList: Class<Processor & { push(one: Processor): void }, []>
  readonly TemperatureLogitsWarper: Class<Processor>
  readonly RepetitionPenaltyLogitsProcessor: Class<Processor>
  readonly NoRepeatNGramLogitsProcessor: Class<Processor>
  readonly NoBadWordsLogitsProcessor: Class<Processor>
  readonly MinNewTokensLengthLogitsProcessor: Class<Processor>
  readonly SuppressTokensLogitsProcessor: Class<Processor>
}
interface Samplers {
  readonly LogitsSampler: { getSampler(config: object): (logits: Tensor) => Promise<readonly (readonly [id: bigint, score: number])[]> }
}

/** @param folder with the package; its parts are loaded from its sources, since its entry does not export the sampler */
export async function transformersJs(folder: string): Promise<Readonly<Record<'usual' | 'everything' | 'whole vocabulary', Choose>>> {
  const load = (name: string) =>
    import(pathToFileURL(join(folder, 'node_modules/@huggingface/transformers/src', name)).href) as Promise<unknown>
  const classes = (await load('generation/logits_process.js')) as Processors
  const { LogitsSampler } = (await load('generation/logits_sampler.js')) as Samplers
  const { Tensor } = (await load('utils/tensor.js')) as { Tensor: Class<Tensor> }
  const text = Array.from({ length: 200 }, (_, i) => BigInt((i * 37) % 90))
  const chain = (processors: readonly Processor[], topK: number): Choose => {
    const list = new classes.LogitsProcessorList()
    for (const one of processors) list.push(one)
    const sample = LogitsSampler.getSampler({ do_sample: true, top_k: topK, num_beams: 1, num_return_sequences: 1 })
    return async (logits) => {
      const [[id]] = (await sample(list([text], new Tensor('float32', logits.slice(), [1, VOCABULARY])))) as [readonly [bigint, number]]
      return Number(id)
    }
  }
  return {
    usual: chain([new classes.TemperatureLogitsWarper(0.8)], 40),
    everything: chain(
      [
        new classes.RepetitionPenaltyLogitsProcessor(1.1),
        new classes.NoRepeatNGramLogitsProcessor(3),
        new classes.NoBadWordsLogitsProcessor([[100], [200, 201], [300, 301, 302]], [2]),
        new classes.MinNewTokensLengthLogitsProcessor(184, 16, [2]),
        new classes.SuppressTokensLogitsProcessor([0, 1]),
        new classes.TemperatureLogitsWarper(0.7),
      ],
      50,
    ),
    'whole vocabulary': chain([new classes.TemperatureLogitsWarper(0.7)], 0),
  }
}
