import type { LanguageModelLike, ModelJson, ModelProviderOptions } from '@tesserae/core'
import type { Span } from '../document.js'
import type { Filter } from '../filter/types.js'

/** A piece of a source that an answer may rest on. */
export interface Passage {
  readonly chunkId: string
  readonly sourceId: string
  /** Where `text` stands in the source: `text` is exactly `source.slice(span.start, span.end)`. */
  readonly span: Span
  readonly text: string
  /** What the source is called, for people and for the model. */
  readonly title?: string
  /** The headings above the passage, outermost first. */
  readonly headings?: readonly string[]
  /** The score of the search that found it; larger is better. */
  readonly score: number
}

/**
 * What checking a citation found. `verbatim`: the words stand in the cited source as they are (typographic quotes, dashes and
 * white space aside). `fuzzy`: the cited source says nearly that. `misattributed`: another of the given sources says it.
 * `missing`: none of them does.
 */
export type CitationVerdict = 'verbatim' | 'fuzzy' | 'misattributed' | 'missing'

/** A reference of an answer to a source, checked against the source's text without asking a model. */
export interface Citation {
  /** The number in the answer's text, `2` for `[2]`; sources count from 1. */
  readonly marker: number
  /** The chunk in which the words stand; for `missing` the one that was cited, or null when no source has that number. */
  readonly chunkId: string | null
  readonly sourceId: string | null
  /** Where the words stand in the source; null for `missing`. */
  readonly span: Span | null
  /** The source's own words at `span`; for `missing` what the answer claims they are. */
  readonly quote: string
  readonly verdict: CitationVerdict
  /** The words of the answer that the citation stands behind. */
  readonly claim: string
  /** Whether the answer put those words in quotation marks. */
  readonly quoted: boolean
  /** How much of the claim the source contains, from 0 to 1; 1 for `verbatim`. */
  readonly similarity: number
}

/** Something that was asked for and could not be had, or a remark of the model's provider. */
export interface AnswerWarning {
  readonly type: 'unsupported' | 'provider' | 'other'
  /** The option in question. */
  readonly setting?: string
  readonly message: string
}

/** Tokens used in all steps; undefined where the provider does not count. */
export interface AnswerUsage {
  readonly inputTokens: number | undefined
  readonly outputTokens: number | undefined
}

/** One step of an answer that is being made. The `text` parts joined are the answer's text. */
export type AnswerPart =
  | { readonly type: 'retrieval'; readonly query: string; readonly passages: readonly Passage[]; readonly omitted: number }
  | { readonly type: 'tool'; readonly name: string; readonly input: ModelJson }
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'citation'; readonly citation: Citation }
  | { readonly type: 'object'; readonly object: ModelJson }
  | { readonly type: 'finish'; readonly result: AnswerResult }

/** A finished answer. */
export interface AnswerResult {
  readonly text: string
  readonly citations: readonly Citation[]
  /** True when the answer is that the documents do not say. */
  readonly abstained: boolean
  /** The passages the answer could rest on, in the order of their numbers. */
  readonly passages: readonly Passage[]
  /** The object of an answer by `schema`. */
  readonly object?: ModelJson
  /** How well the sources support an extractive answer, from 0 to 1; what `threshold` is compared with. */
  readonly confidence?: number
  /** Which way the answer was made. */
  readonly method: 'model' | 'extractive'
  /** `stop`, `length`, `content-filter`, `tool-calls`, `error` or `other`; `stop` for extractive answers. */
  readonly finishReason: string
  readonly usage: AnswerUsage
  readonly warnings: readonly AnswerWarning[]
}

/** An earlier turn of the conversation. */
export interface HistoryMessage {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

/** How an answer is made. */
export interface AnswerOptions {
  /** Any model of core's structural type: this project's, or any of the AI SDK. Without one the answer is extractive. */
  readonly model?: LanguageModelLike
  /** Earlier turns, oldest first. */
  readonly history?: readonly HistoryMessage[]
  /** Passages to retrieve. Default 8. */
  readonly k?: number
  /** Restricts the search. */
  readonly where?: Filter
  /** `before` searches and then asks; `tool` lets the model search; `none` asks the model alone. Default `before`. */
  readonly retrieval?: 'before' | 'tool' | 'none'
  /** What is searched for, when it is not the question itself. */
  readonly query?: string
  /** Most tokens that sources and history may take in the prompt. Default 3000. */
  readonly tokenBudget?: number
  /** Counts tokens for `tokenBudget`. Default {@link estimateTokenCount}, which needs no vocabulary. */
  readonly countTokens?: (text: string) => number
  /** Most calls of the model when it may search. Default 4. */
  readonly maxSteps?: number
  /**
   * A JSON Schema to answer by, sent as the response format. {@link abstainingSchema} is made for it; of another, the
   * properties `answer`, `quote`, `source` and `abstain` are read where it has them.
   */
  readonly schema?: object
  /** Replaces the instructions to the model; sources and question follow in a message of their own. */
  readonly instructions?: string
  readonly temperature?: number
  readonly topP?: number
  readonly seed?: number
  /** Most tokens of the answer. */
  readonly maxOutputTokens?: number
  readonly providerOptions?: ModelProviderOptions
  /** Sentences of an extractive answer. Default 2. */
  readonly sentences?: number
  /** Support, from 0 to 1, below which an extractive answer abstains; 0 never abstains. Default 0.5. */
  readonly threshold?: number
  /** What an extractive answer says when it abstains. Default 'Not found in the documents.' */
  readonly notFound?: string
  readonly signal?: AbortSignal
}

/** An answer on its way. Nothing starts before one of the methods is called; both may be, and then see the same run. */
export interface Answer {
  /** The parts as they come. Leaving the loop early aborts the run unless {@link Answer.result} was asked for too. */
  stream(): AsyncIterableIterator<AnswerPart>
  /** The whole. */
  result(): Promise<AnswerResult>
}

/** What the search behind an answer has to do. */
export interface AnswerBackend {
  search(
    query: string,
    options: { readonly k: number; readonly where?: Filter; readonly signal?: AbortSignal },
  ): Promise<readonly Passage[]>
  /** Terms that carry meaning: analysed (stemmed) and without stop words, in the order of the text. */
  terms(text: string): readonly string[]
  /** In how many chunks of the index each term occurs, and how many chunks there are; without it the passages stand in. */
  frequencies?(terms: readonly string[]): Promise<{ readonly chunks: number; readonly containing: ReadonlyMap<string, number> }>
  /** Unit vectors for texts, where the index has an embedder: the first is the question's. */
  embed?(question: string, texts: readonly string[], signal?: AbortSignal): Promise<readonly ArrayLike<number>[]>
}
