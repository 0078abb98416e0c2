import type { TopLogits } from '@tesserae/sampling'
import type { DecoderModel } from './model.js'

/** Chooses the next token. The samplers of `@tesserae/sampling` fit; so does any object with this shape. */
export interface SamplerLike {
  /** The id of the next token, from logits of all that can be chosen, which it leaves alone. */
  choose(logits: Float32Array): number
  /**
   * How many of the highest logits `chooseTop` most likely needs, for devices that find them without giving out all; undefined where it needs all. The samplers of `@tesserae/sampling` know it.
   */
  topCount?(): number | undefined
  /** What `choose` would choose by all logits, from the highest alone; undefined where these do not tell. */
  chooseTop?(top: TopLogits): number | undefined
  /** Told of every token of the text, the prompt's included, for samplers with a memory. */
  accept?(id: number): void
}

/** Text to ids and back. The tokenizers of `@tesserae/tokenizer` fit. */
export interface TokenizerLike {
  /** Called with `special: 'text'` for whatever users wrote: names of special tokens in it are ordinary text. */
  encode(text: string, options?: { readonly special: 'text' }): ArrayLike<number>
  decode(ids: Iterable<number>): string
  /** Decodes token by token, holding back incomplete characters; special tokens are left out when asked. */
  decoder?(options: { readonly skipSpecial: boolean }): { push(id: number): string; flush(): string }
  /** Number of its ids. A model may have rows for more, which fill its table up and are never chosen. */
  readonly vocabSize?: number
}

export interface GenerateOptions {
  /** Most tokens to sample; default: as many as there is room for. Errors: CAPACITY when there cannot be room. */
  readonly maxTokens?: number
  /** Default: the most likely token each time. */
  readonly sampler?: SamplerLike
  /** Ids and texts that end generation. Neither appears in the text; texts need a tokenizer. */
  readonly stop?: readonly (number | string)[]
  /** Stops within one step with an error named AbortError. */
  readonly signal?: AbortSignal
  /** False computes every step from the whole sequence again: slow, for comparison. Default true. */
  readonly useCache?: boolean
  /** Report the log-probability of each token under the model itself (before the sampler), and of so many most likely ones; true is 0. Default false. */
  readonly logprobs?: boolean | number
  /**
   * What happens when the capacity is full. `'stop'`: generation ends with `context`. `'slide'`: the first `sinks` tokens and the later half of the rest stay, are computed anew at the positions that they then
   * have, and generation goes on without end. Default 'stop'.
   *
   * Source: G. Xiao et al., "Efficient Streaming Language Models with Attention Sinks", arXiv:2309.17453, its sliding window with re-computation.
   */
  readonly overflow?: 'stop' | 'slide'
  /**
   * Guess several tokens at a time, which the model judges in one run. The text has the distribution that it has without, and with the most likely token each time it is the same. Needs a sampler of `@tesserae/sampling`,
   * or none.
   */
  readonly speculative?: SpeculativeSettings
  /**
   * Classifier-free guidance: strengthens what the prompt makes likelier than another prompt does, by u + scale · (logit − u). Takes two places, side by side.
   *
   * Source: G. Sanchez et al., "Stay on topic with Classifier-Free Guidance", arXiv:2306.17806.
   */
  readonly guidance?: GuidanceSettings
  /**
   * Contrastive search: of the likeliest tokens the one whose state is least like those before, so that a text without randomness does not go round in circles. Takes `topK` places, side by side.
   *
   * Source: Y. Su et al., "A Contrastive Framework for Neural Text Generation", arXiv:2202.06417.
   */
  readonly contrastive?: ContrastiveSettings
  /** Tokens at the beginning that sliding keeps, from 0 to half of the capacity; default 4. */
  readonly sinks?: number
}

export interface SpeculativeSettings {
  /** Who guesses: a smaller model with the same vocabulary, or `'prompt'`, by what came behind the same words earlier in the text. */
  readonly draft: DecoderModel | 'prompt'
  /** Tokens that are guessed at a time, from 1 to 63; default 5. */
  readonly tokens?: number
}

export interface ContrastiveSettings {
  /** How many of the likeliest tokens are looked at each time, from 1 to `maxStreams`; default 4. transformers' `top_k`. */
  readonly topK?: number
  /** What likeness costs: the score is (1 − penaltyAlpha) · probability − penaltyAlpha · the largest cosine with an earlier state. From 0 to 1; default 0.6. */
  readonly penaltyAlpha?: number
}

export interface GuidanceSettings {
  /** From 0 to 1000; 1 changes nothing. */
  readonly scale: number
  /** What is steered away from: a text, or ids. Default the prompt's last token alone. */
  readonly negative?: string | ArrayLike<number>
}

/** A token and the natural logarithm of its probability. */
export interface TokenLogprob {
  readonly id: number
  readonly logprob: number
}

/** stop: a stop id or text came. length: maxTokens were sampled. context: the model's capacity is full. */
export type FinishReason = 'stop' | 'length' | 'context'

/** One sampled token. */
export interface TokenEvent {
  readonly id: number
  /** Text that is certain now; with a tokenizer only. It may lag behind the ids, and the last event has the rest. */
  readonly text?: string
  /** Natural logarithm of the token's probability; with `logprobs` only. */
  readonly logprob?: number
  /** The most likely tokens, the likeliest first; with a number of `logprobs` above 0 only. */
  readonly top?: readonly TokenLogprob[]
  /** With `speculative` only: the token was guessed, and the guess was right. */
  readonly drafted?: true
  /** On the first event only: tokens of the prompt whose keys and values were there already, if any. */
  readonly cachedTokens?: number
  /** On the last event only. */
  readonly finishReason?: FinishReason
}

export interface Generation {
  /** Every sampled id; a stop id is the last. */
  readonly ids: readonly number[]
  /** With a tokenizer only: without what stopped it. */
  readonly text?: string
  readonly logprobs?: readonly number[]
  /** With a number of `logprobs` above 0 only: for each id the most likely tokens in its place. */
  readonly top?: readonly (readonly TokenLogprob[])[]
  readonly finishReason: FinishReason
  readonly promptTokens: number
  /** Of those, tokens whose keys and values were there already. */
  readonly cachedTokens: number
  /** Seconds until the first token was known, and from then on. */
  readonly prefillSeconds: number
  readonly decodeSeconds: number
}
