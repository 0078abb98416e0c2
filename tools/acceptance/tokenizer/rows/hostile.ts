// Bar 5: malformed and hostile files and chat templates are refused with a typed error or loaded, in time and memory; and no input makes a call superlinear.
import { cases } from '../hostile/cases.js'
import { SEED } from '../hostile/fuzzed.js'
import { measureChatGrowth, measureGrowth } from '../hostile/growth.js'
import type { Outcome } from '../hostile/outcome.js'
import { runCases } from '../hostile/run.js'
import { atMost, row, type RowSource } from '../../lib/row.js'

/** The process of the first case holds this much before it reads anything: Node, tsx and the package. */
const LIMIT_MB = 1000
const LIMIT_MS = 1000
/** Ours: where tokens are runs of up to 1,024 letters, each letter of a text of nothing else is part of as many. */
const CALL_MS = 5000
/** Ours: of a file of half a million tokens, some 35 MB are written. */
const WRITTEN_MS = 5000
/** Twice the length, and a logarithm. */
const MAX_GROWTH = 2.3

const source: RowSource = async ({ log }) => {
  const outcomes = await runCases([...cases.keys()], { slowMs: LIMIT_MS, largeMB: LIMIT_MB, log })
  const count = (...ends: Outcome['end'][]) => outcomes.filter(({ end }) => ends.includes(end)).length
  const most = (of: (outcome: Outcome) => number) => outcomes.reduce((worst, each) => (of(each) > of(worst) ? each : worst))
  const [load, use] = [most(({ loadMs }) => loadMs), most(({ useMs }) => useMs)]
  const [written, memory] = [most(({ jsonMs }) => jsonMs), most(({ peakMB }) => peakMB)]
  const bad = outcomes.filter(({ end }) => end === 'crash' || end === 'hang' || end === 'other error')
  for (const { name, end, slowest, message } of bad) log(`${end}: ${name} (${slowest}): ${message ?? ''}`)
  const nameless = outcomes.filter(({ end, message }) => end.startsWith('refused') && (message ?? '').length < 30)
  const codes = [...new Set(outcomes.flatMap(({ code }) => code ?? []))].map(
    (code) => `${outcomes.filter((each) => each.code === code).length} ${code}`,
  )
  const growth = [...(await measureGrowth(log)), ...(await measureChatGrowth())]
  const steepest = growth.reduce((worst, each) => (each.factor > worst.factor ? each : worst))
  return [
    row(
      'malformed and hostile files and templates: crashes / hangs / errors that are not typed',
      `0 / 0 / 0 of ≥ 100`,
      `${count('crash')} / ${count('hang')} / ${count('other error')} of ${outcomes.length}`,
      outcomes.length >= 100 && bad.length === 0,
      `${cases.filter(({ byHand }) => byHand).length} by hand, the others changed from right ones by seed ${SEED}; ${count('refused')} refused when read, ` +
        `${count('refused in use')} in use, ${count('loaded')} loaded; errors: ${codes.join(', ')}${bad.length === 0 ? '' : `; first: ${bad[0]!.name}`}`,
    ),
    row('refusals whose message is shorter than 30 characters', '0', String(nameless.length), nameless.length === 0, nameless[0]?.message),
    atMost('the slowest to be read or refused', load.loadMs, LIMIT_MS, { unit: 'ms', digits: 0, note: load.name }),
    atMost('the slowest call of what was loaded on 100,000 characters', use.useMs, CALL_MS, {
      unit: 'ms',
      digits: 0,
      note: `${use.slowest} by ${use.name}; encode, decode, stream, offsets and truncation on runs of ${'letters, blanks, marks, emoji, lone surrogates, special tokens and others'}`,
    }),
    atMost('the slowest toJSON, which is as long as the file', written.jsonMs, WRITTEN_MS, { unit: 'ms', digits: 0, note: written.name }),
    atMost('the most memory that a process held', memory.peakMB, LIMIT_MB, {
      unit: 'MB',
      digits: 0,
      note: `${memory.name}; resident, Node and the package included`,
    }),
    atMost(`the steepest of ${growth.length} calls when the text doubles`, steepest.factor, MAX_GROWTH, {
      unit: 'times',
      note: `${steepest.name}: ${steepest.shortMs.toFixed(1)} to ${steepest.longMs.toFixed(1)} ms of CPU time from ${steepest.length} to ${steepest.length * 2} characters (or messages)`,
    }),
  ]
}
export default source
