import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { chained } from './runs.js'

/** One decoder after another. */
export class DecoderSequence implements Decoder {
  constructor(private readonly decoders: readonly Decoder[]) {}

  fuses(fused: boolean): boolean {
    return this.decoders.reduce((before, decoder) => decoder.fuses(before), fused)
  }

  start(fused: boolean): DecoderRun {
    let before = fused
    const runs = this.decoders.map((decoder) => {
      const run = decoder.start(before)
      before = decoder.fuses(before)
      return run
    })
    return chained(runs)
  }

  toJSON(): ComponentJson {
    return { type: 'Sequence', decoders: this.decoders.map((decoder) => decoder.toJSON()) }
  }
}
