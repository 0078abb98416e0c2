import type { TextPipeline, TextRun } from './pipeline/components.js'
import type { Vocabulary } from './vocabulary.js'

/** What decoding needs to know of a tokenizer. */
export interface DecodeRules {
  readonly vocabulary: Vocabulary
  readonly specialIds: ReadonlySet<number>
  /** After this id one leading blank is dropped (the blank that encoding puts in front of a text). */
  readonly stripAfter: number | undefined
}

/** A growing byte buffer with the decoding of one token after another. */
export class TokenBytes {
  bytes = new Uint8Array(256)
  length = 0
  private strip = false

  constructor(
    private readonly rules: DecodeRules,
    private readonly skipSpecial: boolean,
  ) {}

  /** Appends what the token stands for. */
  append(id: number, position?: number): void {
    const { vocabulary, specialIds, stripAfter } = this.rules
    vocabulary.check(id, position)
    let start = vocabulary.starts[id]!
    const end = vocabulary.starts[id + 1]!
    const strip = this.strip
    this.strip = id === stripAfter
    if (this.skipSpecial && specialIds.has(id)) return
    if (strip && start < end && vocabulary.bytes[start] === 0x20) start++
    if (this.length + end - start > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length + end - start, this.bytes.length * 2))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    for (let i = start; i < end; i++) this.bytes[this.length++] = vocabulary.bytes[i]!
  }

  /** Forgets everything, also that a beginning was seen. */
  reset(): void {
    this.length = 0
    this.strip = false
  }
}

/** Text as tokens arrive. Each stream has its own, so partial characters never leak from one into another. */
export interface StreamDecoder {
  /** The text that this token completes: often its own, '' while a character is incomplete. */
  push(id: number): string
  /** The end of the stream: U+FFFD for an incomplete character, else ''. The decoder can then begin anew. */
  flush(): string
}

/** A decoder whose pieces joined equal the decoding of all ids at once, wherever they are cut. */
export function createStreamDecoder(rules: DecodeRules, skipSpecial: boolean): StreamDecoder {
  // Without ignoreBOM a TextDecoder would swallow U+FEFF.
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  const token = new TokenBytes(rules, skipSpecial)
  return {
    push(id) {
      token.length = 0
      token.append(id)
      return utf8.decode(token.bytes.subarray(0, token.length), { stream: true })
    },
    flush() {
      token.reset()
      return utf8.decode()
    },
  }
}

/** The same by the decoder of a pipeline. */
export function createPipelineDecoder(pipeline: TextPipeline, skipped: ReadonlySet<number>): StreamDecoder {
  let run: TextRun | undefined
  return {
    push: (id) => (skipped.has(id) ? '' : (run ??= pipeline.startDecoding()).push(id)),
    flush() {
      const rest = run?.end() ?? ''
      run = undefined
      return rest
    },
  }
}
