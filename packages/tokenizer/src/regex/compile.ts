import { TokenizerError } from '../errors.js'
import { Alphabet } from './alphabet.js'
import type { CodeSet } from './code-set.js'
import { Op, UNLIMITED, type Program } from './program.js'
import { isNullable, lookBehind, type Syntax } from './syntax.js'
import { entriesOf, viability } from './viability.js'

/** A program with more steps than this is refused: time and memory grow with it. Real patterns have a few dozen. */
const MAX_STATES = 2000
/** So many of them may come from counts such as `{1,100}`, which make a search try them all at every place. */
const MAX_COUNTED = 256
/** Places where a search may go on in several ways, each of which may be tried at every place of a text. */
const MAX_CHOICES = 128
/** Loops within loops whose body may match nothing; each doubles what there is to remember inside it. */
const MAX_EMPTY_LOOPS = 5

/** What is known where an instruction is put. */
interface Place {
  /** Against the direction of reading: inside a look-behind. */
  readonly backward: boolean
  /** Loops around it whose body may match nothing. */
  readonly loops: number
  /** Inside an atomic group, where ends of matches are remembered. */
  readonly atomic: boolean
}

/**
 * The program of a regular expression. Counts are written out, so that what can happen at a position depends on the instruction alone; that is
 * what lets a matcher remember it.
 *
 * @throws TokenizerError `UNSUPPORTED` when the program would be too large, or needs what cannot be run backward
 */
export function compileSyntax(syntax: Syntax, where: string): Program {
  return new Compiler(where).compile(syntax)
}

class Compiler {
  private readonly ops: number[] = []
  private readonly next: number[] = []
  private readonly a: number[] = []
  private readonly b: number[] = []
  private readonly memo: number[] = []
  private readonly memoMask: number[] = []
  private readonly ends: number[] = []
  private readonly sets: CodeSet[] = []
  private readonly setIds = new Map<string | CodeSet, number>()
  private memos = 0
  private endCount = 0
  private weight = 0
  private counted = 0
  private choices = 0
  private inCount = false

  constructor(private readonly where: string) {}

  compile(syntax: Syntax): Program {
    const place: Place = { backward: false, loops: 0, atomic: false }
    const start = this.node(syntax, this.emit(Op.Match, -1, 0, 0, place), place)
    const alphabet = new Alphabet(this.sets)
    const ofSet = new Set<number>([Op.Set, Op.SetBehind, Op.Run, Op.Possessive, Op.Peek, Op.PeekBehind])
    const program = {
      alphabet,
      ops: Uint8Array.from(this.ops),
      next: Int32Array.from(this.next),
      a: Int32Array.from(this.a, (value, pc) => (ofSet.has(this.ops[pc]!) ? value * alphabet.stride : value)),
      b: Int32Array.from(this.b),
      memo: Int32Array.from(this.memo),
      memoMask: Uint8Array.from(this.memoMask),
      memos: this.memos,
      ends: Int32Array.from(this.ends),
      endCount: this.endCount,
      behind: lookBehind(syntax),
    }
    const viable = viability(program)
    return { ...program, viable, entries: entriesOf(program, viable, start) }
  }

  private refuse(what: string): TokenizerError {
    return new TokenizerError('UNSUPPORTED', `${this.where}: ${what}`)
  }

  private setId(set: CodeSet): number {
    // The same set mostly is the same array; joining large ones takes time.
    const key = set.length > 16 ? set : set.join()
    let id = this.setIds.get(key)
    if (id === undefined) {
      id = this.sets.length
      this.setIds.set(key, id)
      this.sets.push(set)
      if (id > 5000) throw this.refuse('the regular expression tells more than 5000 sets of characters apart')
    }
    return id
  }

  private emit(op: number, next: number, a: number, b: number, place: Place): number {
    const pc = this.ops.length
    this.weight++
    if (this.weight > MAX_STATES) {
      throw this.refuse(`the regular expression has more than ${MAX_STATES} states when its counts are written out`)
    }
    this.ops.push(op)
    this.next.push(next)
    this.a.push(a)
    this.b.push(b)
    const remembers = op === Op.Split || op === Op.Run || op === Op.Look || op === Op.Atomic
    this.memo.push(remembers ? this.memos : -1)
    this.memoMask.push(remembers ? (1 << place.loops) - 1 : 0)
    if (remembers) this.memos += 1 << place.loops
    if (remembers && op !== Op.Split) this.choices += 1 << place.loops
    if (this.choices > MAX_CHOICES) throw this.refuse(`the regular expression has more than ${MAX_CHOICES} repetitions and assertions`)
    const hasEnd = op === Op.Atomic || (op === Op.Possessive && b === UNLIMITED) || (place.atomic && remembers)
    this.ends.push(hasEnd ? this.endCount : -1)
    if (hasEnd) this.endCount += remembers ? 1 << place.loops : 1
    return pc
  }

