import { TokenizerError } from '../errors.js'
import { Memo } from './memo.js'
import { Op, UNLIMITED, type Program } from './program.js'

/** All loops have moved since their round began. */
const MOVED = 0xff
/** Steps for each position that a search may take before it remembers outcomes. Ordinary patterns on ordinary text stay below. */
const STEPS_PER_UNIT = 64
const FREE_STEPS = 4096
/** Words of the stack: 256 MB. */
const MAX_STACK = 2 ** 26
/** Words of an entry: instruction, position, state of the loops, and what is left to try. */
const ENTRY = 4
/** What is left of a split: its second way, or nothing, when the entry only says that it lies on the path. */
const OPEN = 0
const TAKEN = -1
/** How a program is run: as the whole expression, as an assertion, or as an atomic group, whose end matters. */
const WHOLE = 0
const WHETHER = 1
const WHERE = 2
type Mode = typeof WHOLE | typeof WHETHER | typeof WHERE
/** What is remembered of an instruction. */
const UNKNOWN = 0
const FAILED = 1
const SUCCEEDED = 2

/**
 * Searches one text for one program, from left to right, by backtracking with a memory: without backreferences, what an instruction comes to at a
 * position does not depend on how it was reached, so nothing need be tried twice. A whole scan takes time in proportion to states times length.
 *
 * Three things keep that true. What failed is remembered across places to begin. Assertions and atomic groups are programs of their own whose
 * outcomes are remembered both ways, along the whole path of a success. And a run of a set passes over what a longer run has tried already.
 * Memory is only kept once a search has taken more steps than an ordinary one does.
 */
export class Matcher {
  /** Where the last match found begins and ends. */
  start = -1
  end = -1
  private readonly classes: Uint8Array | Uint16Array
  private readonly memo: Memo
  private stack = new Int32Array(256)
  private top = 0
  /** Units of work so far: instructions that choose, characters that runs pass over, choices taken back, outcomes written along a success. */
  steps = 0
  private allowed = FREE_STEPS
  private remembering: boolean

  /** @param alwaysRemembering whether to remember outcomes from the beginning; only tests have a reason to */
  constructor(
    private readonly program: Program,
    private readonly text: string,
    alwaysRemembering = false,
  ) {
    this.remembering = alwaysRemembering
    this.classes = program.alphabet.classify(text)
    this.memo = new Memo(program.memos, program.endCount)
  }

  /** Finds the first match at or behind `from`, which never goes back from one call to the next. */
  find(from: number): boolean {
    const { classes, program, memo } = this
    const { entries, behind } = program
    for (let at = from; at <= this.text.length; at++) {
      const entry = entries[classes[at]!]!
      if (entry < 0) continue
      this.allowed = FREE_STEPS + STEPS_PER_UNIT * at
      // Assertions look back a little, in characters of up to two units.
      if (this.remembering) memo.forgetBefore(at - 2 * behind)
      const end = this.run(entry, at, WHOLE)
      if (end < 0) continue
      // What lies on the path of the match counts as tried though it did not fail; of that only what stands at its end can be met again.
      if (this.remembering) memo.clear(end)
      this.start = at
      this.end = end
      return true
    }
    return false
  }

