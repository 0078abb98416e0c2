/** How texts are cut to a length; see the `truncation` of a `tokenizer.json`. */
export interface TruncationRule {
  /** Tokens of an encoding, with the special ones. */
  readonly maxLength: number
  /** Tokens that neighbouring stretches share. */
  readonly stride: number
  /** The side that is cut off. */
  readonly side: 'left' | 'right'
  readonly strategy: 'longest_first' | 'only_first' | 'only_second'
}

/** How encodings are filled up to a length; see the `padding` of a `tokenizer.json`. */
export interface PaddingRule {
  /** The longest encoding of a batch, or a number of tokens. */
  readonly to: 'longest' | number
  readonly multipleOf: number | undefined
  readonly side: 'left' | 'right'
  readonly id: number
  readonly typeId: number
  readonly token: string
}
