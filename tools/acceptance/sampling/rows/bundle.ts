// Bar 6: bytes of gzip that a page downloads, and the runtimes in which a grammar makes JSON of random logits.
import { isDeepStrictEqual } from 'node:util'
import { join } from 'node:path'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { bundle, gzipSize } from '../../lib/bundle.js'
import { atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { inBareContext, inChromium, inEdgeRuntime } from '../../lib/runtimes.js'
import { work, type Result } from '../runtimes/work.js'

const root = "export * from '@tesserae/sampling'\n"
const grammars = "export * from '@tesserae/sampling/grammar'\n"
/** What a program is that draws texts of one kind of grammar. */
const program = (kind: string) =>
  `import { samplerChain, temperature, topP } from '@tesserae/sampling'
import { ${kind}, grammarStep, Vocabulary } from '@tesserae/sampling/grammar'
export const make = (what, tokens, end) => samplerChain([grammarStep(${kind}(what).matcher(new Vocabulary(tokens, { end }))), temperature(0.8), topP(0.95)])
`
const kinds = ['choice', 'fromRegex', 'fromGBNF', 'fromJsonSchema'] as const
const kilobytes = async (source: string) => gzipSize(await bundle(source)) / 1000

const folder = join(import.meta.dirname, '../runtimes')
const workFile = join(folder, 'work.ts')

const source: RowSource = async () => {
  const sizes: string[] = []
  for (const kind of kinds) sizes.push(`${kind} ${(await kilobytes(program(kind))).toFixed(1)} kB`)
  const parts = `everything of the package's entry alone ${(await kilobytes(root)).toFixed(1)} kB, of /grammar alone ${(await kilobytes(grammars)).toFixed(1)} kB; a program with a chain of three steps and one kind of grammar: ${sizes.join(', ')}`
  const rows: Row[] = [
    atMost('the package and its grammars, without the Lark front end', await kilobytes(root + grammars), 20, {
      unit: 'kB of gzip',
      digits: 1,
      note: `minified; ${parts}`,
    }),
  ]
  const expected = work()
  const ran = (where: string, result: unknown, messages: readonly string[] = []) => {
    const { invalid } = result as Result
    const same = isDeepStrictEqual(result, expected) && messages.length === 0
    return row(
      `texts of a JSON Schema by random logits in ${where}: invalid`,
      `0 of ${expected.texts.length}`,
      String(invalid),
      same && invalid === 0,
      messages.length > 0 ? messages.join('; ') : same ? 'the same texts as in Node' : 'other texts than in Node',
    )
  }
  rows.push(ran(`Node ${process.version}`, expected))
  rows.push(ran('the edge runtime (@edge-runtime/vm)', await inEdgeRuntime(workFile)))
  rows.push(ran('a context of the language, TextEncoder and TextDecoder alone, without eval', await inBareContext(workFile)))
  const executable = findChromium()
  if (executable === undefined) return [...rows, unavailable('the same in a page and a worker of Chromium', '0 invalid', noChromium)]
  const { results, messages } = await inChromium(executable, join(folder, 'page'))
  const { page, worker } = results as { page: Result; worker: Result }
  return [...rows, ran('a page of Chromium', page, messages), ran('a worker of Chromium', worker, messages)]
}
export default source
