import { random, restoreRandom, type RandomState, type RandomStream } from '@tesserae/core'
import { Candidates, type TopLogits } from './candidates.js'
import { checkInteger } from './check.js'
import { SamplingError } from './errors.js'
import { idOfKey, selectTop } from './select.js'
import type { SamplerStep } from './step.js'

export interface SamplerChainOptions {
  /** Fixes every choice: the same seed and logits give the same tokens. Default 0. */
  readonly seed?: number | string
}

export interface SampleOptions {
  /** How many of the most likely tokens to report in `top`. Default 0. */
  readonly logprobs?: number
}

export interface TokenLogprob {
  readonly id: number
  readonly logprob: number
}

/** A chosen token. */
export interface Sample {
  readonly id: number
  /** The natural logarithm of the probability that the model gives the token: by the logits as they came in. */
  readonly logprob: number
  /** The same by the distribution that the token was drawn from, after every step; 0 where it was the only one left. */
  readonly sampledLogprob: number
  /** The tokens most likely to the model, the likeliest first. */
  readonly top: readonly TokenLogprob[]
}

/** So many tokens more are asked for where a step may change the order of the highest, as many as penalties look back at. */
const MOVED = 64

/** Everything a sampler needs to continue exactly; plain JSON as far as its steps' states are. */
export interface SamplerState {
  readonly random: RandomState
  readonly steps: readonly unknown[]
}

/** Chooses tokens from logits. Not for concurrent use: clone it for each sequence. */
export interface Sampler {
  /**
   * Chooses a token. `logits` are left alone. One random number is drawn for every choice, whatever the steps are.
   *
   * @param logits one for each token id; −∞ excludes a token
   * @throws SamplingError `LOGITS` when they are empty or one is NaN or +∞, or when no token is left
   */
  sample(logits: ArrayLike<number>, options?: SampleOptions): Sample
  /** The id that {@link Sampler.sample} would choose, without log-probabilities and without allocating memory. */
  choose(logits: ArrayLike<number>): number
  /**
   * How many of the highest logits {@link Sampler.chooseTop} most likely needs, for a device that can find them without giving out all; undefined where it needs them all. The same for the sampler's whole
   * life.
   */
  topCount(): number | undefined
  /**
   * The id that {@link Sampler.choose} would choose by all logits, from the highest alone. Undefined where these do not tell: nothing was drawn then, and all logits have to be given to
   * {@link Sampler.choose}.
   *
   * @throws SamplingError `LOGITS` and `VALUE` as for {@link Sampler.choose}; a NaN among logits that are not given is not seen
   */
  chooseTop(top: TopLogits): number | undefined
  /**
   * The distribution that tokens are drawn from, after every step. Draws nothing.
   *
   * @param into one number for each token id is written here; default new memory
   */
  probabilities(logits: ArrayLike<number>, into?: Float64Array): Float64Array
  /** Tells the steps which token became part of the text; some look back at these. */
  accept(id: number): void
  /** A copy that continues independently and, given the same logits, chooses the same tokens. */
  clone(): Sampler
  /** A copy that chooses by random numbers of its own, others for each `index`: for several texts from one prompt. */
  fork(index: number): Sampler
  /** Goes back to the beginning: seed and steps as when the sampler was made. */
  reset(): void
  /** What {@link Sampler.restore} needs to continue from here. */
  state(): SamplerState
  /** Continues where a state was taken; `STATE` is thrown when it is of a sampler with other steps. */
  restore(state: SamplerState): void
}

/**
 * A sampler that applies steps in order and then draws from what is left, each token by its probability.
 *
 * @example
 * const sampler = samplerChain([topK(40), topP(0.95), temperature(0.8)], { seed: 1 })
 * sampler.sample(Float32Array.of(1, 5, 2), { logprobs: 2 }) // => { id: 1, logprob: -0.066…, top: [{ id: 1, … }, { id: 2, … }], … }
 */
export function samplerChain(steps: readonly SamplerStep[], options: SamplerChainOptions = {}): Sampler {
  const stream = random(options.seed ?? 0)
  seedSteps(steps, stream)
  return new Chain([...steps], stream, stream.state())
}

/** Each step's numbers are its own, so that a step more or less changes nothing for the others. */
function seedSteps(steps: readonly SamplerStep[], stream: RandomStream): void {
  steps.forEach((step, i) => step.seed?.(stream.stream('step').fold(i)))
}

class Chain implements Sampler {
  private readonly candidates = new Candidates()
  private readonly drawn = new Float64Array(1)

  constructor(
    private readonly steps: readonly SamplerStep[],
    private stream: RandomStream,
    private readonly start: RandomState,
  ) {}

  choose(logits: ArrayLike<number>): number {
    this.narrow(logits)
    const chosen = this.draw()
    return this.candidates.ids[chosen]!
  }

