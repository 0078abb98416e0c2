/** A language model of a few thousand random weights that does everything, for tests of what is built on language models. */
import { createModel } from '../../generate/model.js'
import { createLm } from '../local.js'
import { streamingLm } from '../streaming-lm.js'
import type { Lm, LmOptions, LmPart, LmPrompt } from '../types.js'
import { chatModel, toolTemplate } from './chat-model.js'

export interface TinyLmOptions {
  readonly maxStreams?: number
  /** Called after each part of an answer. */
  readonly onStep?: () => void | Promise<void>
}

export async function tinyLm({ maxStreams = 8, onStep }: TinyLmOptions = {}): Promise<Lm> {
  const { tokenizer, ...loaded } = await chatModel(toolTemplate)
  const model = await createModel({ ...loaded, tokenizer, capacity: 512, maxStreams })
  const lm = createLm({ model, tokenizer, info: { id: 'tiny', licence: 'Apache-2.0' } })
  if (onStep === undefined) return lm
  return streamingLm({
    ...lm,
    async *stream(prompt: LmPrompt, options: LmOptions) {
      for await (const part of lm.stream(prompt, options as object) as AsyncGenerator<LmPart, void, undefined>) {
        yield part
        await onStep()
      }
    },
  })
}
