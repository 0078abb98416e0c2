// Bar 1: ids, tokens, offsets, words, pairs, decoding and streaming of Hugging Face tokenizers for files that have every component between them,
// and what toJSON writes loaded there again.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { Tokenizer } from '@tesserae/tokenizer'
import { differences, type HfFixture } from '../../../../packages/tokenizer/src/__fixtures__/hf-cases.js'
import { pythonWith, runForJson } from '../../lib/peers.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const STRINGS = 2000
const VOCABULARY = 3000
const tools = join(import.meta.dirname, '../../../tokenizer')

const source: RowSource = async ({ log }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-huggingface-'))
  try {
    // A development machine may have an environment with tokenizers already.
    const python =
      process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('huggingface-tokenizers', ['tokenizers==0.23.3', 'sentencepiece==0.2.3'])
    await runForJson(python, [join(tools, 'generate-hf-fixtures.py'), folder, String(VOCABULARY), String(STRINGS)])
    const names = readdirSync(folder).map((file) => basename(file, '.json'))
    const rows: Row[] = []
    const found = new Map<string, readonly string[]>()
    for (const name of names) {
      const fixture = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as HfFixture
      found.set(name, differences(fixture))
      writeFileSync(join(folder, `${name}.ours`), JSON.stringify(Tokenizer.fromJSON(fixture.tokenizer)))
      log(`${name}: ${found.get(name)!.length} differences on ${fixture.cases.length} texts`)
    }
    const { version, different } = (await runForJson(python, [join(tools, 'hf-round-trip.py'), folder])) as {
      version: string
      different: Record<string, number>
    }
    for (const [name, lines] of found) {
      rows.push(
        row(
          `${name}: other ids, tokens, offsets, words, decoding or stream than Hugging Face's on ${STRINGS} strings / texts that differ there with our toJSON`,
          '0 / 0',
          `${lines.length} / ${different[name]}`,
          lines.length === 0 && different[name] === 0,
          `tokenizers ${version}, trained by it${lines.length === 0 ? '' : `; first: ${lines[0]!.slice(0, 160)}`}`,
        ),
      )
    }
    return rows
  } catch (error) {
    return unavailable('ids of Hugging Face tokenizers', '0 differ', error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source
