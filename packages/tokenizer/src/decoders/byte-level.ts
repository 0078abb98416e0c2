import { bytesOf } from '../formats/hf-json/byte-chars.js'
import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { wholeForm } from './runs.js'

/**
 * Makes bytes of the characters that stand for them, and text of the bytes of all tokens. A form with other characters stands for itself. Bytes
 * that are not UTF-8 become U+FFFD.
 */
export class ByteLevelDecoder implements Decoder {
  /** The options mean nothing for decoding and are kept to be written back. */
  constructor(
    private readonly addPrefixSpace: boolean,
    private readonly trimOffsets: boolean,
    private readonly useRegex: boolean,
  ) {}

  fuses(): boolean {
    return true
  }

  start(fused: boolean): DecoderRun {
    // Without ignoreBOM a TextDecoder would swallow U+FEFF.
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
    const encoder = new TextEncoder()
    // Whether a form stands for bytes shows only when it is whole.
    if (fused) return wholeForm((form) => utf8.decode(bytesOf(form) ?? encoder.encode(form)))
    const some = (text: string): readonly string[] => (text === '' ? [] : [text])
    return {
      push: (form) => some(utf8.decode(bytesOf(form) ?? encoder.encode(form), { stream: true })),
      end: () => some(utf8.decode()),
    }
  }

  toJSON(): ComponentJson {
    return {
      type: 'ByteLevel',
      add_prefix_space: this.addPrefixSpace,
      trim_offsets: this.trimOffsets,
      use_regex: this.useRegex,
    }
  }
}
