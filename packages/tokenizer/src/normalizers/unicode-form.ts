import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import { isPairAt, type AlignedText } from '../text/aligned.js'
import { orderMarks } from '../unicode/order-marks.js'

export type UnicodeForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD'

/**
 * A normalization form of Unicode, by the engine's `normalize`: the forms of assigned characters are stable across versions, so engines
 * differ only in characters younger than they are.
 */
export class UnicodeNormalizer implements Normalizer {
  readonly wordwise = true

  constructor(private readonly form: UnicodeForm) {}

  normalize(text: AlignedText): AlignedText {
    return toForm(text, this.form)
  }

  toJSON(): ComponentJson {
    return { type: this.form }
  }
}

export function toForm(text: AlignedText, form: UnicodeForm): AlignedText {
  const normalized = orderMarks(text.text).normalize(form)
  return normalized === text.text ? text : text.transformed(normalized, () => changesOf(text.text, normalized, form))
}

/**
 * Where each character of the form comes from, as Hugging Face counts it: the first character of a decomposition stands for the one that was
 * decomposed and the others are inserted, marks then change places, and what is composed of several takes their changes together.
 */
function changesOf(source: string, normalized: string, form: UnicodeForm): number[] {
  const decomposed = form === 'NFC' || form === 'NFD' ? 'NFD' : 'NFKD'
  // Reordering is stable, so equal characters keep their order and a queue for each tells them apart without their combining classes.
  const queues = new Map<string, { changes: number[]; next: number }>()
  for (let at = 0; at < source.length;) {
    const units = isPairAt(source, at) ? 2 : 1
    const char = source.slice(at, at + units)
    let change = 0
    for (const part of char.charCodeAt(0) < 0x80 ? char : char.normalize(decomposed)) {
      const queue = queues.get(part)
      if (queue === undefined) queues.set(part, { changes: [change], next: 0 })
      else queue.changes.push(change)
      change = 1
    }
    at += units
  }
  const changes: number[] = []
  for (const char of normalized) {
    let sum = 1
    for (const part of char.charCodeAt(0) < 0x80 ? char : char.normalize('NFD')) {
      const queue = queues.get(part)
      sum += (queue?.changes[queue.next++] ?? 0) - 1
    }
    changes.push(sum)
  }
  return changes
}
