import type { Call } from './protocol.js'

export interface ChatMessage {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

/** The sampler's settings. */
export interface Knobs {
  readonly temperature: number
  /** 0 keeps all. */
  readonly topK: number
  readonly topP: number
  readonly minP: number
  readonly seed: number
}

/** One token of the next-token distribution. */
export interface Bar {
  readonly id: number
  readonly text: string
  /** Probability under the model itself. */
  readonly model: number
  /** Probability under the sampler: after truncation and temperature; 0 where it was cut off. */
  readonly sampler: number
}

export interface Distribution {
  /** The likeliest tokens, by the model. */
  readonly bars: readonly Bar[]
  /** Tokens that the sampler may draw from. */
  readonly kept: number
  readonly vocabSize: number
}

export interface ChatToken {
  readonly id: number
  readonly text: string
  /** Probability under the model itself. */
  readonly probability: number
  readonly distribution: Distribution
}

export interface ChatFacts {
  readonly parameters: number
  readonly bytes: number
  readonly layers: number
  readonly width: number
  readonly context: number
  readonly vocabSize: number
}

export interface ChatEnd {
  readonly finishReason: 'stop' | 'length' | 'context'
  readonly tokens: number
  readonly seconds: number
}

/** The model as it was shipped, or as the Align room left it. */
export type ChatVariant = 'shipped' | 'aligned'

export interface ChatCalls {
  'chat.load': Call<Record<string, never>, { readonly received: number; readonly total?: number }, ChatFacts>
  'chat.reply': Call<
    { readonly variant: ChatVariant; readonly messages: readonly ChatMessage[]; readonly knobs: Knobs; readonly maxTokens: number },
    ChatToken,
    ChatEnd
  >
  /** What the model would say next, were these the messages so far. */
  'chat.peek': Call<
    { readonly variant: ChatVariant; readonly messages: readonly ChatMessage[]; readonly knobs: Knobs },
    never,
    Distribution
  >
}
