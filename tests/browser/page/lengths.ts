import type { Device } from '@tesserae/tensor'
import { createModel, initWeights, llama } from '@tesserae/transformer'

/** Lengths around which tiles, blocks and vectors end. */
export const edgeLengths = [1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257]

/**
 * Prompts of these lengths continued by three tokens, with a cache and without: where ids differ, or log-probabilities by more than 1e-4, a line that says so. Grouped heads, of a
 * width that is read in vectors.
 */
export async function cacheProblems(device: Device, lengths: readonly number[]): Promise<string[]> {
  const config = llama({ vocabSize: 61, width: 32, layers: 2, heads: 4, kvHeads: 2, hidden: 48, context: 264 })
  using model = await createModel({ config, weights: initWeights(config, { seed: 4 }), device })
  const problems: string[] = []
  for (const length of lengths) {
    const prompt = Int32Array.from({ length }, (_, i) => (7 * i * i + 3 * i + 1) % 61)
    const generate = (useCache: boolean) => model.generate(prompt, { maxTokens: 3, useCache, logprobs: true })
    const [cached, whole] = [await generate(true), await generate(false)]
    const apart = Math.max(...cached.logprobs!.map((value, i) => Math.abs(value - whole.logprobs![i]!)))
    if (cached.ids.join() !== whole.ids.join())
      problems.push(`${length} tokens: ${cached.ids.join(' ')} with a cache, ${whole.ids.join(' ')} without`)
    else if (!(apart <= 1e-4)) problems.push(`${length} tokens: log-probabilities differ by ${apart}`)
  }
  return problems
}
