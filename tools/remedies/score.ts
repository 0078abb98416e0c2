import { meanInterval, type Interval } from '@tesserae/rag'

export type Outcome = 'correct' | 'wrong' | 'abstained' | 'failed'

/** Lower case, without punctuation, articles and double blanks: the comparison of SQuAD's own evaluation. */
export function normalise(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\s]/gu, ' ')
    .replace(/\b(?:a|an|the)\b/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Whether an answer contains one of the right ones as whole words; references like [2] do not count as its words. */
export function contains(answer: string, right: readonly string[]): boolean {
  const given = ` ${normalise(answer.replace(/\[[\d,\s–-]+\]/g, ' '))} `
  return right.some((one) => normalise(one) !== '' && given.includes(` ${normalise(one)} `))
}

/** The share of true among `values` with its 95 % bootstrap interval. At least one value. */
export const shareOf = (values: readonly boolean[]): Interval => meanInterval(values.map(Number))
