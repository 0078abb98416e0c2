import { TransformerError } from '../errors.js'
import type { Lm, LmInfo, LmOptions, LmPart, LmPrompt, LmResult } from './types.js'

/** What a kind of models brings; the rest of an `Lm` is made of it. */
interface LmParts {
  readonly info: LmInfo
  readonly stream: (prompt: LmPrompt, options: LmOptions) => AsyncGenerator<LmPart, void, undefined>
  readonly tokenize: Lm['tokenize']
  readonly health?: NonNullable<Lm['health']>
  readonly dispose: () => Promise<void>
}

/** A model whose whole answers are the ends of its streams. */
export function streamingLm({ info, stream, tokenize, health, dispose }: LmParts): Lm {
  const generate = async (prompt: LmPrompt, options: LmOptions = {}): Promise<LmResult> => {
    for await (const part of stream(prompt, options)) if (part.type === 'finish') return part.result
    throw new TransformerError('REMOTE', 'the answer ended without its result')
  }
  // The types of tools and schemas are the callers': they are known where an answer is made, not here.
  return {
    info,
    stream: (prompt: LmPrompt, options: LmOptions = {}) => stream(prompt, options),
    generate,
    tokenize,
    ...(health === undefined ? {} : { health }),
    dispose,
  } as unknown as Lm
}
