import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { formByForm } from './runs.js'

/** Takes a character off the ends of forms, up to a number of times. */
export class StripDecoder implements Decoder {
  /** @param content one character */
  constructor(
    private readonly content: string,
    private readonly atStart: number,
    private readonly atEnd: number,
  ) {}

  fuses(fused: boolean): boolean {
    return fused
  }

  start(fused: boolean): DecoderRun {
    return fused ? this.wholeRun() : formByForm((form) => this.strip(form))
  }

  toJSON(): ComponentJson {
    return { type: 'Strip', content: this.content, start: this.atStart, stop: this.atEnd }
  }

  private strip(form: string): string {
    const { content } = this
    let start = 0
    for (let count = 0; count < this.atStart && form.startsWith(content, start); count++) start += content.length
    let end = form.length
    for (let count = 0; count < this.atEnd && end - content.length >= start && form.startsWith(content, end - content.length); count++) {
      end -= content.length
    }
    return form.slice(start, end)
  }

  /** Of one form in fragments: drops what is due at the beginning and holds back what may have to go at the end. */
  private wholeRun(): DecoderRun {
    const { content, atEnd } = this
    let due = this.atStart
    let held = 0
    return {
      push(fragment) {
        let start = 0
        for (; due > 0 && start < fragment.length; due--) {
          if (!fragment.startsWith(content, start)) {
            due = 0
            break
          }
          start += content.length
        }
        let end = fragment.length
        while (end > start && fragment.endsWith(content, end)) end -= content.length
        const trailing = (fragment.length - end) / content.length
        // What was held back turns out to stand inside, but for as much as may still be the end.
        const whole = end > start ? trailing : held + trailing
        const kept = Math.min(whole, atEnd)
        const out = (end > start ? content.repeat(held) + fragment.slice(start, end) : '') + content.repeat(whole - kept)
        held = kept
        return out === '' ? [] : [out]
      },
      end: () => [],
    }
  }
}
