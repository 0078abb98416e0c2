import { countParameters } from '@tesserae/transformer'
import { endId, promptIds } from '../lib/conversation.js'
import type { ChatCalls, ChatEnd, ChatVariant, Knobs, ChatMessage } from './chat-calls.js'
import { chatFiles, chatModel } from './chat-model.js'
import { WatchedSampler } from './distribution.js'
import type { Tasks } from './protocol.js'

/** Tokens that an answer shall have at least; older messages are forgotten for it. */
const roomForAnswer = 48

async function prepared({ variant, messages, knobs }: { variant: ChatVariant; messages: readonly ChatMessage[]; knobs: Knobs }) {
  const { model, tokenizer } = await chatModel(variant)
  return {
    model,
    tokenizer,
    prompt: promptIds(messages, tokenizer, model.capacity - roomForAnswer),
    sampler: new WatchedSampler(knobs, tokenizer),
  }
}

export const chatTasks: Tasks<ChatCalls> = {
  async 'chat.load'(_, { emit }) {
    const { model } = await chatModel('shipped', (received, total) => emit({ received, ...(total === undefined ? {} : { total }) }))
    const { layers, width, context, vocabSize } = model.config
    const { bytes } = await chatFiles()
    return { parameters: countParameters(model.config).total, bytes: bytes.byteLength, layers, width, context, vocabSize }
  },
  async 'chat.reply'({ maxTokens, ...input }, { signal, emit }) {
    const { model, tokenizer, prompt, sampler } = await prepared(input)
    const stop = endId(tokenizer)
    const begun = performance.now()
    let tokens = 0
    let finishReason: ChatEnd['finishReason'] = 'length'
    const decoder = tokenizer.decoder({ skipSpecial: true })
    const stream = model.stream(prompt, { maxTokens: Math.min(maxTokens, model.capacity - prompt.length), sampler, stop: [stop], signal })
    for await (const event of stream) {
      finishReason = event.finishReason ?? finishReason
      tokens++
      const text = event.id === stop ? decoder.flush() : decoder.push(event.id)
      emit({ id: event.id, text, probability: sampler.probability, distribution: sampler.distribution })
    }
    return { finishReason, tokens, seconds: (performance.now() - begun) / 1000 }
  },
  async 'chat.peek'(input, { signal }) {
    const { model, prompt, sampler } = await prepared(input)
    for await (const _ of model.stream(prompt, { maxTokens: 1, sampler, signal })) break
    return sampler.distribution
  },
}
