// Bar 3: byte-level BPE, BPE on characters and WordPiece give the vocabularies of Hugging Face's trainers and load there; time and memory for 32,000 tokens from
// 100 MB beside theirs, taking turns.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Tokenizer } from '@tesserae/tokenizer'
import { pythonWith, runForJson } from '../../lib/peers.js'
import { atMost, row, unavailable, type Row, type RowContext, type RowSource } from '../../lib/row.js'
import { fuzzTexts, wellFormed } from '../texts/fuzz.js'
import { trainingCorpus } from '../texts/training-corpus.js'
import { trainCase, trainingCases } from '../training/cases.js'

const MEGABYTES = 100
const VOCABULARY = 32_000
const TURNS = 2
const tools = join(import.meta.dirname, '../../../tokenizer')
const kinds = { bytes: 'byte-level BPE', characters: 'BPE on characters', wordpiece: 'WordPiece' }

interface Answer {
  readonly vocab: readonly string[]
  readonly merges: readonly string[]
  readonly ids: readonly (readonly number[])[]
  readonly loaded: readonly (readonly number[])[]
}

interface Turn {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakMiB: number
  readonly counting?: number
}

const source: RowSource = async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-training-'))
  try {
    // A development machine may have an environment with tokenizers already.
    const python =
      process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('huggingface-tokenizers', ['tokenizers==0.23.3', 'sentencepiece==0.2.3'])
    return [...(await vocabularies(folder, python, context)), ...(await contest(folder, python, context))]
  } catch (error) {
    return unavailable("vocabularies and time of Hugging Face's trainers", '0 differ', error)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

async function vocabularies(folder: string, python: string, { log }: RowContext): Promise<Row[]> {
  const cases = trainingCases()
  const trained: Tokenizer[] = []
  for (const entry of cases) {
    const started = performance.now()
    trained.push(await trainCase(entry))
    log(`${entry.name}, ${kinds[entry.case.kind]}: ${((performance.now() - started) / 1000).toFixed(2)} s`)
  }
  // The beginnings of the texts that were trained on, and others.
  const samples = cases.map(({ texts }, i) => [
    ...texts.slice(0, 40).map((text) => wellFormed(text.slice(0, 400))),
    ...fuzzTexts(200, i).map(wellFormed),
  ])
  const [job, out] = [join(folder, 'cases.json'), join(folder, 'answers.json')]
  const asked = cases.map((entry, i) => ({ ...entry, samples: samples[i], ours: JSON.stringify(trained[i]) }))
  writeFileSync(job, JSON.stringify({ cases: asked }))
  const { version } = (await runForJson(python, [join(tools, 'training-cases.py'), job, out])) as { version: string }
  const answers = JSON.parse(readFileSync(out, 'utf8')) as Answer[]
  return cases.map(({ name, case: { kind }, texts }, i) => {
    const { vocab, merges, ids, loaded } = answers[i]!
    const model = trained[i]!.toJSON().model
    const ours = Object.keys(model.vocab).sort((a, b) => model.vocab[a]! - model.vocab[b]!)
    const otherTokens = differing(ours, vocab)
    const otherMerges = differing(
      (model.merges ?? []).map((pair) => pair.join(' ')),
      merges,
    )
    const tried = samples[i]!
    const otherIds = tried.filter((text, k) => {
      const own = trained[i]!.encode(text, { special: 'allow' }).join()
      return own !== ids[k]!.join() || own !== loaded[k]!.join()
    }).length
    return row(
      `training, ${kinds[kind]}, ${name}: tokens / merges / texts of ${tried.length} that differ from Hugging Face's, also with our toJSON loaded there`,
      '0 / 0 / 0',
      `${otherTokens} / ${otherMerges} / ${otherIds}`,
      vocab.length > 256 && otherTokens + otherMerges + otherIds === 0,
      `tokenizers ${version}; ${(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6).toFixed(1)} MB, ${vocab.length} tokens, ${merges.length} merges`,
    )
  })
}

const differing = (ours: readonly string[], theirs: readonly string[]): number =>
  Array.from({ length: Math.max(ours.length, theirs.length) }, (_, i) => ours[i] !== theirs[i]).filter(Boolean).length

async function contest(folder: string, python: string, { log }: RowContext): Promise<Row[]> {
  const file = join(folder, 'corpus')
  const output = openSync(file, 'w')
  let documents = 0
  for (const text of trainingCorpus(MEGABYTES * 1e6)) {
    writeSync(output, `${text}\0`)
    documents++
  }
  closeSync(output)
  const run = {
    ours: (out: string) =>
      runForJson(process.execPath, ['--import', 'tsx', join(import.meta.dirname, '../training/work.ts'), file, String(VOCABULARY), out]),
    theirs: (out: string) => runForJson(python, [join(import.meta.dirname, '../peers/train_bpe.py'), file, String(VOCABULARY), out]),
  }
  const turns = { ours: [] as Turn[], theirs: [] as Turn[] }
  for (let turn = 0; turn < TURNS; turn++) {
    for (const side of turn % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
      const result = (await run[side](join(folder, `${side}.json`))) as Turn
      turns[side].push(result)
      log(`${MEGABYTES} MB, ${side}: ${result.seconds.toFixed(1)} s, ${result.peakMiB.toFixed(0)} MiB`)
    }
  }
  const best = (side: readonly Turn[]) => side.reduce((a, b) => (b.seconds < a.seconds ? b : a))
  const [ours, theirs] = [best(turns.ours), best(turns.theirs)]
  const merges = (side: string) =>
    (JSON.parse(readFileSync(join(folder, `${side}.json`), 'utf8')) as { model: { merges: string[][] } }).model.merges.map((pair) =>
      pair.join(' '),
    )
  const different = differing(merges('ours'), merges('theirs'))
  const what = `byte-level BPE of ${VOCABULARY} tokens from ${MEGABYTES} MB`
  const all = (side: readonly Turn[]) => side.map(({ seconds }) => seconds.toFixed(1)).join(', ')
  return [
    atMost(`${what}: times the seconds of Hugging Face's trainer (Rust, all cores)`, ours.seconds / theirs.seconds, 2, {
      note: `ours ${all(turns.ours)} s (${ours.counting?.toFixed(1)} s of the best for reading and counting), theirs ${all(turns.theirs)} s, taking turns; the best counts; of CPU ours ${ours.cpuSeconds.toFixed(1)} s, theirs ${theirs.cpuSeconds.toFixed(1)} s. ${documents} documents: sources and documents of the installed packages, Moby-Dick, messages in thirteen languages, made-up prose`,
    }),
    atMost(`${what}: peak memory of the process`, Math.max(...turns.ours.map(({ peakMiB }) => peakMiB)), 2048, {
      unit: 'MiB',
      digits: 0,
      note: `theirs ${Math.max(...turns.theirs.map(({ peakMiB }) => peakMiB)).toFixed(0)} MiB with the texts, which ours reads as a stream`,
    }),
    row(`${what}: merges that differ`, '0', String(different), different === 0 && merges('theirs').length > 30_000),
  ]
}