  /** The instruction where `syntax`, then what is at `next`, begins. */
  private node(syntax: Syntax, next: number, place: Place): number {
    switch (syntax.type) {
      case 'set':
        return this.emit(place.backward ? Op.SetBehind : Op.Set, next, this.setId(syntax.set), 0, place)
      case 'sequence': {
        const before = (following: number, item: Syntax): number => this.node(item, following, place)
        return place.backward ? syntax.items.reduce(before, next) : syntax.items.reduceRight(before, next)
      }
      case 'choice':
        return syntax.items
          .slice(0, -1)
          .reduceRight(
            (others, item) => this.emit(Op.Split, this.node(item, next, place), 0, others, place),
            this.node(syntax.items.at(-1)!, next, place),
          )
      case 'repeat':
        return this.repeat(syntax, next, place)
      case 'atomic':
        return this.atomic(syntax.body, next, place)
      case 'look':
        return this.look(syntax, next, place)
    }
  }

  private look({ body, behind, negative }: Syntax & { type: 'look' }, next: number, place: Place): number {
    const wanted = negative ? 0 : 1
    if (body.type === 'set') return this.emit(behind ? Op.PeekBehind : Op.Peek, next, this.setId(body.set), wanted, place)
    const inner: Place = { backward: behind, loops: 0, atomic: false }
    const start = this.node(body, this.emit(Op.Match, -1, 0, 0, inner), inner)
    return this.emit(Op.Look, next, start, wanted, place)
  }

  private atomic(body: Syntax, next: number, place: Place): number {
    // What can match in one way only is atomic as it is.
    if (body.type === 'set') return this.node(body, next, place)
    if (place.backward) throw this.refuse('atomic groups and possessive quantifiers in a look-behind are not supported')
    const inner: Place = { backward: false, loops: 0, atomic: true }
    const start = this.node(body, this.emit(Op.Match, -1, 0, 0, inner), inner)
    return this.emit(Op.Atomic, next, start, 0, place)
  }

  private repeat(syntax: Syntax & { type: 'repeat' }, next: number, place: Place): number {
    const { min, max } = syntax
    if (max === 0) return next
    if (this.inCount || (min <= 1 && (max === 1 || max === Infinity))) return this.rounds(syntax, next, place)
    const before = this.weight
    this.inCount = true
    const start = this.rounds(syntax, next, place)
    this.inCount = false
    this.counted += this.weight - before
    if (this.counted > MAX_COUNTED) {
      throw this.refuse(
        `the regular expression has ${this.counted} states from counts when these are written out, more than ${MAX_COUNTED}`,
      )
    }
    return start
  }

  private rounds(syntax: Syntax & { type: 'repeat' }, next: number, place: Place): number {
    const { body, min, mode } = syntax
    if (mode === 'possessive' && (body.type !== 'set' || place.backward)) {
      return this.atomic({ ...syntax, mode: 'greedy' }, next, place)
    }
    // What comes at least `min` times comes first; in a possessive run that is as good.
    let start = this.optional(syntax, next, place)
    for (let i = 0; i < min; i++) start = this.node(body, start, place)
    return start
  }

  /** What may follow the rounds that there must be. */
  private optional({ body, min, max, mode }: Syntax & { type: 'repeat' }, next: number, place: Place): number {
    const more = max === Infinity ? UNLIMITED : max - min
    if (more === 0) return next
    if (body.type === 'set' && mode !== 'lazy' && !place.backward) {
      if (more !== UNLIMITED) this.weight += more
      return this.emit(mode === 'greedy' ? Op.Run : Op.Possessive, next, this.setId(body.set), more, place)
    }
    const split = (inside: number, outside: number): number =>
      mode === 'lazy' ? this.emit(Op.Split, outside, 0, inside, place) : this.emit(Op.Split, inside, 0, outside, place)
    if (more !== UNLIMITED) {
      let start = next
      for (let i = 0; i < more; i++) start = split(this.node(body, start, place), next)
      return start
    }
    const head = split(next, next)
    let inside: number
    if (isNullable(body)) {
      if (place.loops === MAX_EMPTY_LOOPS) {
        throw this.refuse(`more than ${MAX_EMPTY_LOOPS} loops within each other whose body may match nothing`)
      }
      const end = this.emit(Op.LoopEnd, head, place.loops, next, place)
      inside = this.emit(Op.LoopStart, this.node(body, end, { ...place, loops: place.loops + 1 }), place.loops, 0, place)
    } else inside = this.node(body, head, place)
    if (mode === 'lazy') this.b[head] = inside
    else this.next[head] = inside
    return head
  }
}
