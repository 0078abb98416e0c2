import { createInterface } from 'node:readline/promises'
import { TesseraeError } from '@tesserae/core'
import type { LmMessage } from '../lm/types.js'
import { answerOptions, argumentsOf, fail, modelOf, modelOptions, modelUsage } from './output.js'

const usage = `Usage: npx @tesserae/transformer chat MODEL [options]

Answers line by line, and remembers what was said. Ctrl-C ends an answer, or the talk where there is none; so does /exit. /new forgets.

${modelUsage}  --system TEXT       a system message before all
`

export async function chat(args: readonly string[]): Promise<number> {
  const given = argumentsOf(args, { usage, options: { ...modelOptions, system: { type: 'string' } }, names: ['MODEL'] })
  if (given === undefined) return 0
  const { values, positionals } = given
  const settings = answerOptions(values)
  const lm = await modelOf(positionals[0]!, values, new AbortController().signal)
  const start: LmMessage[] = values.system === undefined ? [] : [{ role: 'system', content: values.system }]
  let messages = [...start]
  let answering: AbortController | undefined
  const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: '> ' })
  lines.on('SIGINT', () => (answering === undefined ? lines.close() : answering.abort()))
  try {
    lines.prompt()
    for await (const line of lines) {
      const content = line.trim()
      if (content === '/exit') break
      if (content === '/new') messages = [...start]
      else if (content !== '') {
        answering = new AbortController()
        messages.push({ role: 'user', content })
        let said = ''
        try {
          for await (const part of lm.stream(messages, { ...settings, signal: answering.signal })) {
            if (part.type === 'reasoning') process.stderr.write(part.text)
            else if (part.type === 'text') {
              said += part.text
              process.stdout.write(part.text)
            }
          }
        } catch (error) {
          // What can be said otherwise, or is too long, is no reason to forget all.
          if (fail(error) !== 130 && !TesseraeError.isInstance(error)) throw error
        }
        if (said === '') messages.pop()
        else messages.push({ role: 'assistant', content: said })
        answering = undefined
        process.stdout.write('\n')
      }
      lines.prompt()
    }
  } finally {
    lines.close()
    await lm.dispose()
  }
  return 0
}
