import { argumentsOf, interrupted, modelOf, modelOptions, modelUsage, numberOf } from './output.js'

const usage = `Usage: npx @tesserae/transformer bench MODEL [options]

Measures how fast a model reads a prompt and writes behind it: the median of several runs, after one that is not counted.

${modelUsage}  --prompt N          tokens of the prompt; default 512
  --runs N            default 3
`

export async function bench(args: readonly string[]): Promise<number> {
  const given = argumentsOf(args, {
    usage,
    options: { ...modelOptions, prompt: { type: 'string' }, runs: { type: 'string' } },
    names: [1, 1],
  })
  if (given === undefined) return 0
  const { values, positionals } = given
  const signal = interrupted()
  const start = performance.now()
  const lm = await modelOf(positionals[0]!, values, signal)
  const loaded = (performance.now() - start) / 1000
  try {
    const maxTokens = numberOf('max-tokens', values['max-tokens']) ?? 64
    const count = Math.min(numberOf('prompt', values.prompt) ?? 512, lm.info.context - maxTokens)
    const runs = numberOf('runs', values.runs) ?? 3
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
