// Bar 1: ids, pieces with their places, decoding and streaming of Python's sentencepiece for Unigram, BPE, word and character models that it trains here.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tokenizer } from '@tesserae/tokenizer'
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
    const python = process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('sentencepiece', ['sentencepiece==0.2.3'])
    const script = join(import.meta.dirname, '../../../tokenizer/sentencepiece_cases.py')
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
    return rows
  } catch (error) {
    return unavailable("ids of Python's sentencepiece", '0 differ', error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

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
