import { AbortedError, throwIfAborted } from '@tesserae/core'
import { Candidates } from '../candidates.js'
import { checkIds, checkInteger, checkRange } from '../check.js'
import { SamplingError } from '../errors.js'
import type { SamplerStep } from '../step.js'

/** A text that is being continued. */
export interface Beam {
  /** Which of the beams of the call before it continues; 0 in the first call, which has one beam, the prompt. */
  readonly parent: number
  /** What was generated so far. */
  readonly ids: readonly number[]
  /** Σ ln p of `ids`, with what steps made of it. */
  readonly score: number
}

/** A text that has ended. */
export interface BeamResult {
  readonly ids: readonly number[]
  /** Σ ln p of the text, what its last token is included. */
  readonly logprob: number
  /** `logprob` divided by length^lengthPenalty, by which results are ordered. */
  readonly score: number
  /** Whether it ended with one of the stop tokens, and not because of its length. */
  readonly stopped: boolean
}

export interface BeamSearchOptions {
  /**
   * Gives the logits of the next token for each beam. A cache of keys and values is reordered by the beams' `parent` before their last tokens are added to it. Logits are read before the next call.
   */
  readonly logits: (beams: readonly Beam[]) => readonly ArrayLike<number>[] | Promise<readonly ArrayLike<number>[]>
  /** Texts that are continued at a time. From 1 to 1,024; default 4. */
  readonly beams?: number
  /** Tokens of a text at most. */
  readonly maxTokens: number
  /** Tokens that end a text. Default none. */
  readonly stop?: readonly number[]
  /** How many results are wanted. From 1 to `beams`; default 1. */
  readonly count?: number
  /** The exponent of the length that scores are divided by: above 0 long texts gain, below 0 short ones. From −100 to 100; default 1. */
  readonly lengthPenalty?: number
  /**
   * When to end, once there are as many results as beams. `true`: at once. `false`: when the best beam is no better than the worst result at the present length. `'never'`: when it could not be better at any
   * length. Default false.
   */
  readonly earlyStopping?: boolean | 'never'
  /**
   * Parts of the beams that are searched one after another at each step, a divisor of `beams`; default 1. Source of diverse search: A. Vijayakumar et al., "Diverse Beam Search", AAAI 2018.
   */
  readonly groups?: number
  /** What a token costs a group for each beam of earlier groups that has just taken it, in ln p. From 0 to 1e6; default 0. */
  readonly diversity?: number
  /**
   * Steps that change or exclude log-probabilities, a grammar for example; each beam has copies of its own. They are not normalised afterwards. Steps that look back must implement `clone`.
   */
  readonly steps?: readonly SamplerStep[]
  readonly signal?: AbortSignal
  /** Told after each step: the tokens generated so far, and the results. */
  readonly onStep?: (progress: { readonly tokens: number; readonly results: number }) => void
}

interface Running extends Beam {
  readonly steps: readonly SamplerStep[]
}

interface Continuation {
  readonly beam: number
  readonly id: number
  readonly score: number
}

/** The beams of one group, and its results so far, the best first. */
class Group {
  running: Running[]
  results: BeamResult[] = []
  done = false

  constructor(
    readonly beams: number,
    start: Running,
  ) {
    this.running = [start]
  }

  /** Keeps the best as many as there are beams. */
  add(result: BeamResult): void {
    this.results.push(result)
    this.results.sort((a, b) => b.score - a.score)
    if (this.results.length > this.beams) this.results.length = this.beams
  }
}

/**
 * Searches for the most likely texts, by continuing the best of them at a time. Plain, diverse (`groups`) and constrained (`steps`). Which beams go on, when a text has ended and when the search ends are as in Hugging
 * Face's library.
 *
 * @returns the best `count` texts, the best first; fewer where there are no more
 * @throws SamplingError `VALUE` for options out of range, `LOGITS` for logits that are none; AbortedError when the signal aborts
 * @example
 * const [best] = await beamSearch({ logits: (beams) => beams.map(({ ids }) => model(ids)), beams: 4, maxTokens: 20, stop: [2] })
 */
export async function beamSearch(options: BeamSearchOptions): Promise<BeamResult[]> {
  const settings = checked(options)
  const { groups, signal, maxTokens, steps, onStep, count } = settings
  const candidates = new Candidates()
  const start = { parent: 0, ids: [], score: 0, steps }
  const all = Array.from({ length: groups }, () => new Group(settings.beams / groups, start))
  for (let length = 1; length <= maxTokens && all.some(({ done }) => !done); length++) {
    throwIfAborted(signal, 'beamSearch')
    const asked = all.filter(({ done }) => !done)
    // At first all groups ask for the same.
    const beams = length === 1 ? [start] : asked.flatMap(({ running }) => running)
    const logits = await settings.logits(beams.map(({ parent, ids, score }) => ({ parent, ids, score })))
    if (signal?.aborted === true) throw new AbortedError('beamSearch was aborted by its signal', { cause: signal.reason })
    if (logits.length !== beams.length)
      throw new SamplingError('LOGITS', `beamSearch asked for the logits of ${beams.length} beams and was given ${logits.length}`)
    const taken = new Map<number, number>()
    let first = 0
    for (const group of asked) {
      const own = length === 1 ? 0 : first
      first += group.running.length
      advance(group, logits, own, length, taken, candidates, settings)
    }
    // Parents are places among the beams of this call; those of the next call stand group by group.
    onStep?.({ tokens: length, results: all.reduce((sum, { results }) => sum + results.length, 0) })
  }
  return all
    .flatMap(({ results }) => results)
    .sort((a, b) => b.score - a.score)
    .slice(0, count)
}

