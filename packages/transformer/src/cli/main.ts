#!/usr/bin/env node
import { createRequire } from 'node:module'
import { fail } from './output.js'

/** Each subcommand is imported when it is asked for. */
const commands: Readonly<
  Record<string, { readonly says: string; readonly run: () => Promise<(args: readonly string[]) => Promise<number>> }>
> = {
  generate: { says: 'goes on with a text', run: async () => (await import('./generate.js')).generate },
  chat: { says: 'talks, line by line', run: async () => (await import('./chat.js')).chat },
  embed: { says: 'prints vectors of texts', run: async () => (await import('./embed.js')).embed },
  inspect: { says: 'shows what a checkpoint is, without reading its weights', run: async () => (await import('./inspect.js')).inspect },
  quantize: { says: 'writes a GGUF file in fewer bits', run: async () => (await import('./quantize.js')).quantize },
  bench: { says: 'measures how fast a model reads and writes', run: async () => (await import('./bench.js')).bench },
  serve: {
    says: "serves a model by OpenAI's interface",
    run: async () => {
      const { serveCommand } = await import('./serve.js')
      return (args) =>
        serveCommand(args, {
          out: (text) => void process.stdout.write(text),
          err: (text) => void process.stderr.write(text),
          env: process.env,
        })
    },
  },
}

const usage = `Usage: npx @tesserae/transformer COMMAND [options]

${Object.entries(commands)
  .map(([name, { says }]) => `  ${name.padEnd(10)} ${says}`)
  .join('\n')}

A model is the path of a folder or a .gguf file, an address, or hf:owner/name. COMMAND --help tells more.
`

/** The command that begins as what was typed, or with the same letters. */
function meant(typed: string): string {
  const known = Object.keys(commands)
  const near =
    known.find((one) => typed !== '' && (one.startsWith(typed) || typed.startsWith(one))) ??
    known.find((one) => one.slice(0, 3) === typed.slice(0, 3))
  return near === undefined ? '' : ` Did you mean ${near}?`
}

const [name, ...args] = process.argv.slice(2)
if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
  process.stdout.write(usage)
} else if (name === '--version' || name === '-v') {
  const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string }
  process.stdout.write(`${version}\n`)
} else if (Object.hasOwn(commands, name)) {
  try {
    process.exitCode = await (await commands[name]!.run())(args)
  } catch (error) {
    process.exitCode = fail(error)
  }
} else {
  process.stderr.write(`There is no command ${JSON.stringify(name)}.${meant(name)}\n\n${usage}`)
  process.exitCode = 2
}
