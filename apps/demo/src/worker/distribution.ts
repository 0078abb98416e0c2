import { minP, samplerChain, temperature, topK, topP, type Sampler, type SamplerStep } from '@tesserae/sampling'
import type { Tokenizer } from '@tesserae/tokenizer'
import type { Bar, Distribution, Knobs } from './chat-calls.js'

const shownBars = 12

/** Looks at what is left to draw from, behind all other steps. */
class Watch implements SamplerStep {
  readonly name = 'watch'
  /** Probability of each token that is left. */
  readonly kept = new Map<number, number>()

  apply(candidates: Parameters<SamplerStep['apply']>[0]): void {
    this.kept.clear()
    candidates.weigh()
    for (let i = 0; i < candidates.size; i++) {
      const weight = candidates.weights[i]!
      if (weight > 0) this.kept.set(candidates.ids[i]!, weight / candidates.total)
    }
  }
}

/** A sampler whose distribution can be seen. */
export class WatchedSampler {
  private readonly watch = new Watch()
  private readonly chain: Sampler
  private readonly tokenizer: Tokenizer
  /** Of the last choice. */
  probability = 0
  distribution: Distribution = { bars: [], kept: 0, vocabSize: 0 }

  constructor(knobs: Knobs, tokenizer: Tokenizer) {
    this.tokenizer = tokenizer
    this.chain = samplerChain([topK(knobs.topK), topP(knobs.topP), minP(knobs.minP), temperature(knobs.temperature), this.watch], {
      seed: knobs.seed,
    })
  }

  choose(logits: Float32Array): number {
    const { id, logprob, top } = this.chain.sample(logits, { logprobs: Math.min(shownBars, logits.length) })
    const { kept } = this.watch
    const bars = top.map((token): Bar => ({
      id: token.id,
      text: this.tokenizer.decode([token.id]),
      model: Math.exp(token.logprob),
      sampler: kept.get(token.id) ?? 0,
    }))
    this.probability = Math.exp(logprob)
    this.distribution = { bars, kept: kept.size, vocabSize: logits.length }
    return id
  }

  accept(id: number): void {
    this.chain.accept(id)
  }
}
