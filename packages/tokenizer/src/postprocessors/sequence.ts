import type { ComponentJson, LayoutPart, PostProcessor, TokenSequence } from '../pipeline/components.js'
import { ByteLevelProcessing, plainLayout } from './byte-level.js'

/** Several post-processors, of which at most one puts anything around the texts. */
export class ProcessorSequence implements PostProcessor {
  private readonly frame: PostProcessor | undefined

  constructor(private readonly processors: readonly PostProcessor[]) {
    this.frame = processors.find((processor) => !(processor instanceof ByteLevelProcessing))
  }

  layout(pair: boolean): readonly LayoutPart[] {
    return this.frame === undefined ? plainLayout(pair) : this.frame.layout(pair)
  }

  trimOffsets(tokens: TokenSequence): void {
    for (const processor of this.processors) processor.trimOffsets?.(tokens)
  }

  toJSON(): ComponentJson {
    return { type: 'Sequence', processors: this.processors.map((processor) => processor.toJSON()) }
  }
}