  /** Runs from an instruction at a position: the position behind the match, or −1. */
  private run(pc: number, at: number, mode: Mode): number {
    const { classes, program } = this
    const { ops, next, a, b, viable, alphabet } = program
    const { members, stride, half } = alphabet
    const base = this.top
    let loops = MOVED
    for (;;) {
      // Cases that succeed leave the switch to go on at `next`; those that go elsewhere continue; the others set `failed`.
      let failed = false
      switch (ops[pc]) {
        case Op.Match:
          return this.succeed(base, at, mode)
        case Op.Set:
          if (members[a[pc]! + classes[at]!] === 0) {
            failed = true
            break
          }
          at++
          if (classes[at] === half) at++
          loops = MOVED
          break
        case Op.SetBehind:
          if (!this.memberBehind(a[pc]!, at)) {
            failed = true
            break
          }
          at -= classes[at - 1] === half ? 2 : 1
          loops = MOVED
          break
        case Op.Peek:
          failed = members[a[pc]! + classes[at]!] !== b[pc]
          break
        case Op.PeekBehind:
          failed = this.memberBehind(a[pc]!, at) !== (b[pc] === 1)
          break
        case Op.Split: {
          this.step(1)
          if (this.remembering) {
            const known = this.meet(pc, at, loops)
            if (known === SUCCEEDED) return this.succeed(base, this.endOf(pc, at, loops, mode), mode)
            failed = known === FAILED
            if (failed) break
          }
          const kind = classes[at]!
          const first = viable[next[pc]! * stride + kind]
          const second = viable[b[pc]! * stride + kind]
          if (second === 0) {
            failed = first === 0
            if (!failed && this.remembering && mode !== WHOLE) this.push(pc, at, loops, TAKEN)
            break
          }
          if (first === 1) {
            this.push(pc, at, loops, OPEN)
            break
          }
          if (this.remembering && mode !== WHOLE) this.push(pc, at, loops, TAKEN)
          pc = b[pc]!
          continue
        }
        case Op.Run: {
          if (this.remembering) {
            const known = this.meet(pc, at, loops)
            if (known === SUCCEEDED) return this.succeed(base, this.endOf(pc, at, loops, mode), mode)
            failed = known === FAILED
            if (failed) break
          }
          const far = this.runEnd(pc, at)
          if (far < 0) {
            // From there on the run is known to succeed, and so it does from here.
            const end = this.endOf(pc, -far, MOVED, mode)
            this.recordRun(pc, at, -far - 1, loops, end, mode)
            return this.succeed(base, end, mode)
          }
          if (this.remembering) {
            // The way back takes the longest first, and remembers.
            this.push(pc, at, loops, far)
            failed = true
            break
          }
          const row = next[pc]! * stride
          let place = far
          while (place >= at && viable[row + classes[place]!] === 0)
            place = place === at ? -1 : place - (classes[place - 1] === half ? 2 : 1)
          if (place > at) {
            this.push(pc, at, loops, place - (classes[place - 1] === half ? 2 : 1))
            at = place
            loops = MOVED
          } else failed = place < at
          break
        }
        case Op.Possessive: {
          const end = this.possessiveEnd(pc, at)
          if (end > at) loops = MOVED
          at = end
          break
        }
        case Op.Look:
          failed = this.holds(pc, at) !== (b[pc] === 1)
          break
        case Op.Atomic: {
          const end = this.atomicEnd(pc, at)
          failed = end < 0
          if (end > at) loops = MOVED
          at = end
          break
        }
        case Op.LoopStart:
          loops &= ~(1 << a[pc]!)
          break
        case Op.LoopEnd:
          if ((loops & (1 << a[pc]!)) === 0) {
            pc = b[pc]!
            continue
          }
          break
      }
      if (!failed) {
        pc = next[pc]!
        continue
      }

      // Back to the last choice that has something left.
      for (;;) {
        if (this.top === base) return -1
        const { stack } = this
        this.steps++
        const entry = this.top - ENTRY
        pc = stack[entry]!
        const low = stack[entry + 1]!
        loops = stack[entry + 2]!
        const left = stack[entry + 3]!
        const keep = this.remembering && mode !== WHOLE
        if (ops[pc] === Op.Split) {
          if (left === TAKEN) {
            this.top = entry
            continue
          }
          if (keep) stack[entry + 3] = TAKEN
          else this.top = entry
          pc = b[pc]!
          at = low
          break
        }
        const row = next[pc]! * stride
        let place = left
        while (place >= low && viable[row + classes[place]!] === 0) {
          if (this.remembering) this.markTried(pc, place, low, loops)
          place = place === low ? -1 : place - (classes[place - 1] === half ? 2 : 1)
        }
        if (place < low) {
          this.top = entry
          continue
        }
        if (this.remembering) this.markTried(pc, place, low, loops)
        if (place > low) stack[entry + 3] = place - (classes[place - 1] === half ? 2 : 1)
        else if (keep) stack[entry + 3] = -1
        else this.top = entry
        if (place > low) loops = MOVED
        pc = next[pc]!
        at = place
        break
      }
    }
  }

