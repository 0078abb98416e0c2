import type { Candidates } from '../candidates.js'
import { checkInteger, checkRange } from '../check.js'
import { SamplingError } from '../errors.js'
import { History, remembering } from '../history.js'
import type { SamplerStep } from '../step.js'
import { TokenTable } from '../token-table.js'

export interface DryOptions {
  /** What a repetition of the allowed length costs, in logits. From 0 to 1e6; default 0.8, and 0 changes nothing. */
  readonly multiplier?: number
  /** The cost is multiplied by this for each token more. From 1 to 1e3; default 1.75. */
  readonly base?: number
  /** Repetitions shorter than this cost nothing. At least 1; default 2. */
  readonly allowedLength?: number
  /** How many accepted tokens are looked back at; −1 for all. Default −1. */
  readonly lastN?: number
  /** Sequences of tokens that end a repetition: those of line breaks, colons, quotes. No repetition is seen across one, and a breaker of one token is not penalised itself. */
  readonly breakers?: readonly (readonly number[])[]
}

/** Powers stay below the largest float. */
const LARGEST_LOG = 88.7228391

/**
 * Makes tokens less likely that would go on with a sequence that occurred before: the longer the sequence that the text ends with, the more.
 *
 * Source: p-e-w, "DRY: A modern repetition penalty that reliably prevents looping", github.com/oobabooga/text-generation-webui/pull/5677, with llama.cpp's breakers and limits.
 */
export function dry(options: DryOptions = {}): SamplerStep {
  const { multiplier = 0.8, base = 1.75, allowedLength = 2, lastN = -1, breakers = [] } = options
  checkRange('multiplier', multiplier, 0, 1e6)
  checkRange('base', base, 1, 1e3)
  checkInteger('allowedLength', allowedLength, 1, 2 ** 30)
  checkInteger('lastN', lastN, -1, 2 ** 30)
  for (const breaker of breakers)
    if (breaker.length === 0 || breaker.some((id) => !Number.isInteger(id) || id < 0))
      throw new SamplingError('VALUE', `breakers: each is a list of one or more token ids, got ${JSON.stringify(breaker)}`)
  const singles = new Set(breakers.filter(({ length }) => length === 1).map(([id]) => id!))
  const mostSteps = base > 1.000001 ? Math.floor(LARGEST_LOG / Math.log(base)) : Infinity
  const make = (history: History): SamplerStep => {
    let matches = new Int32Array(0)
    const longest = new TokenTable()
    return {
      name: 'dry',
      needsAll: false,
      apply(candidates) {
        const { length } = history
        if (multiplier === 0 || length <= allowedLength) return
        const limit = Math.min(length, lengthSinceBreaker(history, breakers))
        if (limit < allowedLength) return
        if (matches.length < length) matches = new Int32Array(2 * length)
        matchesOfEnd(history, matches)
        longest.clear()
        // The token that came after an earlier occurrence of the text's end would repeat what follows it.
        for (let back = 1; back < length; back++) {
          const found = Math.min(matches[back]!, limit)
          if (found < allowedLength) continue
          const next = history.back(back - 1)
          if (found > longest.get(next)) longest.set(next, found)
        }
        penalise(candidates)
      },
      ...remembering(history, make),
    }

    function penalise(candidates: Candidates): void {
      for (let i = 0; i < longest.size; i++) {
        const id = longest.idAt(i)
        const place = singles.has(id) ? -1 : candidates.placeOf(id)
        if (place < 0) continue
        const cost = multiplier * base ** Math.min(longest.valueAt(i) - allowedLength, mostSteps)
        candidates.logits[place]! -= cost
        candidates.settle(place)
      }
      candidates.reorder()
    }
  }
  return make(new History(lastN === -1 ? Infinity : lastN))
}

/** How many tokens the text has had since the last breaker. */
function lengthSinceBreaker(history: History, breakers: readonly (readonly number[])[]): number {
  if (breakers.length === 0) return history.length
  for (let since = 0; since < history.length; since++)
    for (let i = 0; i < breakers.length; i++) if (endsWith(history, since, breakers[i]!)) return since
  return history.length
}

/** Whether the text without its last `since` tokens ends with some. */
function endsWith(history: History, since: number, ids: readonly number[]): boolean {
  if (ids.length > history.length - since) return false
  for (let i = 0; i < ids.length; i++) if (history.back(since + ids.length - 1 - i) !== ids[i]) return false
  return true
}

/**
 * For each place, counted back from the end, how many tokens before and with it are those that the text ends with. By the Z algorithm, in time linear in the length.
 *
 * Source: D. Gusfield, "Algorithms on Strings, Trees and Sequences", 1997, section 1.4.
 */
function matchesOfEnd(history: History, matches: Int32Array): void {
  const { length } = history
  let left = 0
  let right = 0
  for (let i = 1; i < length; i++) {
    let known = i < right ? Math.min(right - i, matches[i - left]!) : 0
    while (i + known < length && history.back(known) === history.back(i + known)) known++
    matches[i] = known
    if (i + known > right) {
      left = i
      right = i + known
    }
  }
}
