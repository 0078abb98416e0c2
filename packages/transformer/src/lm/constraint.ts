/** What an answer may be, as a grammar says it, with the reasoning that may come before. */
import type { Matcher, Vocabulary } from '@tesserae/sampling/grammar'
import { TransformerError } from '../errors.js'
import { thinkClose } from './reasoning.js'

export interface ReasoningStart {
  /** Whether the answer begins inside of reasoning. */
  readonly inside: boolean
  /** The token that begins reasoning, where it is one. */
  readonly open: number | undefined
}

/** Follows an answer by one grammar, or by several of which it has to fit one. */
export class Constraint {
  private live: readonly Matcher[]
  private state: 'may-reason' | 'reasoning' | 'answer'
  private readonly bits: Uint32Array
  private readonly more: Uint32Array
  /** The last bytes of reasoning, each as a character. */
  private tail = ''

  constructor(
    matchers: readonly Matcher[],
    private readonly vocabulary: Vocabulary,
    private readonly reasoning: ReasoningStart | undefined,
    private readonly bytesOf: (id: number) => Uint8Array,
  ) {
    this.live = matchers
    this.state =
      reasoning === undefined ? 'answer' : reasoning.inside ? 'reasoning' : reasoning.open === undefined ? 'answer' : 'may-reason'
    this.bits = new Uint32Array(vocabulary.words)
    this.more = new Uint32Array(vocabulary.words)
  }

  /** Puts −∞ in place of the logits of tokens that must not come next. False where none may. */
  apply(logits: Float32Array): boolean {
    if (this.state === 'reasoning') return true
    const { bits, more, live } = this
    live[0]!.mask(bits)
    for (let i = 1; i < live.length; i++) {
      live[i]!.mask(more)
      for (let word = 0; word < bits.length; word++) bits[word]! |= more[word]!
    }
    if (this.state === 'may-reason') {
      const open = this.reasoning!.open!
      bits[open >> 5]! |= 1 << (open & 31)
    }
    let any = 0
    for (let word = 0; word < bits.length; word++) any |= bits[word]!
    if (any === 0) return false
    const size = Math.min(logits.length, this.vocabulary.size)
    for (let id = 0; id < size; id++) if ((bits[id >> 5]! & (1 << (id & 31))) === 0) logits[id] = -Infinity
    logits.fill(-Infinity, size)
    return true
  }

  accept(id: number): void {
    if (this.state === 'may-reason') {
      if (id === this.reasoning!.open) {
        this.state = 'reasoning'
        return
      }
      this.state = 'answer'
    }
    if (this.state === 'reasoning') {
      this.tail = (this.tail + String.fromCharCode(...this.bytesOf(id))).slice(-256)
      if (this.tail.includes(thinkClose)) this.state = 'answer'
      return
    }
    const live = this.live.filter((matcher) => matcher.allows(id))
    if (live.length === 0)
      throw new TransformerError(
        'TOKEN',
        `the sampler chose token ${id}, which the schema or the tools do not allow here; its logit was −∞`,
      )
    this.live = live
    for (const matcher of this.live) matcher.accept(id)
  }
}
