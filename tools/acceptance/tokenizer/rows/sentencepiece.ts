// Bar 1: ids, pieces with their places, decoding and streaming of Python's sentencepiece for Unigram, BPE, word and character models that it trains here,
// and the ids that Hugging Face tokenizers gives for what toJSON makes of them.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tokenizer, TokenizerError } from '@tesserae/tokenizer'
import { dataFile } from '../../lib/data.js'
import { pythonWith, runForJson } from '../../lib/peers.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const STRINGS = 2000

interface Answers {
  readonly cases: readonly {
    readonly text: string
    readonly ids: readonly number[]
    readonly pieces: readonly string[]
    readonly spans: readonly (readonly [number, number])[]
    readonly decoded: string
  }[]
  readonly decodings: readonly { readonly ids: readonly number[]; readonly decoded: string }[]
}

const source: RowSource = async ({ log }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-sentencepiece-'))
  try {
    // A development machine may have an environment with sentencepiece already.
    const python =
      process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('huggingface-tokenizers', ['tokenizers==0.23.3', 'sentencepiece==0.2.3'])
    const script = join(import.meta.dirname, '../../../tokenizer/sentencepiece_cases.py')
    const written = join(folder, 'written')
    mkdirSync(written)
    const unsaid: string[] = []
    const { version, names } = (await runForJson(python, [
      script,
      dataFile('vocab/botchan.txt'),
      folder,
      '--strings',
      String(STRINGS),
    ])) as { version: string; names: string[] }
    const rows: Row[] = []
    for (const name of names) {
      const tokenizer = Tokenizer.fromSentencePiece(readFileSync(join(folder, `${name}.model`)))
      const answers = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Answers
      const reason = write(tokenizer, answers, join(written, name))
      if (reason !== undefined) unsaid.push(`${name}: ${reason}`)
      const { ids, places, decoded, streamed, first } = compare(tokenizer, answers)
      log(`${name}: ${ids} ids, ${places} pieces, ${decoded} decodings, ${streamed} streams differ`)
      rows.push(
        row(
          `sentencepiece, ${name}: other ids, pieces and places, decoding or stream than Python's on ${STRINGS} strings`,
          '0 / 0 / 0 / 0',
          `${ids} / ${places} / ${decoded} / ${streamed}`,
          answers.cases.length === STRINGS && ids + places + decoded + streamed === 0,
          `sentencepiece ${version}, trained by it on botchan.txt; ${answers.decodings.length} decodings more of control tokens, bytes and the rest at random${first === undefined ? '' : `; first: ${JSON.stringify(first.slice(0, 80))}`}`,
        ),
      )
    }
    rows.push(...(await writtenRows(python, written, unsaid)))
    return rows
  } catch (error) {
    return unavailable("ids of Python's sentencepiece", '0 differ', error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

/** Names of control tokens and bytes, which Hugging Face tokenizers makes tokens of wherever they stand. */
const NAMED = /<(s|\/s|unk|cls|0x[0-9A-F]{2})>/

/** Writes a tokenizer for Hugging Face's with the ids that it should give; returns why where it cannot be written. */
function write(tokenizer: Tokenizer, { cases }: Answers, path: string): string | undefined {
  try {
    writeFileSync(`${path}.ours`, JSON.stringify(tokenizer))
  } catch (error) {
    if (error instanceof TokenizerError && error.code === 'UNSUPPORTED')
      return error.message.replace(/^A tokenizer\.json cannot say (.*);.*$/, '$1')
    throw error
  }
  const kept = cases.filter(({ text }) => !NAMED.test(text)).map(({ text, ids }) => ({ text, ids }))
  writeFileSync(`${path}.json`, JSON.stringify({ cases: kept }))
  return undefined
}

async function writtenRows(python: string, folder: string, unsaid: readonly string[]): Promise<Row[]> {
  const { version, different } = (await runForJson(python, [join(import.meta.dirname, '../../../tokenizer/hf-round-trip.py'), folder])) as {
    version: string
    different: Record<string, number>
  }
  return Object.entries(different).map(([name, count], i) => {
    const { cases } = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Pick<Answers, 'cases'>
    const { normalizer } = JSON.parse(readFileSync(join(folder, `${name}.ours`), 'utf8')) as { normalizer: unknown }
    // Near ties fall the other way in double precision. Normal forms go by user-perceived characters there, which fuzz strings have odd ones of.
    const [limit, why] = JSON.stringify(normalizer).includes('Precompiled')
      ? [0.04, 'its Precompiled normalizes otherwise']
      : [name.startsWith('unigram') ? 0.002 : 0, 'its scores are in double precision']
    return row(
      `sentencepiece, ${name}, as tokenizer.json: strings with other ids in Hugging Face tokenizers than in Python's sentencepiece`,
      limit === 0 ? '0' : `≤ ${limit * 100} %, because ${why}`,
      `${count} of ${cases.length}`,
      count <= limit * cases.length && cases.length > STRINGS / 2,
      `tokenizers ${version}${i === 0 ? `; refused by name: ${unsaid.join('; ')}` : ''}`,
    )
  })
}

function compare(tokenizer: Tokenizer, { cases, decodings }: Answers) {
  const found = { ids: 0, places: 0, decoded: 0, streamed: 0, first: undefined as string | undefined }
  for (const { text, ids, pieces, spans } of cases) {
    const sameIds = tokenizer.encode(text, { special: 'text' }).join() === ids.join()
    const { ids: again, tokens, offsets } = tokenizer.encodeWithOffsets(text, { special: 'text', offsets: 'utf8' })
    const samePlaces =
      again.join() === ids.join() &&
      tokens.join() === pieces.join() &&
      spans.every(([start, end], i) => {
        // Here all bytes of a character have its place; there only the last one does.
        const inside = start === end && /^<0x..>$/.test(pieces[i]!)
        return offsets[i * 2] === start && (inside || offsets[i * 2 + 1] === end)
      })
    if (!sameIds) found.ids++
    if (!samePlaces) found.places++
    if (!sameIds || !samePlaces) found.first ??= text
  }
  for (const { ids, decoded } of [...cases, ...decodings]) {
    if (tokenizer.decode(ids) !== decoded) found.decoded++
    const stream = tokenizer.decoder()
    if (ids.map((id) => stream.push(id)).join('') + stream.flush() !== decoded) found.streamed++
  }
  return found
}
