/** Rows of tokens of different lengths in one rectangle. Programs are compiled for each shape, so there are few lengths. */
import { random } from '@tesserae/core'
import { tensor, type Tensor } from '@tesserae/tensor'
import { RlhfError } from '../errors.js'
import type { Rendered } from './template.js'

/** Tokens [rows, length] beside what each position is to predict. */
export interface Collated {
  readonly ids: Int32Array
  /** The next token where it is learnt, −1 elsewhere. */
  readonly targets: Int32Array
  /** Index of each row's last token. */
  readonly last: Int32Array
  readonly rows: number
  readonly length: number
  /** Targets that are not −1. */
  readonly learnt: number
}

/** The shortest of the lengths 16, 32, 64, … that holds `tokens`, or `longest` before the next of them. */
export function paddedLength(tokens: number, longest: number): number {
  if (tokens > longest)
    throw new RlhfError(
      'LENGTH',
      `an example has ${tokens} tokens, the model's context is ${longest}; prepare rows with maxLength: ${longest}`,
    )
  let length = 16
  while (length < tokens) length *= 2
  return Math.min(length, longest)
}

/**
 * Examples as one batch, padded at the end. Padding is token 0, which nothing before it can see and whose targets are −1, so its value and width change
 * no loss. Errors: LENGTH beyond `longest`, the model's context.
 */
export function collate(examples: readonly Rendered[], options: { readonly longest: number }): Collated {
  const length = paddedLength(Math.max(...examples.map(({ ids }) => ids.length)), options.longest)
  const rows = examples.length
  const ids = new Int32Array(rows * length)
  const targets = new Int32Array(rows * length).fill(-1)
  let learnt = 0
  examples.forEach((example, row) => {
    ids.set(example.ids, row * length)
    for (let t = 1; t < example.ids.length; t++)
      if (example.mask[t] === 1) {
        targets[row * length + t - 1] = example.ids[t]!
        learnt++
      }
  })
  return { ids, targets, last: Int32Array.from(examples, (example) => example.ids.length - 1), rows, length, learnt }
}

/** A collated batch as tensors: ids and targets i32 [B, T], last i32 [B]. */
export interface CollatedTensors {
  readonly ids: Tensor
  readonly targets: Tensor
  readonly last: Tensor
}

export const collatedTensors = ({ ids, targets, last, rows, length }: Collated): CollatedTensors => ({
  ids: tensor(ids, { shape: [rows, length], adopt: true }),
  targets: tensor(targets, { shape: [rows, length], adopt: true }),
  last: tensor(last, { shape: [rows], adopt: true }),
})

/**
 * The examples of batch `index`: an order that goes through all of them once before any comes again, another one for each pass. It depends on the seed and the
 * index alone, so training resumes exactly without a cursor to save.
 */
export function batchIndices(
  index: number,
  { examples, rows, seed }: { readonly examples: number; readonly rows: number; readonly seed: number | string },
): number[] {
  const stream = random(seed).stream('order')
  const out: number[] = []
  let pass = -1
  let order = new Uint32Array(0)
  for (let place = index * rows; place < (index + 1) * rows; place++) {
    if (Math.floor(place / examples) !== pass) {
      pass = Math.floor(place / examples)
      order = new Uint32Array(stream.fold(pass).permutation(examples))
    }
    out.push(order[place % examples]!)
  }
  return out
}
