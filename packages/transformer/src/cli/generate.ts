import { text as readAll } from 'node:stream/consumers'
import { TransformerError } from '../errors.js'
import { answerOptions, argumentsOf, fileOf, interrupted, modelOf, modelOptions, modelUsage } from './output.js'

const usage = `Usage: npx @tesserae/transformer generate MODEL [PROMPT] [options]

Goes on with a text, or answers it where --chat is given. Without PROMPT it is read from the standard input.

${modelUsage}  --chat              the prompt is a question, written by the model's template
  --system TEXT       a system message before it
  --json FILE         the answer is JSON by the JSON Schema in a file
`

export async function generate(args: readonly string[]): Promise<number> {
  const options = { ...modelOptions, chat: { type: 'boolean' }, system: { type: 'string' }, json: { type: 'string' } } as const
  const given = argumentsOf(args, { usage, options, names: ['MODEL', '[PROMPT]'] })
  if (given === undefined) return 0
  const { values, positionals } = given
  if (values.system !== undefined && values.chat !== true)
    throw new TransformerError('OPTION', '--system is a message of a conversation; give --chat too')
  const signal = interrupted()
  const prompt = positionals[1] ?? (await readAll(process.stdin))
  const schema = values.json === undefined ? undefined : await readSchemaFile(values.json)
  const settings = answerOptions(values)
  const lm = await modelOf(positionals[0]!, values, signal)
  try {
    const asked =
      values.chat === true
        ? [
            ...(values.system === undefined ? [] : [{ role: 'system' as const, content: values.system }]),
            { role: 'user' as const, content: prompt },
          ]
        : prompt
    for await (const part of lm.stream(asked, { ...settings, signal, ...(schema === undefined ? {} : { schema }) })) {
      if (part.type === 'text') process.stdout.write(part.text)
      else if (part.type === 'reasoning') process.stderr.write(part.text)
      else if (part.type === 'finish') {
        const { usage: used, seconds, finishReason } = part.result
        process.stdout.write('\n')
        process.stderr.write(
          `${finishReason}: ${used.promptTokens} + ${used.completionTokens} tokens, ${(used.completionTokens / Math.max(seconds.decode, 1e-3)).toFixed(1)} a second\n`,
        )
      }
    }
  } finally {
    await lm.dispose()
  }
  return 0
}

async function readSchemaFile(path: string): Promise<Record<string, unknown>> {
  const [said, { parseRecord }] = await Promise.all([fileOf('json', path), import('../checkpoints/record.js')])
  try {
    return parseRecord(said, path)
  } catch (error) {
    throw new TransformerError('OPTION', `--json: ${(error as Error).message}`, { cause: error })
  }
}
