import type { IdList } from '../id-list.js'
import type { GrowingText } from '../pipeline/components.js'
import { Utf8Buffer, type TextModel } from './model.js'
import type { Prefixes } from './prefixes.js'
import { Segments, UNKNOWN, type Segmenter } from './segments.js'

/** A text model that cuts text as it is, with a blank in front of its beginning, and falls back to bytes. */
export class SegmentedText implements TextModel {
  private readonly utf8 = new Utf8Buffer()
  private readonly segments = new Segments()

  private begins: (() => Prefixes) | null | undefined

  /**
   * @param byteIds the id of the token for each byte
   * @param prefixes makes what begins a text that grows; undefined where the vocabulary does not allow it
   */
  constructor(
    private readonly segmenter: Segmenter,
    private readonly byteIds: Int32Array,
    private readonly prefixes: () => (() => Prefixes) | undefined,
  ) {}

  get growing(): GrowingText | undefined {
    const begins = (this.begins ??= this.prefixes() ?? null)
    if (begins === null) return undefined
    return {
      prefixes: begins,
      apart: [],
      normalized: (text) => {
        const length = text === '' ? 0 : this.utf8.write(` ${text}`)
        return this.utf8.bytes.subarray(0, length)
      },
    }
  }

  encode(text: string, out: IdList, atStart: boolean): void {
    if (text.length === 0) return
    const length = this.utf8.write(atStart ? ` ${text}` : text)
    const { bytes } = this.utf8
    const { segments, byteIds } = this
    segments.clear()
    this.segmenter.segment(bytes, length, segments)
    out.reserve(segments.length)
    let begin = 0
    for (let i = 0; i < segments.length; i++) {
      const end = segments.ends[i]!
      if (segments.ids[i] !== UNKNOWN) out.push(segments.ids[i]!)
      else for (let at = begin; at < end; at++) out.push(byteIds[bytes[at]!]!)
      begin = end
    }
    this.utf8.trim()
  }
}
