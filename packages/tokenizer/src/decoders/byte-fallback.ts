import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { wholeForm } from './runs.js'

// A sign is what Rust's parser of numbers takes too.
const written = /^<0x([0-9a-fA-F]{2}|\+[0-9a-fA-F])>$/

/**
 * Makes text of tokens such as `<0xC3>` that stand for a byte. A run of them is text if all its bytes together are UTF-8, and else U+FFFD for each: so a run
 * is held back until it ends.
 */
export class ByteFallback implements Decoder {
  fuses(fused: boolean): boolean {
    return fused
  }

  start(fused: boolean): DecoderRun {
    let bytes: number[] = []
    const flush = (): string[] => {
      if (bytes.length === 0) return []
      const run = Uint8Array.from(bytes)
      bytes = []
      try {
        return [new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(run)]
      } catch {
        return new Array<string>(run.length).fill('\ufffd')
      }
    }
    const push = (form: string): string[] => {
      const byte = written.exec(form)
      if (byte === null) return [...flush(), form]
      bytes.push(parseInt(byte[1]!, 16))
      return []
    }
    if (fused) return wholeForm((form) => [...push(form), ...flush()].join(''))
    return { push, end: flush }
  }

  toJSON(): ComponentJson {
    return { type: 'ByteFallback' }
  }
}
