// Bar 4: bytes of gzip that a page downloads, and the runtimes that the encodings run in.
import { isDeepStrictEqual } from 'node:util'
import { findChromium, noChromium } from '../../../../tests/browser/chromium.js'
import { atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { bundle, gzipSize } from '../../lib/bundle.js'
import { inBareContext, inChromium, inEdgeRuntime } from '../runtimes/run.js'
import { expected, work, type Result } from '../runtimes/work.js'

const core = "export { createTokenizer } from '@tesserae/tokenizer/encodings'\n"
const data = (name: string) => `export { ${name} } from '@tesserae/tokenizer/encodings/${name}'\n`
const kilobytes = (script: string) => gzipSize(script) / 1000

const source: RowSource = async () => {
  const rows: Row[] = []
  const whole = kilobytes(
    await bundle("export { Tokenizer } from '@tesserae/tokenizer'\n", /\/(?:\w+_base|gpt2|p50k_edit|o200k_harmony)\.js$/),
  )
  const note = `minified; createTokenizer of @tesserae/tokenizer/encodings. The whole Tokenizer with every reader is ${whole.toFixed(1)} kB`
  const size = { unit: 'kB of gzip', digits: 1 }
  rows.push(atMost('the core', kilobytes(await bundle(core)), 15, { ...size, note }))
  for (const [name, limit] of [
    ['cl100k_base', 440],
    ['o200k_base', 1010],
    ['r50k_base', 440],
  ] as const) {
    rows.push(atMost(`the core with ${name} and its vocabulary`, kilobytes(await bundle(core + data(name))), limit, size))
  }
  const ran = (where: string, result: Result, messages: readonly string[] = []) =>
    row(
      `ids, streaming and refusals of two encodings in ${where}`,
      'as in Python tiktoken',
      isDeepStrictEqual(result, expected) && messages.length === 0 ? 'the same' : 'not the same',
      isDeepStrictEqual(result, expected) && messages.length === 0,
      ...(messages.length === 0 ? [] : [messages.join('; ')]),
    )
  rows.push(ran(`Node ${process.version}`, work()))
  rows.push(ran('the edge runtime (@edge-runtime/vm)', await inEdgeRuntime()))
  rows.push(ran('a context of the language, TextEncoder and TextDecoder alone, without eval', await inBareContext()))
  const executable = findChromium()
  if (executable === undefined) rows.push(unavailable('the same in a page and a worker of Chromium', 'as in Python tiktoken', noChromium))
  else {
    const { page, worker, batch, messages } = await inChromium(executable)
    rows.push(ran('a page of Chromium', page, messages), ran('a worker of Chromium', worker, messages))
    const ids = expected.ids['cl100k_base']!
    const same = isDeepStrictEqual(batch, [ids, [], ids])
    rows.push(row('a batch in threads started from a page of Chromium', 'the ids of encode', same ? 'the same' : 'not the same', same))
  }
  return rows
}
export default source