  topCount(): number | undefined {
    let moved = 0
    for (const { needsAll = true, keeps } of this.steps) {
      if (needsAll) return undefined
      // One more, so that the next lower logit is known.
      if (keeps !== undefined) return keeps + moved + 1
      moved += MOVED
    }
    return undefined
  }

  chooseTop(top: TopLogits): number | undefined {
    const { candidates, steps } = this
    candidates.beginTop(top)
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!
      // A step with a memory is only reached when nothing is left to be told, so that it is applied once.
      if (candidates.isPartial && step.needsAll !== false) return undefined
      step.apply(candidates)
    }
    if (candidates.isPartial) return undefined
    this.weigh(top.vocabulary)
    return candidates.ids[this.draw()]!
  }

  sample(logits: ArrayLike<number>, { logprobs = 0 }: SampleOptions = {}): Sample {
    checkInteger('logprobs', logprobs, 0, logits.length)
    this.narrow(logits)
    const chosen = this.draw()
    const { candidates } = this
    const id = candidates.ids[chosen]!
    const weights = candidates.weights.subarray(0, candidates.size)
    const sampledLogprob = Math.log(weights[chosen]! / sum(weights))
    // The steps have changed the candidates; the model's distribution is that of all logits.
    candidates.begin(logits)
    candidates.weigh()
    const offset = candidates.max + Math.log(candidates.total)
    const logprobOf = (token: number) => candidates.logits[token]! - offset
    return { id, logprob: logprobOf(id), sampledLogprob, top: logprobs === 0 ? [] : topTokens(candidates, logprobs, logprobOf) }
  }

  probabilities(logits: ArrayLike<number>, into = new Float64Array(logits.length)): Float64Array {
    if (into.length !== logits.length)
      throw new SamplingError('VALUE', `probabilities: into must have ${logits.length} elements, one for each logit, got ${into.length}`)
    this.narrow(logits)
    const { ids, weights, size, total } = this.candidates
    into.fill(0)
    for (let i = 0; i < size; i++) into[ids[i]!] = weights[i]! / total
    return into
  }

  accept(id: number): void {
    for (const step of this.steps) step.accept?.(id)
  }

  clone(): Sampler {
    return new Chain(
      this.steps.map((step) => step.clone?.() ?? step),
      restoreRandom(this.stream.state()),
      this.start,
    )
  }

  fork(index: number): Sampler {
    checkInteger('index', index, 0, Number.MAX_SAFE_INTEGER)
    const stream = this.stream.stream('fork').fold(index)
    const steps = this.steps.map((step) => step.clone?.() ?? step)
    seedSteps(steps, stream)
    return new Chain(steps, stream, stream.state())
  }

  reset(): void {
    this.stream = restoreRandom(this.start)
    for (const step of this.steps) step.reset?.()
    seedSteps(this.steps, this.stream)
  }

  state(): SamplerState {
    return { random: this.stream.state(), steps: this.steps.map((step) => step.state?.() ?? null) }
  }

  restore(state: SamplerState): void {
    if (!Array.isArray(state.steps) || state.steps.length !== this.steps.length) {
      const names = this.steps.map((step) => step.name).join(', ')
      throw new SamplingError('STATE', `The state must be of a sampler with the steps [${names}], got ${JSON.stringify(state.steps)}`)
    }
    this.stream = restoreRandom(state.random)
    for (const [i, step] of this.steps.entries()) step.restore?.(state.steps[i])
  }

  /** Applies the steps and weighs what they leave. */
  private narrow(logits: ArrayLike<number>): void {
    const { candidates, steps } = this
    candidates.begin(logits)
    for (let i = 0; i < steps.length; i++) steps[i]!.apply(candidates)
    this.weigh(logits.length)
  }

  private weigh(vocabulary: number): void {
    if (!this.candidates.weigh()) {
      const names = this.steps.map((step) => step.name).join(', ') || 'no steps'
      throw new SamplingError(
        'LOGITS',
        `No token is left to sample: all ${vocabulary} logits are −∞, or the steps [${names}] removed the rest`,
      )
    }
  }

  /** The index of the chosen candidate, drawn by the weights. */
  private draw(): number {
    const { weights, size, total } = this.candidates
    this.stream.fillUniform(this.drawn)
    const target = this.drawn[0]! * total
    let sum = 0
    let last = 0
    for (let i = 0; i < size; i++) {
      if (weights[i] === 0) continue
      sum += weights[i]!
      last = i
      if (sum > target) break
    }
    return last
  }
}

function topTokens(candidates: Candidates, count: number, logprobOf: (token: number) => number): TokenLogprob[] {
  const keys = selectTop(candidates, undefined, candidates.size, count, candidates.scratch)
  return Array.from({ length: count }, (_, i) => {
    const id = idOfKey(keys[i]!)
    return { id, logprob: logprobOf(id) }
  })
}

function sum(values: Float64Array): number {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]!
  return total
}
