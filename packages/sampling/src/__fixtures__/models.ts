/** Models that are tables of logits, and what guesses for them. */
import { random } from '@tesserae/core'
import { draftModel, promptLookup, type Drafter, type SpeculativeModel } from '../index.js'

export const VOCABULARY = 6

export type TableModel = (text: readonly number[]) => Float32Array

/** Logits by the last two tokens. */
export const tableOf = (seed: number, spread: number, vocabulary = VOCABULARY): TableModel => {
  const rows = new Map<number, Float32Array>()
  return (text) => {
    const [before, last] = [text.at(-2) ?? -1, text.at(-1) ?? -1]
    // Not a text: it is asked for millions of times.
    const key = (before + 1) * (vocabulary + 1) + last
    let row = rows.get(key)
    if (row === undefined) {
      const stream = random(seed).stream(text.slice(-2).join())
      row = Float32Array.from({ length: vocabulary }, () => stream.normal() * spread)
      rows.set(key, row)
    }
    return row
  }
}

/** A model with a context, which counts its runs and refuses to be cut beyond its beginning. */
export function modelOf(table: TableModel): SpeculativeModel & { readonly context: number[]; runs: number } {
  const context: number[] = []
  return {
    context,
    runs: 0,
    extend(ids) {
      this.runs++
      return ids.map((id) => {
        context.push(id)
        return table(context)
      })
    },
    rewind(count) {
      if (!(count > 0 && count <= context.length)) throw new RangeError(`${count} of ${context.length} tokens were to be taken out`)
      context.length -= count
    },
  }
}

/** What guesses for a table: well, badly, exactly, and not at all. */
export const draftersFor = (table: TableModel, vocabulary = VOCABULARY): Readonly<Record<string, () => Drafter>> => ({
  'a model like it': () => draftModel(modelOf((text) => table(text).map((logit, i) => logit + 0.3 * Math.sin(7 * i)))),
  'another model': () => draftModel(modelOf(tableOf(2, 1.5, vocabulary))),
  'the same model': () => draftModel(modelOf(table)),
  'the prompt': () => promptLookup(),
  nobody: () => ({ propose: () => [] }),
})
