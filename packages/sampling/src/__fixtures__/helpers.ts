import { Candidates } from '../candidates.js'
import type { SamplerStep } from '../step.js'

/** The distribution that steps leave, as a map from id to probability; ids whose probability is 0 are left out. */
export function distribution(logits: ArrayLike<number>, ...steps: SamplerStep[]): Map<number, number> {
  const candidates = new Candidates()
  candidates.begin(logits)
  for (const step of steps) step.apply(candidates)
  candidates.weigh()
  const { total } = candidates
  const entries = Array.from({ length: candidates.size }, (_, i): [number, number] => [candidates.ids[i]!, candidates.weights[i]! / total])
  return new Map(entries.filter(([, probability]) => probability > 0))
}

/** Pearson's χ² of observed counts against expected probabilities. */
export function chiSquare(counts: ReadonlyMap<number, number>, expected: ReadonlyMap<number, number>): number {
  const draws = [...counts.values()].reduce((a, b) => a + b, 0)
  let sum = 0
  for (const [id, probability] of expected) sum += ((counts.get(id) ?? 0) - draws * probability) ** 2 / (draws * probability)
  return sum
}

/** The code of the Tesserae error that an action throws. */
export function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (typeof code === 'string') return code
    throw error
  }
  return 'nothing thrown'
}