  /** The match ends: what is on the path succeeded too. */
  private succeed(base: number, end: number, mode: Mode): number {
    if (this.remembering && mode !== WHOLE) {
      const { stack, classes, program } = this
      for (let entry = base; entry < this.top; entry += ENTRY) {
        const pc = stack[entry]!
        const at = stack[entry + 1]!
        const left = stack[entry + 3]!
        if (program.ops[pc] === Op.Split) this.record(pc, at, stack[entry + 2]!, end, mode)
        else {
          // The place under trial is the one behind what is left.
          const place = left < at ? at : left + (classes[left + 1] === program.alphabet.half ? 2 : 1)
          this.recordRun(pc, at, place, stack[entry + 2]!, end, mode)
        }
      }
    }
    this.top = base
    return end
  }

  private step(count: number): void {
    this.steps += count
    if (this.steps > this.allowed) this.remembering = true
  }

  private push(pc: number, at: number, loops: number, left: number): void {
    if (this.top + ENTRY > this.stack.length) this.growStack()
    const { stack, top } = this
    stack[top] = pc
    stack[top + 1] = at
    stack[top + 2] = loops
    stack[top + 3] = left
    this.top = top + ENTRY
  }

  private growStack(): void {
    if (this.stack.length >= MAX_STACK) {
      throw new TokenizerError(
        'UNSUPPORTED',
        `The regular expression needs more than ${MAX_STACK * 4} bytes to keep its choices in a text of ${this.text.length} characters; cut the text`,
      )
    }
    const grown = new Int32Array(this.stack.length * 2)
    grown.set(this.stack)
    this.stack = grown
  }

  private memberBehind(set: number, at: number): boolean {
    if (at === 0) return false
    const { classes } = this
    const { members, half } = this.program.alphabet
    const kind = classes[at - 1]!
    return members[set + (kind === half ? classes[at - 2]! : kind)] === 1
  }

  /** What is remembered of an instruction here; when nothing is, that it is tried now. */
  private meet(pc: number, at: number, loops: number): number {
    const outcome = this.outcome(pc, loops)
    if (!this.memo.tried(outcome, at)) {
      this.memo.setTried(outcome, at)
      return UNKNOWN
    }
    return this.memo.succeeded(outcome, at) ? SUCCEEDED : FAILED
  }

  private outcome(pc: number, loops: number): number {
    return this.program.memo[pc]! + (loops & this.program.memoMask[pc]!)
  }

  private endOf(pc: number, at: number, loops: number, mode: Mode): number {
    return mode === WHERE ? this.memo.end(this.program.ends[pc]! + (loops & this.program.memoMask[pc]!), at) : at
  }

  private record(pc: number, at: number, loops: number, end: number, mode: Mode): void {
    this.memo.setSucceeded(this.outcome(pc, loops), at)
    if (mode === WHERE) this.memo.setEnd(this.program.ends[pc]! + (loops & this.program.memoMask[pc]!), at, end)
  }

  /** A run that began at `low` and succeeded giving back to `place` does so wherever it begins in between. */
  private recordRun(pc: number, low: number, place: number, loops: number, end: number, mode: Mode): void {
    this.record(pc, low, loops, end, mode)
    if (this.program.b[pc] !== UNLIMITED) return
    this.steps += place - low
    for (let at = low + 1; at <= place; at++) this.record(pc, at, MOVED, end, mode)
  }

