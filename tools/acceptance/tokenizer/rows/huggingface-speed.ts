// Bar 2, last part: tokenizer.json files that are not byte-level beside @huggingface/tokenizers in one run.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Tokenizer } from '@tesserae/tokenizer'
import { pythonWith, runForJson } from '../../lib/peers.js'
import { atLeast, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { npmFolderWith } from '../../lib/npm.js'
import { peerPackages } from '../speed/contestants.js'
import { measureSpeeds } from '../speed/measure.js'
import { english, languages } from '../texts/corpora.js'

const VOCABULARY = 8000
const ROUNDS = 5
/** A WordPiece, two BPE of characters without and with a pre-tokenizer, a Unigram and a byte-level file, as models in use have them. */
const names = ['bert', 'llama2', 'mistral', 't5', 'llama3'] as const
const figure = 'tokenizer.json beside @huggingface/tokenizers'

interface Peer {
  readonly Tokenizer: new (json: unknown, config: unknown) => { encode: (text: string) => { ids: number[] } }
}

const source: RowSource = async ({ log }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-huggingface-speed-'))
  try {
    const python =
      process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('huggingface-tokenizers', ['tokenizers==0.23.3', 'sentencepiece==0.2.3'])
    await runForJson(python, [join(import.meta.dirname, '../../../tokenizer/generate-hf-fixtures.py'), folder, String(VOCABULARY), '10'])
    const npm = process.env['TESSERAE_NPM_PEERS'] ?? npmFolderWith('tokenizers', peerPackages)
    const resolve = createRequire(join(npm, 'package.json')).resolve
    const peer = (await import(pathToFileURL(resolve('@huggingface/tokenizers')).href)) as Peer
    const rows: Row[] = []
    for (const name of names) {
      const json = (JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as { tokenizer: unknown }).tokenizer
      const ours = {
        name: 'ours',
        fresh: () => {
          const tokenizer = Tokenizer.fromJSON(json)
          return (text: string) => tokenizer.encode(text, { special: 'allow' })
        },
      }
      const theirs = {
        name: 'theirs',
        fresh: () => {
          const tokenizer = new peer.Tokenizer(json, {})
          return (text: string) => tokenizer.encode(text).ids
        },
      }
      const speeds = measureSpeeds([ours, theirs], { English: english(), Unicode: languages() }, ROUNDS)
      for (const text of ['English', 'Unicode']) {
        const mine = speeds.find((speed) => speed.text === text && speed.contestant === 'ours')!
        const other = speeds.find((speed) => speed.text === text && speed.contestant === 'theirs')!
        const shown = `${mine.empty.toFixed(1)} and ${mine.warm.toFixed(1)} MB per CPU-second with an empty and a warm cache; theirs ${other.empty.toFixed(2)} and ${other.warm.toFixed(2)}`
        log(`${name}, ${text}: ${shown}`)
        rows.push(
          atLeast(`${name}, ${text}: times the speed of @huggingface/tokenizers, later texts`, mine.warm / other.warm, 5, {
            digits: 1,
            note: shown,
          }),
        )
        rows.push(atLeast(`${name}, ${text}: the same, first text`, mine.empty / other.empty, 5, { digits: 1, note: shown }))
      }
    }
    return rows
  } catch (error) {
    return unavailable(figure, '≥ 5', error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source
