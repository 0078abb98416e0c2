import type { Answer } from './contest.js'

/** What an engine did with many schemas. Times of masks in microseconds, of compiling in milliseconds. */
export class Tally {
  readonly compiled: string[] = []
  readonly refused: string[] = []
  readonly compile: number[] = []
  readonly masks: number[] = []
  readonly again: number[] = []
  readonly accepted: string[] = []
  readonly rejected: string[] = []
  /** Schemas that it was asked about. */
  asked = 0
  valid = 0
  invalid = 0
  unfinished = 0
  slowest = { name: '', microseconds: 0 }
  slowestCompile = { name: '', milliseconds: 0 }

  /** @param valid texts that are valid, which come first in the answer; `invalid` those that are not */
  take(name: string, valid: readonly string[], invalid: readonly string[], answer: Answer): void {
    const { compile, masks = [], again = [], texts = [], refused } = answer
    this.asked++
    if (refused !== undefined) {
      this.refused.push(`${name}: ${refused}`)
      return
    }
    if (compile !== undefined) {
      this.compile.push(compile)
      if (compile > this.slowestCompile.milliseconds) this.slowestCompile = { name, milliseconds: compile }
    }
    this.compiled.push(name)
    for (const one of masks) {
      this.masks.push(one)
      if (one > this.slowest.microseconds) this.slowest = { name, microseconds: one }
    }
    for (const one of again) this.again.push(one)
    texts.forEach(({ accepted, stoppedAt }, i) => {
      const isValid = i < valid.length
      const text = (isValid ? valid[i]! : invalid[i - valid.length]!).slice(0, 80)
      if (accepted === undefined) this.unfinished++
      else {
        if (isValid) this.valid++
        else this.invalid++
        if (isValid && !accepted) this.rejected.push(`${name}: ${text} after ${stoppedAt} tokens`)
        if (!isValid && accepted) this.accepted.push(`${name}: ${text}`)
      }
    })
  }
}

/** The first of a list, for a note. */
export const first = (list: readonly string[], count = 4, length = 160): string =>
  list.length === 0
    ? ''
    : `; first: ${list
        .slice(0, count)
        .map((one) => one.slice(0, length))
        .join(' · ')}`