function advance(
  group: Group,
  logits: readonly ArrayLike<number>[],
  first: number,
  length: number,
  taken: Map<number, number>,
  candidates: Candidates,
  { stop, maxTokens, lengthPenalty, earlyStopping, diversity }: Settings,
): void {
  // So many that enough are left when those that end a text are taken out.
  const wanted = Math.max(2, 1 + stop.size) * group.beams
  const found = group.running
    .flatMap((beam, i) => continuations(beam, i, logits[first + i]!, wanted, taken, diversity, candidates))
    .sort((a, b) => b.score - a.score)
    .slice(0, wanted)
  const next: Running[] = []
  found.forEach(({ beam, id, score }, rank) => {
    const { ids, steps } = group.running[beam]!
    const stopped = stop.has(id)
    if (stopped || length === maxTokens) {
      // Those beyond the beams are only there to go on with.
      if (rank < group.beams) group.add({ ids: [...ids, id], logprob: score, score: score / length ** lengthPenalty, stopped })
      return
    }
    if (next.length === group.beams) return
    const own = steps.map((step) => step.clone?.() ?? step)
    for (const step of own) step.accept?.(id)
    next.push({ parent: first + beam, ids: [...ids, id], score, steps: own })
  })
  for (const { ids } of next) taken.set(ids.at(-1)!, (taken.get(ids.at(-1)!) ?? 0) + 1)
  group.running = next
  const best = next[0]
  if (best === undefined) group.done = true
  else if (group.results.length === group.beams) {
    const bestLength = earlyStopping === 'never' && lengthPenalty > 0 ? maxTokens : length
    group.done = earlyStopping === true || best.score / bestLength ** lengthPenalty <= group.results.at(-1)!.score
  }
}

/** The best continuations of one beam. */
function continuations(
  { score, steps }: Running,
  beam: number,
  logits: ArrayLike<number>,
  wanted: number,
  taken: ReadonlyMap<number, number>,
  diversity: number,
  candidates: Candidates,
): Continuation[] {
  candidates.begin(logits)
  candidates.weigh()
  const offset = candidates.max + Math.log(candidates.total)
  // No token at all is left where the model excludes every one.
  if (Number.isNaN(offset)) return []
  for (let i = 0; i < candidates.size; i++) {
    candidates.logits[i]! -= offset
    candidates.settle(i)
  }
  for (const step of steps) step.apply(candidates)
  if (diversity > 0) {
    for (const [id, count] of taken) {
      const place = candidates.placeOf(id)
      if (place < 0) continue
      candidates.logits[place]! -= diversity * count
      candidates.settle(place)
    }
    candidates.reorder()
  }
  candidates.keepTop(wanted)
  return Array.from({ length: candidates.size }, (_, i) => ({ beam, id: candidates.ids[i]!, score: score + candidates.logits[i]! })).filter(
    (one) => one.score > -Infinity,
  )
}

interface Settings extends Required<Omit<BeamSearchOptions, 'stop' | 'signal' | 'onStep'>> {
  readonly stop: ReadonlySet<number>
  readonly signal: AbortSignal | undefined
  readonly onStep: BeamSearchOptions['onStep']
}

function checked(options: BeamSearchOptions): Settings {
  const { beams = 4, stop = [], count = 1, lengthPenalty = 1, earlyStopping = false, groups = 1, diversity = 0, steps = [] } = options
  checkInteger('beams', beams, 1, 1024)
  checkInteger('maxTokens', options.maxTokens, 1, 2 ** 30)
  checkIds('stop', stop, true)
  checkInteger('count', count, 1, beams)
  checkRange('lengthPenalty', lengthPenalty, -100, 100)
  if (earlyStopping !== true && earlyStopping !== false && earlyStopping !== 'never')
    throw new SamplingError('VALUE', `earlyStopping must be true, false or 'never', got ${JSON.stringify(earlyStopping)}`)
  checkInteger('groups', groups, 1, beams)
  if (beams % groups !== 0) throw new SamplingError('VALUE', `groups must divide beams, got ${groups} groups of ${beams} beams`)
  checkRange('diversity', diversity, 0, 1e6)
  for (const { name, accept, clone } of steps)
    if (accept !== undefined && clone === undefined)
      throw new SamplingError('VALUE', `The step ${name} looks back and has no clone(), which beams need copies by`)
  return {
    ...options,
    beams,
    stop: new Set(stop),
    count,
    lengthPenalty,
    earlyStopping,
    groups,
    diversity,
    steps,
    signal: options.signal,
    onStep: options.onStep,
  }
}
