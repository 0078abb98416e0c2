import { text as readAll } from 'node:stream/consumers'
import { TransformerError } from '../errors.js'
import { loadEmbedder } from '../encoders/node/load.js'
import { argumentsOf, interrupted } from './output.js'

const usage = `Usage: npx @tesserae/transformer embed FOLDER [TEXT …]

Prints the vector of each text as a line of JSON. FOLDER is an encoder's: of sentence-transformers, of Hugging Face's transformers, or of saveEncoder. Without texts they are read from the standard input, one a line.
`

export async function embed(args: readonly string[]): Promise<number> {
  const given = argumentsOf(args, { usage, options: {}, names: ['FOLDER', '[TEXT …]'] })
  if (given === undefined) return 0
  const [folder, ...texts] = given.positionals
  const wanted = texts.length > 0 ? texts : (await readAll(process.stdin)).split(/\r?\n/).filter((line) => line !== '')
  if (wanted.length === 0) throw new TransformerError('OPTION', 'there is no text: give some, or lines on the standard input')
  const embedder = await loadEmbedder(folder!)
  try {
    const { vectors } = await embedder.embed(wanted, { signal: interrupted() })
    for (const vector of vectors) process.stdout.write(`${JSON.stringify(Array.from(vector))}\n`)
  } finally {
    embedder.dispose()
  }
  return 0
}
