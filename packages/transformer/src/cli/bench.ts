import { TransformerError } from '../errors.js'
import { argumentsOf, countOf, interrupted, modelOf, modelOptions, modelUsage } from './output.js'

const usage = `Usage: npx @tesserae/transformer bench MODEL [options]

Measures how fast a model reads a prompt and writes behind it: the median of several runs, after one that is not counted.

${modelUsage}  --prompt N          tokens of the prompt; default 512
  --runs N            default 3
`

export async function bench(args: readonly string[]): Promise<number> {
  const given = argumentsOf(args, {
    usage,
    options: { ...modelOptions, prompt: { type: 'string' }, runs: { type: 'string' } },
    names: ['MODEL'],
  })
  if (given === undefined) return 0
  const { values, positionals } = given
  const maxTokens = countOf('max-tokens', values['max-tokens'], 2) ?? 64
  const prompt = countOf('prompt', values.prompt, 1) ?? 512
  const runs = countOf('runs', values.runs, 1) ?? 3
  const signal = interrupted()
  const start = performance.now()
  const lm = await modelOf(positionals[0]!, values, signal)
  const loaded = (performance.now() - start) / 1000
  try {
    const count = Math.min(prompt, lm.info.context - maxTokens)
    if (count < 1)
      throw new TransformerError(
        'OPTION',
        `--max-tokens is ${maxTokens}, which leaves no room for a prompt in a context of ${lm.info.context}`,
      )
    const [read, written]: [number[], number[]] = [[], []]
    for (let run = 0; run <= runs; run++) {
      // Another beginning each time, so that nothing is there already.
      const ids = Array.from({ length: count }, (_, i) => (i * 31 + run * 7 + 1) % lm.model.config.vocabSize)
      const { prefillSeconds, decodeSeconds } = await lm.model.generate(ids, { maxTokens, signal })
      if (run === 0) continue
      read.push(count / prefillSeconds)
      written.push((maxTokens - 1) / decodeSeconds)
    }
    const median = (list: readonly number[]): string => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!.toFixed(1)
    process.stdout.write(
      `loaded in ${loaded.toFixed(1)} s\nreads ${median(read)} tokens a second (${count})\nwrites ${median(written)} tokens a second (${maxTokens})\n`,
    )
  } finally {
    await lm.dispose()
  }
  return 0
}
