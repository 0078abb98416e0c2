// Training of Unigram models beside Hugging Face's trainer, which is not the same twice: tokens and likelihood of text that neither has seen, what there is in common,
// the ids that Hugging Face gives with our toJSON, and time.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tokenizer, trainUnigram } from '@tesserae/tokenizer'
import { pythonWith, runForJson } from '../../lib/peers.js'
import { atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'
import { code, english, languages } from '../texts/corpora.js'

const tools = join(import.meta.dirname, '../../../tokenizer')
const corpora = [
  { name: 'English', text: english, vocabSize: 8000 },
  { name: 'code', text: code, vocabSize: 8000 },
  { name: 'thirteen languages', text: languages, vocabSize: 16_000 },
] as const
/** One line of this many is kept for the comparison. */
const HELD_OUT = 10

interface Trained {
  readonly version: string
  readonly seconds: number
}

const source: RowSource = async ({ log }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-unigram-'))
  try {
    // A development machine may have an environment with tokenizers already.
    const python =
      process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('huggingface-tokenizers', ['tokenizers==0.23.3', 'sentencepiece==0.2.3'])
    const theirs = async (name: string, lines: readonly string[], vocabSize: number): Promise<Trained> => {
      writeFileSync(join(folder, `${name}.txt`), lines.join('\n'))
      return (await runForJson(python, [
        join(tools, 'train-unigram.py'),
        join(folder, `${name}.txt`),
        String(vocabSize),
        join(folder, `${name}.theirs.json`),
      ])) as Trained
    }
    const rows: Row[] = []
    const seconds = { ours: 0, theirs: 0, bytes: 0 }
    for (const { name, text, vocabSize } of corpora) {
      const lines = text().split('\n')
      const kept = lines.filter((_, i) => i % HELD_OUT !== 0)
      const held = lines.filter((_, i) => i % HELD_OUT === 0)
      const before = process.cpuUsage()
      const tokenizer = await trainUnigram(kept, { vocabSize })
      const { user, system } = process.cpuUsage(before)
      const { version, seconds: taken } = await theirs(name, kept, vocabSize)
      seconds.ours += (user + system) / 1e6
      seconds.theirs += taken
      seconds.bytes += Buffer.byteLength(kept.join('\n'))
      const other = Tokenizer.fromJSON(readFileSync(join(folder, `${name}.theirs.json`), 'utf8'))
      const [ours, peer] = [measure(tokenizer, held), measure(other, held)]
      const forms = new Set(vocabOf(tokenizer).map(([form]) => form))
      const common = vocabOf(other).filter(([form]) => forms.has(form)).length / vocabOf(other).length
      log(`${name}: ${ours.tokens} and ${peer.tokens} tokens, ${ours.nats.toFixed(0)} and ${peer.nats.toFixed(0)} nats`)
      const note = `${vocabOf(tokenizer).length} and ${vocabOf(other).length} pieces, ${(common * 100).toFixed(0)} % of them in common; tokenizers ${version}`
      rows.push(
        atMost(`Unigram, ${name}: tokens of unseen lines, times those of Hugging Face's model`, ours.tokens / peer.tokens, 1.01, {
          digits: 4,
          note,
        }),
        atMost(
          `Unigram, ${name}: negative log-likelihood of unseen lines, times that of Hugging Face's model`,
          ours.nats / peer.nats,
          1.01,
          {
            digits: 4,
            note: `${ours.nats.toFixed(0)} and ${peer.nats.toFixed(0)} nats`,
          },
        ),
      )
      const cases = held.slice(0, 1000).map((line) => {
        const { ids, offsets } = tokenizer.encodeWithOffsets(line, { special: 'text', offsets: 'codepoint' })
        return { text: line, ids: [...ids], offsets: [...offsets], decoded: tokenizer.decode(ids) }
      })
      writeFileSync(join(folder, `${name}.json`), JSON.stringify({ cases }))
      writeFileSync(join(folder, `${name}.ours`), JSON.stringify(tokenizer))
    }
    const { different } = (await runForJson(python, [join(tools, 'hf-round-trip.py'), folder])) as { different: Record<string, number> }
    const total = Object.values(different).reduce((sum, count) => sum + count, 0)
    rows.push(
      row(
        'Unigram: unseen lines whose ids, offsets or decoding differ in Hugging Face tokenizers with our toJSON',
        '0',
        String(total),
        total === 0 && Object.keys(different).length === corpora.length,
        Object.entries(different)
          .map(([name, count]) => `${name} ${count}`)
          .join(', '),
      ),
    )
    rows.push(
      atMost("Unigram: CPU-seconds of training on all three, times those of Hugging Face's trainer", seconds.ours / seconds.theirs, 1, {
        note: `${(seconds.bytes / 1e6).toFixed(1)} MB of text: ${seconds.ours.toFixed(1)} and ${seconds.theirs.toFixed(1)} CPU-seconds`,
      }),
    )
    return rows
  } catch (error) {
    return unavailable("Unigram training beside Hugging Face's", 'as good', error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

const vocabOf = (tokenizer: Tokenizer): readonly (readonly [string, number])[] =>
  tokenizer.toJSON().model['vocab'] as unknown as readonly (readonly [string, number])[]

/** Tokens of lines and their negative log-likelihood, an unknown token at what such models take for it: the worst score and 10 more. */
function measure(tokenizer: Tokenizer, lines: readonly string[]): { tokens: number; nats: number } {
  const scores = vocabOf(tokenizer).map(([, score]) => score)
  const unknown = Math.min(...scores) - 10
  let tokens = 0
  let nats = 0
  for (const line of lines) {
    for (const id of tokenizer.encode(line, { special: 'text' })) {
      tokens++
      nats -= id === 0 ? unknown : scores[id]!
    }
  }
  return { tokens, nats }
}
