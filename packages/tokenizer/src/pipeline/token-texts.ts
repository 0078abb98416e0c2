import { ByteLevelDecoder } from '../decoders/byte-level.js'
import { bytesOf } from '../formats/hf-json/byte-chars.js'
import type { Decoder } from './components.js'
import type { Pipeline } from './pipeline.js'

const byteForm = /^<0x([0-9a-fA-F]{2})>$/

/** What each token of a pipeline adds to a text, as bytes. */
export class TokenTexts {
  private readonly fallsBack: boolean
  private readonly utf8 = new TextEncoder()
  /** What the token behind decodes to. */
  private tail: string | undefined

  constructor(private readonly pipeline: Pipeline) {
    this.fallsBack = JSON.stringify(pipeline.parts.decoder ?? null).includes('"ByteFallback"')
  }

  /** The bytes of a token inside a text, undefined where no token has the id. */
  bytesOf(id: number): Uint8Array | undefined {
    const { decoder } = this.pipeline.parts
    const form = this.pipeline.idToToken(id)
    if (form === undefined) return undefined
    const { utf8 } = this
    if (decoder === undefined) return utf8.encode(form)
    if (decoder instanceof ByteLevelDecoder) return bytesOf(form) ?? utf8.encode(form)
    const byte = this.fallsBack ? byteForm.exec(form) : null
    if (byte !== null) return Uint8Array.of(parseInt(byte[1]!, 16))
    // Between two others, so that what a decoder does at the ends of a text does not show.
    const text = decoded(decoder, [BEFORE, form, AFTER])
    const tail = (this.tail ??= decoded(decoder, [BEFORE, AFTER]).slice(BEFORE.length))
    return utf8.encode(text.startsWith(BEFORE) && text.endsWith(tail) ? text.slice(BEFORE.length, text.length - tail.length) : text)
  }
}

/** Letters of a script that no decoder rewrites. */
const BEFORE = 'ꓐ'
const AFTER = 'ꓑ'

function decoded(decoder: Decoder, forms: readonly string[]): string {
  const run = decoder.start(false)
  return [...forms.flatMap((form) => run.push(form)), ...run.end()].join('')
}
