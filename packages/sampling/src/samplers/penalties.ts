import { checkInteger, checkRange } from '../check.js'
import { History, remembering } from '../history.js'
import type { SamplerStep } from '../step.js'

export interface PenaltyOptions {
  /** Logits of tokens that occurred are divided by this where positive, else multiplied by it. From 0.01 to 1e6; default 1, which changes nothing. */
  readonly repeat?: number
  /** Taken off a logit for each time that the token occurred. From −1e6 to 1e6; default 0. */
  readonly frequency?: number
  /** Taken off the logits of tokens that occurred at all. From −1e6 to 1e6; default 0. */
  readonly presence?: number
  /** How many accepted tokens are looked back at; −1 for all. Default 64. */
  readonly lastN?: number
  /** Of the accepted tokens, how many are the prompt's and do not count. Default 0. */
  readonly prompt?: number
}

/**
 * Makes tokens less likely that were accepted before.
 *
 * Source: N. Keskar et al., "CTRL", arXiv:1909.05858, for `repeat`; OpenAI's API for the other two. The three together are llama.cpp's and vLLM's.
 */
export function penalties(options: PenaltyOptions = {}): SamplerStep {
  const { repeat = 1, frequency = 0, presence = 0, lastN = 64, prompt = 0 } = options
  checkRange('repeat', repeat, 0.01, 1e6)
  checkRange('frequency', frequency, -1e6, 1e6)
  checkRange('presence', presence, -1e6, 1e6)
  checkInteger('lastN', lastN, -1, 2 ** 30)
  checkInteger('prompt', prompt, 0, 2 ** 30)
  const make = (history: History): SamplerStep => ({
    name: 'penalties',
    // What lowers logits cannot bring tokens to the top that were not there.
    needsAll: repeat < 1 || frequency < 0 || presence < 0,
    apply(candidates) {
      const { each } = history
      for (let i = 0; i < each.size; i++) {
        const place = candidates.placeOf(each.idAt(i))
        if (place < 0) continue
        const logit = candidates.logits[place]!
        candidates.logits[place] = (logit > 0 ? logit / repeat : logit * repeat) - each.valueAt(i) * frequency - presence
        candidates.settle(place)
      }
      candidates.reorder()
    },
    ...remembering(history, make),
  })
  return make(new History(lastN === -1 ? Infinity : lastN, prompt))
}
