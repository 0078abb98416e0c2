// Bar 4, first half: the committed schemas with a vocabulary of 100,000, beside the engines on npm.
import { AJV, Judge } from '../contests/ajv.js'
import type { Job } from '../contests/contest.js'
import { inNode, type Contestant } from '../contests/contestant.js'
import { quantile, spread, time } from '../contests/figures.js'
import { first, Tally } from '../contests/tally.js'
import { cl100k } from '../contests/vocabulary.js'
import { judgedCases } from '../schemas/judged.js'
import { atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'

/** Seconds that an engine has for a schema, and for the masks of one; ours is held to the same. */
const LIMIT = 60
const FOR_MASKS = 10
const REPORTED = 'reported'

const source: RowSource = async ({ log }) => {
  const judge = new Judge()
  const cases = judgedCases(judge)
  const tokens = await cl100k()
  const jobs = cases.map((one) => {
    const texts = [...one.valid, ...one.moreValid, ...one.invalid].map(tokens.encode)
    const job: Job = {
      name: one.name,
      schema: JSON.stringify(one.schema),
      texts,
      anyOrder: false,
      measured: one.valid.length,
      seconds: FOR_MASKS,
    }
    return { one, job }
  })
  const conditions = `${cases.length} schemas, cl100k_base; Ajv (${AJV.join(', ')}) says what is valid`
  const run = async (contestant: Contestant): Promise<Tally> => {
    const tally = new Tally()
    try {
      for (const { one, job } of jobs) {
        const answer = await contestant.ask(job)
        tally.take(one.name, [...one.valid, ...one.moreValid], one.invalid, answer)
        if (answer.refused !== undefined) log(`${contestant.name}: ${one.name}: ${answer.refused.slice(0, 160)}`)
      }
    } finally {
      contestant.end()
    }
    return tally
  }
  const ours = inNode('tesserae', LIMIT)
  const rows: Row[] = []
  try {
    const tally = await run(ours)
    rows.push(...ownRows(tally, ours, cases.length, conditions))
    log(rows.map(({ figure, measured }) => `${figure}: ${measured}`).join('; '))
  } catch (error) {
    rows.push(unavailable('our own grammars over the committed schemas', 'measured', error))
  }
  for (const name of ['web-xgrammar', 'transformers-structured-output']) {
    const peer = inNode(name, LIMIT)
    try {
      rows.push(...peerRows(await run(peer), peer, cases.length))
    } catch (error) {
      rows.push(
        row(`${name} over the same schemas`, REPORTED, 'not measured', false, error instanceof Error ? error.message : String(error)),
      )
    }
  }
  return rows
}
export default source

function ownRows(tally: Tally, { preparations }: Contestant, count: number, conditions: string): Row[] {
  const { compile, masks, again } = tally
  const figure = (share: number): number => quantile(masks, share)
  return [
    atMost('a vocabulary of 100,000 prepared for grammars', Math.max(...preparations), 400, {
      unit: 'ms',
      digits: 0,
      note: 'once for all grammars',
    }),
    row(
      'committed schemas compiled',
      '≥ 40',
      `${tally.compiled.length} of ${count}`,
      tally.compiled.length >= 40,
      `${conditions}${first(tally.refused)}`,
    ),
    atMost('compiling a schema, p50', quantile(compile, 0.5), 5, { unit: 'ms' }),
    atMost('compiling a schema, p99', quantile(compile, 0.99), 100, { unit: 'ms', digits: 1 }),
    atMost('a mask, p50', figure(0.5), 50, {
      unit: 'µs',
      digits: 1,
      note: `${masks.length} masks, each grammar new, taking the token before in included; again along the same texts: ${spread(again)}`,
    }),
    atMost('a mask, p95', figure(0.95), 500, { unit: 'µs', digits: 0 }),
    atMost('a mask, p99', figure(0.99) / 1000, 3, { unit: 'ms' }),
    atMost('a mask, the slowest', figure(1) / 1000, 30, { unit: 'ms', note: `of ${tally.slowest.name}` }),
    row(
      'invalid instances accepted',
      `0 of ${tally.invalid}`,
      String(tally.accepted.length),
      tally.accepted.length === 0,
      first(tally.accepted).slice(2),
    ),
    row(
      'valid instances rejected',
      `0 of ${tally.valid}`,
      String(tally.rejected.length),
      tally.rejected.length + tally.unfinished === 0,
      `${tally.unfinished} without an answer${first(tally.rejected)}`,
    ),
  ]
}

function peerRows(tally: Tally, { name, runtime, preparations }: Contestant, count: number): Row[] {
  const { compile, masks, again } = tally
  const compiling = compile.map((milliseconds) => milliseconds * 1000)
  return [
    row(
      `${name}: schemas compiled; invalid accepted; valid rejected`,
      REPORTED,
      `${tally.compiled.length} of ${count}; ${tally.accepted.length} of ${tally.invalid}; ${tally.rejected.length} of ${tally.valid}`,
      true,
      `${runtime}; ${tally.unfinished} instances without an answer in ${FOR_MASKS} s${first(tally.refused, 6, 90)}; accepted${first(tally.accepted)}; rejected${first(tally.rejected)}`,
    ),
    row(
      `${name}: compiling a schema`,
      REPORTED,
      spread(compiling),
      true,
      `vocabulary ${time(Math.max(...preparations) * 1000)}; at most ${LIMIT} s a schema`,
    ),
    row(
      `${name}: a mask`,
      REPORTED,
      spread(masks),
      true,
      `${masks.length} masks, of ${tally.slowest.name} the slowest; again ${spread(again)}`,
    ),
  ]
}
