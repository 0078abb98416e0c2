import { checkBias, checkIds, checkInteger } from '../check.js'
import { History, remembering } from '../history.js'
import type { SamplerStep } from '../step.js'

/**
 * Bans tokens that would complete a sequence of `size` tokens for the second time.
 *
 * Source: R. Paulus, C. Xiong, R. Socher, "A Deep Reinforced Model for Abstractive Summarization", ICLR 2018, section 2.5.
 *
 * @param size an integer from 1 to 2^20, else `VALUE` is thrown
 */
export function noRepeatNgram(size: number): SamplerStep {
  checkInteger('noRepeatNgram', size, 1, 2 ** 20)
  const make = (history: History): SamplerStep => ({
    name: 'noRepeatNgram',
    needsAll: false,
    apply(candidates) {
      const { length } = history
      for (let at = size - 1; at < length; at++) {
        let same = 1
        while (same < size && history.at(at - same) === history.back(same - 1)) same++
        if (same < size) continue
        const place = candidates.placeOf(history.at(at))
        if (place >= 0) candidates.set(place, -Infinity)
      }
      candidates.reorder()
    },
    ...remembering(history, make),
  })
  return make(new History(Infinity))
}

/**
 * Adds to the logit of the last token of a sequence where the text ends with what comes before it.
 *
 * @param biases sequences of token ids with what is added, below +∞; −∞ makes a sequence impossible. Else `VALUE` is thrown
 */
export function sequenceBias(biases: readonly (readonly [sequence: readonly number[], bias: number])[]): SamplerStep {
  for (const [sequence, bias] of biases) {
    checkIds('sequenceBias', sequence)
    checkBias(`sequenceBias of ${sequence.join(' ')}`, bias)
  }
  return biased('sequenceBias', biases)
}

/**
 * Makes sequences of tokens impossible.
 *
 * @param sequences of token ids, else `VALUE` is thrown. A word has other ids at the beginning of a text than behind a space, so it may take several sequences to ban one
 */
export function badWords(sequences: readonly (readonly number[])[]): SamplerStep {
  for (const sequence of sequences) checkIds('badWords', sequence)
  return biased(
    'badWords',
    sequences.map((sequence) => [sequence, -Infinity] as const),
  )
}

function biased(name: string, biases: readonly (readonly [sequence: readonly number[], bias: number])[]): SamplerStep {
  const make = (history: History): SamplerStep => ({
    name,
    needsAll: false,
    apply(candidates) {
      for (let i = 0; i < biases.length; i++) {
        const sequence = biases[i]![0]
        const before = sequence.length - 1
        let same = 0
        while (same < before && same < history.length && sequence[before - 1 - same] === history.back(same)) same++
        if (same < before) continue
        const bias = biases[i]![1]
        const place = candidates.placeOf(sequence[before]!)
        if (place >= 0) {
          candidates.logits[place]! += bias
          candidates.settle(place)
        } else if (bias > 0) candidates.raiseMissing(sequence[before]!)
      }
      candidates.reorder()
    },
    ...remembering(history, make),
  })
  return make(new History(Math.max(0, ...biases.map(([{ length }]) => length - 1))))
}
