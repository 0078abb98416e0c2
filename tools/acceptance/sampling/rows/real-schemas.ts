// Bar 4, second half: schemas that people use, in one run with llguidance and xgrammar in Python.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Job } from '../contests/contest.js'
import { Contestant, inNode } from '../contests/contestant.js'
import { quantile, spread, time } from '../contests/figures.js'
import { readRaw, writeRaw, type Raw } from '../contests/raw-json.js'
import { first, Tally } from '../contests/tally.js'
import { cl100k, type Tokens } from '../contests/vocabulary.js'
import { PeerUnavailable, pythonWith } from '../../lib/peers.js'
import { atLeast, atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const REPORTED = 'reported'
/** Seconds that an engine has for a schema, and for the masks of one. */
const LIMIT = 60
const FOR_MASKS = 10
/** Minutes that an engine has for all of them; the figures say how many it was asked. */
const MINUTES = Number(process.env['TESSERAE_ENGINE_MINUTES'] ?? 30)
const REQUIREMENTS = ['llguidance==1.9.1', 'xgrammar==0.2.8', 'numpy']
/** Every so many of the listed schemas; for trying the row out. */
const STRIDE = Number(process.env['TESSERAE_SCHEMA_STRIDE'] ?? 1)

interface Listed {
  readonly origin: string
  readonly commit: string
  readonly sources: readonly {
    readonly name: string
    readonly licence: string
    readonly home: string
    /** SHA-256 of each file. */
    readonly files: Readonly<Record<string, string>>
  }[]
}

interface RealCase {
  readonly name: string
  readonly hash: string
  readonly schema: string
  readonly valid: readonly string[]
  readonly invalid: readonly string[]
}

const source: RowSource = async ({ log }) => {
  const listed = JSON.parse(readFileSync(join(import.meta.dirname, '../real-schemas.json'), 'utf8')) as Listed
  let cases: RealCase[]
  try {
    // In the order of their hashes, so that those that an engine was asked are of all sources.
    cases = read(listed)
      .sort((a, b) => (a.hash < b.hash ? -1 : 1))
      .filter((_, i) => i % STRIDE === 0)
  } catch (error) {
    return unavailable('real schemas', '≥ 500 compiled and measured', error)
  }
  const instances = cases.reduce((sum, { valid, invalid }) => sum + valid.length + invalid.length, 0)
  const sources = listed.sources.map(({ name, licence, files }) => `${Object.keys(files).length} of ${name} (${licence})`).join(', ')
  const conditions = `${cases.length} schemas with ${instances} instances by MaskBench ${listed.commit.slice(0, 8)}: ${sources}; cl100k_base`
  log(conditions)
  const tokens = await cl100k()
  const scratch = mkdtempSync(join(tmpdir(), 'tesserae-schemas-'))
  const rows: Row[] = []
  try {
    const run = async (contestant: Contestant, anyOrder: boolean): Promise<Tally> => {
      const tally = new Tally()
      try {
        await contestant.start()
        const deadline = performance.now() + MINUTES * 60_000
        for (const [i, one] of cases.entries()) {
          if (performance.now() > deadline) break
          tally.take(one.name, one.valid, one.invalid, await contestant.ask(jobOf(tokens, one, anyOrder)))
          if (i % 100 === 99) log(`${contestant.name}: ${i + 1} of ${cases.length}, masks ${spread(tally.masks)}`)
        }
      } finally {
        contestant.end()
      }
      return tally
    }
    rows.push(...ownRows(await run(inNode('tesserae', LIMIT), true), conditions))
    const ordered = await run(inNode('tesserae', LIMIT), false)
    const share = (100 * ordered.rejected.length) / ordered.valid
    rows.push(
      row(
        "with members in the schema's order, as by default: invalid accepted; valid rejected",
        REPORTED,
        `${ordered.accepted.length} of ${ordered.invalid}; ${ordered.rejected.length} of ${ordered.valid} (${share.toFixed(1)} %)`,
        true,
        `members of the instances stand in any order; compiling ${spread(ordered.compile.map((one) => one * 1000))}; a mask ${spread(ordered.masks)}`,
      ),
    )
    for (const name of ['llguidance', 'xgrammar']) {
      try {
        const python = process.env['TESSERAE_GRAMMARS_PYTHON'] ?? pythonWith('grammars', REQUIREMENTS)
        const vocabulary = join(scratch, 'vocabulary.json')
        const encoded = tokens.tokens.map((bytes) => (bytes === undefined ? null : Buffer.from(bytes).toString('base64')))
        if (!existsSync(vocabulary)) writeFileSync(vocabulary, JSON.stringify({ tokens: encoded, end: tokens.end }))
        const script = join(import.meta.dirname, '../peers/engines.py')
        const peer = new Contestant(name, python, [script, name, vocabulary], LIMIT)
        rows.push(...peerRows(await run(peer, true), peer))
      } catch (error) {
        rows.push(unavailable(`${name} over the same schemas`, REPORTED, error))
      }
    }
    return rows
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
export default source

/** The listed schemas with their instances; each file has to be the one that is listed. */
function read({ origin, commit, sources }: Listed): RealCase[] {
  const folder = process.env['TESSERAE_MASKBENCH']
  if (folder === undefined || !existsSync(folder))
    throw new PeerUnavailable(
      `set TESSERAE_MASKBENCH to the folder maskbench/data of ${origin} at commit ${commit} (git clone, git checkout); its schemas are not copied into this repository`,
    )
  return sources.flatMap(({ files }) =>
    Object.entries(files).map(([name, hash]) => {
      const path = join(folder, name)
      if (!existsSync(path)) throw new PeerUnavailable(`${path} is not there; the list is of ${origin} at commit ${commit}`)
      const text = readFileSync(path, 'utf8')
      if (createHash('sha256').update(text).digest('hex') !== hash)
        throw new PeerUnavailable(`${path} is not the file that is listed, of ${origin} at commit ${commit}`)
      const file = readRaw(text) as ReadonlyMap<string, Raw>
      const tests = (file.get('tests') ?? []) as readonly ReadonlyMap<string, Raw>[]
      const which = (valid: string): string[] => tests.filter((one) => one.get('valid') === valid).map((one) => writeRaw(one.get('data')!))
      return {
        name: name.replace(/\.json$/, ''),
        hash,
        schema: writeRaw(file.get('schema')!),
        valid: which('true'),
        invalid: which('false'),
      }
    }),
  )
}

function jobOf({ encode }: Tokens, { name, schema, valid, invalid }: RealCase, anyOrder: boolean): Job {
  const texts = [...valid, ...invalid].map(encode)
  // What names no version is written for those that `definitions` and tuples in `items` are of.
  return { name, schema, texts, anyOrder, dialect: 'draft-07', measured: valid.length, seconds: FOR_MASKS }
}

function ownRows(tally: Tally, conditions: string): Row[] {
  const { compile, masks, again } = tally
  const figure = (share: number): number => quantile(masks, share)
  return [
    atLeast('real schemas compiled', (100 * tally.compiled.length) / tally.asked, 80, {
      unit: '%',
      digits: 1,
      note: `${tally.compiled.length} of ${tally.asked}, of ${conditions}${first(tally.refused, 8)}`,
    }),
    row(
      'invalid instances of real schemas accepted',
      `0 of ${tally.invalid}`,
      String(tally.accepted.length),
      tally.accepted.length === 0 && tally.invalid > 0,
      first(tally.accepted, 8).slice(2),
    ),
    atMost('valid instances of real schemas rejected, members in any order', (100 * tally.rejected.length) / tally.valid, 0.5, {
      unit: '%',
      note: `${tally.rejected.length} of ${tally.valid}; ${tally.unfinished} without an answer in ${FOR_MASKS} s${first(tally.rejected, 8)}`,
    }),
    row(
      'compiling a real schema',
      REPORTED,
      spread(compile.map((one) => one * 1000)),
      true,
      `${tally.slowestCompile.name} the slowest; the bars are those of the committed schemas`,
    ),
    row(
      'a mask of a real schema',
      REPORTED,
      spread(masks),
      true,
      `${masks.length} masks, ${tally.slowest.name} the slowest (p50 ${time(figure(0.5))}); again along the same texts ${spread(again)}`,
    ),
  ]
}

function peerRows(tally: Tally, { name, runtime, preparations }: Contestant): Row[] {
  const compiling = tally.compile.map((milliseconds) => milliseconds * 1000)
  const share = (100 * tally.rejected.length) / tally.valid
  return [
    row(
      `${name}: real schemas compiled; invalid accepted; valid rejected`,
      REPORTED,
      `${((100 * tally.compiled.length) / tally.asked).toFixed(1)} % of ${tally.asked}; ${tally.accepted.length} of ${tally.invalid}; ${tally.rejected.length} of ${tally.valid} (${share.toFixed(1)} %)`,
      true,
      `${runtime}; ${tally.unfinished} instances without an answer${first(tally.refused, 6, 90)}; accepted${first(tally.accepted)}; rejected${first(tally.rejected)}`,
    ),
    row(
      `${name}: compiling a real schema`,
      REPORTED,
      spread(compiling),
      true,
      `${tally.slowestCompile.name} the slowest; vocabulary ${time(Math.max(...preparations) * 1000)}`,
    ),
    row(
      `${name}: a mask of a real schema`,
      REPORTED,
      spread(tally.masks),
      true,
      `${tally.masks.length} masks, ${tally.slowest.name} the slowest; again ${spread(tally.again)}`,
    ),
  ]
}
