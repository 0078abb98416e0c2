// Bar 1, first part: the ids of Python tiktoken on fuzz and on text, for every encoding; decoding and streaming give the text back.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tokenizer, type EncodingName } from '@tesserae/tokenizer'
import { pythonWith, runForJson } from '../../lib/peers.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { code, english, languages } from '../texts/corpora.js'
import { fuzzTexts } from '../texts/fuzz.js'

const names: readonly EncodingName[] = ['gpt2', 'r50k_base', 'p50k_base', 'p50k_edit', 'cl100k_base', 'o200k_base', 'o200k_harmony']
const rankFiles: readonly EncodingName[] = ['r50k_base', 'p50k_base', 'cl100k_base', 'o200k_base']
const FUZZ = 20_000
const SEED = 20_260_101

const source: RowSource = async ({ log }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-tiktoken-'))
  try {
    // A development machine may have an environment with tiktoken already.
    const python = process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('tiktoken', ['tiktoken==0.14.0'])
    for (const name of rankFiles) writeFileSync(join(folder, `${name}.tiktoken`), rankFile(await Tokenizer.fromEncoding(name)))
    const book = [english(), languages(), code()]
    const megabytes = book.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6
    const rows: Row[] = []
    // One encoding at a time keeps the files small.
    for (const [index, name] of names.entries()) {
      const fuzz = fuzzTexts(FUZZ, SEED + index)
      const texts = [...fuzz, ...book]
      const out = join(folder, `${name}.ids`)
      const job = join(folder, 'job.json')
      writeFileSync(job, JSON.stringify({ cache: folder, encodings: [{ name, texts, out }] }))
      const { version, vocab } = (await runForJson(python, [join(import.meta.dirname, '../peers/tiktoken_ids.py'), job])) as {
        version: string
        vocab: Record<string, number>
      }
      const { different, roundTrips, streams } = compare(await Tokenizer.fromEncoding(name), texts, readFileSync(out))
      log(`${name}: ${different.length} of ${texts.length} differ from tiktoken ${version}`)
      const size = (await Tokenizer.fromEncoding(name)).vocabSize
      rows.push(
        row(
          `${name}: texts with other ids than Python tiktoken's, of ${FUZZ} fuzz strings and ${megabytes.toFixed(1)} MB`,
          '0',
          String(different.length),
          different.length === 0 && size === vocab[name],
          `tiktoken ${version}, whose hashes check the vocabulary; vocabSize ${size}, n_vocab ${vocab[name]}; special tokens as text and allowed; seed ${SEED + index}${
            different.length === 0 ? '' : `; first: ${JSON.stringify(different[0]!.slice(0, 80))}`
          }`,
        ),
        row(
          `${name}: texts that decoding, or streaming token by token, does not give back`,
          '0',
          String(roundTrips + streams),
          roundTrips + streams === 0,
          'lone surrogates come back as U+FFFD',
        ),
      )
    }
    return rows
  } catch (error) {
    return unavailable('ids of Python tiktoken', '0 differ', error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

/** The rank file of an encoding as OpenAI publishes it. */
function rankFile(tokenizer: Tokenizer): string {
  const special = new Set(tokenizer.specialTokens.values())
  let text = ''
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (!special.has(id) && hasToken(tokenizer, id)) text += `${Buffer.from(tokenizer.tokenBytes(id)).toString('base64')} ${id}\n`
  }
  return text
}

function hasToken(tokenizer: Tokenizer, id: number): boolean {
  try {
    tokenizer.tokenBytes(id)
    return true
  } catch {
    return false
  }
}

function compare(tokenizer: Tokenizer, texts: readonly string[], file: Buffer) {
  const expected = new Uint32Array(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength))
  const different: string[] = []
  let roundTrips = 0
  let streams = 0
  let at = 0
  const next = () => {
    const count = expected[at]!
    at += 1 + count
    return expected.subarray(at - count, at)
  }
  for (const text of texts) {
    const ordinary = tokenizer.encode(text, { special: 'text' })
    const allowed = tokenizer.encode(text, { special: 'allow' })
    if (!equal(ordinary, next()) || !equal(allowed, next())) different.push(text)
    const clean = text.replace(/[\ud800-\udfff]/gu, '\ufffd')
    if (tokenizer.decode(ordinary) !== clean) roundTrips++
    const stream = tokenizer.decoder()
    let streamed = ''
    for (const id of ordinary) streamed += stream.push(id)
    if (streamed + stream.flush() !== clean) streams++
  }
  return { different, roundTrips, streams }
}

const equal = (a: Uint32Array, b: Uint32Array) => a.length === b.length && a.every((id, i) => id === b[i])
