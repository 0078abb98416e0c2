/** What an engine of grammars is asked, in lines of JSON: a schema, and texts as tokens that it is to follow. */
export interface Job {
  readonly name: string
  /** The schema's own text: numbers beyond doubles, and the order of its members, as they are. */
  readonly schema: string
  /** Ids of the tokens of each text, without the one that ends it. */
  readonly texts: readonly (readonly number[])[]
  /** Members in any order, for engines that can be told. */
  readonly anyOrder: boolean
  /** The version of JSON Schema where the schema names none, for engines that can be told. Default 2020-12. */
  readonly dialect?: 'draft-07'
  /** Texts whose masks are measured come first; of the others it only matters whether they are accepted. */
  readonly measured: number
  /** Seconds after which an engine stops between two tokens. */
  readonly seconds: number
}

export interface TextAnswer {
  /** Every token was in its mask, and at the end one that ends a text. Undefined where there was no time to find out. */
  readonly accepted: boolean | undefined
  /** Where it was not: how many tokens were. */
  readonly stoppedAt?: number
}

/** Times are in milliseconds for compiling and in microseconds for a mask with taking the token before it in. */
export interface Answer {
  readonly refused?: string
  readonly compile?: number
  readonly texts?: readonly TextAnswer[]
  /** The first time along the texts, and the second. */
  readonly masks?: readonly number[]
  readonly again?: readonly number[]
}

export interface Ready {
  readonly runtime: string
  /** Milliseconds for the vocabulary. */
  readonly preparation: number
}

/** Follows one text. Masks are as bits of words of 32. */
export interface Follower {
  /** Which tokens may come after those taken in. */
  mask(): ArrayLike<number> | Promise<ArrayLike<number>>
  /** Takes a token in that the last mask has. */
  accept(id: number): void
  end(): void
}

export interface Compiled {
  follower(): Follower | Promise<Follower>
  end(): void
}

export interface Engine {
  readonly runtime: string
  /** Throws what the engine throws for schemas that it does not take. */
  compile(job: Job): Compiled | Promise<Compiled>
}

export type EngineMaker = (vocabulary: RawVocabulary) => Promise<{ readonly engine: Engine; readonly preparation: number }>

export interface RawVocabulary {
  /** Bytes by id; none for ids that are no text. */
  readonly tokens: readonly (Uint8Array | undefined)[]
  readonly end: number
}
