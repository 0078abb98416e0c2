import type { Candidates } from '../candidates.js'
import { checkInteger, checkRange } from '../check.js'
import { SamplingError } from '../errors.js'
import { indexIn } from '../select.js'
import type { SamplerStep } from '../step.js'

export interface MirostatOptions {
  /** The surprise that the text is to have, in bits a token. From 0 to 100; default 5. */
  readonly tau?: number
  /** How fast it is corrected. From 0 to 1; default 0.1. */
  readonly eta?: number
}

export interface MirostatOneOptions extends MirostatOptions {
  /** Tokens from which the distribution's exponent is estimated. From 2 to 10,000; default 100. */
  readonly tokens?: number
}

/**
 * Mirostat: keeps as many of the most likely tokens as give the surprise that is wanted, by the exponent of Zipf's law that the likeliest tokens follow, and corrects itself by what was chosen. Belongs
 * at the end of a chain, in place of other truncation.
 *
 * Source: S. Basu et al., "Mirostat: A Neural Text Decoding Algorithm that Directly Controls Perplexity", ICLR 2021.
 */
export function mirostat({ tau = 5, eta = 0.1, tokens = 100 }: MirostatOneOptions = {}): SamplerStep {
  checkInteger('tokens', tokens, 2, 10_000)
  return controlled('mirostat', tau, eta, (candidates, most) => {
    const vocabulary = candidates.size
    candidates.sort()
    const { logits } = candidates
    let products = 0
    let squares = 0
    for (let i = 0; i < tokens - 1 && i < candidates.size - 1; i++) {
      // The logarithm of the ratio of two probabilities is the difference of their logits.
      const step = logits[i]! - logits[i + 1]!
      if (!Number.isFinite(step)) break
      const scale = Math.log((i + 2) / (i + 1))
      products += scale * step
      squares += scale * scale
    }
    if (squares === 0) return
    const exponent = products / squares
    const epsilon = exponent - 1
    // At an exponent of 1 the formula is its own limit, ln(vocabulary) below the line.
    const ratio = Math.abs(epsilon) < 1e-6 ? 1 / Math.log(vocabulary) : epsilon / (1 - vocabulary ** -epsilon)
    const kept = (ratio * 2 ** most) ** (1 / exponent)
    candidates.keepTop(kept >= 1 ? Math.min(Math.floor(kept), candidates.size) : 1)
  })
}

/**
 * Mirostat 2.0: takes away tokens of a surprise above a limit, which is corrected by what was chosen. Belongs at the end of a chain, in place of other truncation.
 *
 * Source: as for {@link mirostat}.
 */
export function mirostat2({ tau = 5, eta = 0.1 }: MirostatOptions = {}): SamplerStep {
  return controlled('mirostat2', tau, eta, (candidates, most) => {
    if (!candidates.weigh()) return
    // −log2 p ≤ most; the likeliest token stays in any case.
    const { max: highest, total } = candidates
    candidates.keepFrom(Math.min(highest, Math.fround(highest + Math.log(total) - most * Math.LN2)))
  })
}

/** A step that truncates by a limit of surprise, and corrects the limit by the surprise of what is accepted. */
function controlled(
  name: string,
  tau: number,
  eta: number,
  truncate: (candidates: Candidates, most: number) => void,
  start = 2 * tau,
): SamplerStep {
  checkRange('tau', tau, 0, 100)
  checkRange('eta', eta, 0, 1)
  let most = start
  // What the next token is drawn from, by id; its surprise is known once it is accepted.
  let ids = new Int32Array(0)
  let logits = new Float32Array(0)
  let size = 0
  return {
    name,
    apply(candidates) {
      truncate(candidates, most)
      ;({ size } = candidates)
      if (ids.length < size) {
        ids = new Int32Array(size)
        logits = new Float32Array(size)
      }
      for (let i = 0; i < size; i++) {
        ids[i] = candidates.ids[i]!
        logits[i] = candidates.logits[i]!
      }
    },
    accept(id) {
      const place = indexIn(ids, size, id)
      // A token that was not drawn here, such as the prompt's, says nothing.
      if (place < 0) return
      let max = -Infinity
      for (let i = 0; i < size; i++) max = Math.max(max, logits[i]!)
      let total = 0
      for (let i = 0; i < size; i++) total += Math.exp(logits[i]! - max)
      const surprise = (max + Math.log(total) - logits[place]!) / Math.LN2
      most -= eta * (surprise - tau)
      size = 0
    },
    reset() {
      most = 2 * tau
      size = 0
    },
    clone: () => controlled(name, tau, eta, truncate, most),
    state: () => most,
    restore(state) {
      if (typeof state !== 'number' || Number.isNaN(state))
        throw new SamplingError('STATE', `The state of ${name} must be a number, got ${JSON.stringify(state)}`)
      most = state
      size = 0
    },
  }
}