  /** A run that gives back as far as `place` has tried all that it could from there. */
  private markTried(pc: number, place: number, low: number, loops: number): void {
    if (place === low || this.program.b[pc] === UNLIMITED) this.memo.setTried(this.outcome(pc, place === low ? loops : MOVED), place)
  }

  /** The end of the run that begins at `from`, short of what a longer run has tried in vain; minus where one is known to succeed. */
  private runEnd(pc: number, from: number): number {
    const { classes, program, memo } = this
    const { members, half } = program.alphabet
    const set = program.a[pc]!
    const most = program.b[pc]!
    let at = from
    if (most !== UNLIMITED) {
      for (let count = 0; count < most && members[set + classes[at]!] === 1; count++) {
        at++
        if (classes[at] === half) at++
      }
    } else if (!this.remembering) {
      while (members[set + classes[at]!] === 1) at++
    } else {
      const outcome = this.outcome(pc, MOVED)
      let last = at
      while (members[set + classes[at]!] === 1) {
        at++
        if (classes[at] === half) at++
        if (memo.tried(outcome, at)) {
          if (memo.succeeded(outcome, at)) return -at
          at = last
          break
        }
        last = at
      }
    }
    this.step(at - from)
    return at
  }

  private possessiveEnd(pc: number, from: number): number {
    const { classes, program, memo } = this
    const { members, half } = program.alphabet
    const set = program.a[pc]!
    const most = program.b[pc]!
    let at = from
    if (most !== UNLIMITED) {
      for (let count = 0; count < most && members[set + classes[at]!] === 1; count++) {
        at++
        if (classes[at] === half) at++
      }
    } else if (!this.remembering) {
      while (members[set + classes[at]!] === 1) at++
    } else {
      const index = program.ends[pc]!
      let end = memo.end(index, at)
      if (end >= 0) return end
      while (members[set + classes[at]!] === 1) {
        at++
        end = memo.end(index, at)
        if (end >= 0) break
      }
      if (end < 0) end = at
      for (let place = from; place <= at; place++) memo.setEnd(index, place, end)
      this.step(at - from)
      return end
    }
    this.step(at - from)
    return at
  }

  /** Whether an assertion's program matches. */
  private holds(pc: number, at: number): boolean {
    const outcome = this.program.memo[pc]!
    if (this.remembering && this.memo.tried(outcome, at)) return this.memo.succeeded(outcome, at)
    const end = this.run(this.program.a[pc]!, at, WHETHER)
    if (this.remembering) {
      if (end >= 0) this.memo.setSucceeded(outcome, at)
      else this.memo.setTried(outcome, at)
    }
    return end >= 0
  }

  /** Where an atomic group ends, or −1. */
  private atomicEnd(pc: number, at: number): number {
    const outcome = this.program.memo[pc]!
    const index = this.program.ends[pc]!
    if (this.remembering && this.memo.tried(outcome, at)) return this.memo.succeeded(outcome, at) ? this.memo.end(index, at) : -1
    const end = this.run(this.program.a[pc]!, at, WHERE)
    if (this.remembering) {
      if (end < 0) this.memo.setTried(outcome, at)
      else {
        this.memo.setSucceeded(outcome, at)
        this.memo.setEnd(index, at, end)
      }
    }
    return end
  }
}

/**
 * Calls `match` with start and end of every match, from left to right. A match may be empty, though not where the last one ended; there the search
 * goes on a character later, as in the engines that are followed.
 */
export function forEachMatch(program: Program, text: string, match: (start: number, end: number) => void, alwaysRemembering = false): void {
  const matcher = new Matcher(program, text, alwaysRemembering)
  let from = 0
  let lastEnd = -1
  while (matcher.find(from)) {
    const { start, end } = matcher
    if (start === end && end === lastEnd) {
      from = end + 1
      continue
    }
    match(start, end)
    from = lastEnd = end
  }
}
