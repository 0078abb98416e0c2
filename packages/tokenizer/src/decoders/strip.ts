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
        const text = content.repeat(held) + fragment.slice(start)
        let end = text.length
        for (held = 0; held < atEnd && end > 0 && text.endsWith(content, end); held++) end -= content.length
        return end === 0 ? [] : [text.slice(0, end)]
      },
      end: () => [],
    }
  }
}
