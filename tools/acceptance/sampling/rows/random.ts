// Bar 5: texts driven by random logits over the committed schemas, each valid in the end, with no place from which nothing leads on.
import { grammar, Vocabulary, type Matcher } from '@tesserae/sampling/grammar'
import { Judge } from '../contests/ajv.js'
import { quantile, spread } from '../contests/figures.js'
import { cl100k, type Tokens } from '../contests/vocabulary.js'
import { closingBias, gumbelTable, mostLikely } from '../random/logits.js'
import { judgedCases, type JudgedCase } from '../schemas/judged.js'
import { randomFrom } from '../schemas/mutate.js'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'

const TEXTS = Number(process.env['TESSERAE_RANDOM_TEXTS'] ?? 10_000)
const SEED = 20_260_602
/** Tokens after which a text counts as unfinished. */
const MOST_TOKENS = 3_000
/** Up to so many tokens are drawn freely before those that close are preferred. */
const FREE_TOKENS = 80
/** Schemas whose masks have rows of their own. */
const HARD: Readonly<Record<string, string>> = {
  'length-100000': 'maxLength: 100000',
  'length-from-2000': 'minLength: 2000, maxLength: 100000',
  'depth-500': 'boxes within boxes, valid texts of depth 500 among them',
  'depth-500-of-anything': 'lists within lists, valid texts of depth 500 among them',
  'regex-bomb-nested-repetition': '^(a+)+$',
  'regex-bomb-ambiguous': '^(([a-z])+.)+[A-Z]([a-z])+$',
  'regex-bomb-counted': '^(.*a.{12})$',
}

interface Outcome {
  /** Refused: a token that the mask had was not taken in. */
  readonly kind: 'finished' | 'unfinished' | 'dead end' | 'refused'
  readonly ids: number[]
  readonly why?: string
}

const source: RowSource = async ({ log }) => {
  const cases = judgedCases(new Judge())
  const tokens = await cl100k()
  const vocabulary = new Vocabulary(tokens.tokens, { end: [tokens.end] })
  const below = randomFrom(SEED)
  const table = gumbelTable(below, vocabulary.size)
  const bias = closingBias(tokens)
  const bits = new Uint32Array(vocabulary.words)
  const times = new Map<string, number[]>()
  const counts = { finished: 0, unfinished: 0, 'dead end': 0, refused: 0 }
  const wrong: string[] = []
  const stuck = new Map<string, number>()
  const lengths: number[] = []
  const masked = (matcher: Matcher, into: number[], last: number | undefined): void => {
    const start = performance.now()
    if (last !== undefined) matcher.accept(last)
    matcher.mask(bits)
    into.push((performance.now() - start) * 1000)
  }

  for (const [at, one] of cases.entries()) {
    const compiled = grammar.fromJsonSchema(one.schema)
    const own: number[] = []
    times.set(one.name, own)
    if (one.name in HARD)
      for (const text of one.valid) {
        const matcher = compiled.matcher(vocabulary)
        let last: number | undefined
        for (const id of [...tokens.encode(text), undefined]) {
          masked(matcher, own, last)
          last = id
        }
      }
    const share = Math.floor(((at + 1) * TEXTS) / cases.length) - Math.floor((at * TEXTS) / cases.length)
    for (let text = 0; text < share; text++) {
      const free = below(FREE_TOKENS)
      const matcher = compiled.matcher(vocabulary)
      const outcome = drive(matcher, free)
      counts[outcome.kind]++
      lengths.push(outcome.ids.length)
      if (outcome.kind === 'refused') wrong.push(`${one.name}: ${outcome.why}`)
      else if (outcome.kind !== 'finished') stuck.set(`${one.name}: ${outcome.kind}`, (stuck.get(`${one.name}: ${outcome.kind}`) ?? 0) + 1)
      else {
        const fault = faultOf(tokens, one, outcome.ids)
        if (fault !== undefined) wrong.push(`${one.name}: ${fault}`)
      }
    }
    log(`${one.name}: ${share} texts, masks ${spread(own)}`)

    function drive(matcher: Matcher, free: number): Outcome {
      const ids: number[] = []
      let last: number | undefined
      while (ids.length < MOST_TOKENS) {
        try {
          masked(matcher, own, last)
        } catch (error) {
          return { kind: 'refused', ids, why: (error as Error).message }
        }
        const strength = ids.length < free ? 0 : 8 + (ids.length - free) * 0.25
        const id = mostLikely(bits, table, below(table.length - vocabulary.size), bias, strength)
        if (id < 0) return { kind: 'dead end', ids }
        if (id === tokens.end) return { kind: 'finished', ids }
        ids.push(id)
        last = id
      }
      return { kind: 'unfinished', ids }
    }
  }
  return rowsOf()

  function rowsOf(): Row[] {
    const all = [...times.values()].flat()
    const told = [...stuck].map(([what, count]) => `${what} ${count}`).join(', ')
    const conditions = `${TEXTS} texts over ${cases.length} schemas, the most likely allowed token by logits of Gumbel's distribution, which is to sample; after up to ${FREE_TOKENS} tokens those that close are preferred more and more; tokens of a text p50 ${quantile(lengths, 0.5)}, p95 ${quantile(lengths, 0.95)}, max ${Math.max(...lengths)}`
    const rows = [
      row(
        'texts of random logits that do not parse, that Ajv finds invalid, or of which a token of the mask is refused',
        `0 of ${TEXTS}`,
        `${wrong.length} of ${counts.finished + counts.refused}`,
        wrong.length === 0 && counts.finished > 0,
        `${conditions}${wrong.length > 0 ? `; first: ${wrong.slice(0, 3).join(' · ')}` : ''}`,
      ),
      row('dead ends: no token allowed before the end', '0', String(counts['dead end']), counts['dead end'] === 0, told),
      atMost('texts unfinished', (100 * counts.unfinished) / TEXTS, 5, { unit: '%', note: `after ${MOST_TOKENS} tokens; ${told}` }),
      row('masks of all of these', 'reported', spread(all), true, `${all.length} masks`),
    ]
    for (const [name, title] of Object.entries(HARD)) {
      const own = times.get(name)!
      const [middle, most, last, worst] = [0.5, 0.95, 0.99, 1].map((share) => quantile(own, share)) as [number, number, number, number]
      const isWithin = middle <= 50 && most <= 500 && last <= 3_000 && worst <= 30_000
      rows.push(
        row(`masks of ${title}`, 'p50 ≤ 50 µs, p95 ≤ 500 µs, p99 ≤ 3 ms, max ≤ 30 ms', spread(own), isWithin, `${own.length} masks`),
      )
    }
    return rows
  }
}
export default source

/** What is wrong with a finished text. */
function faultOf({ tokens }: Tokens, { isValid }: JudgedCase, ids: readonly number[]): string | undefined {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(ids.map((id) => tokens[id]!)))
  } catch {
    return 'no UTF-8'
  }
  try {
    return isValid(JSON.parse(text)) ? undefined : `invalid: ${text.slice(0, 300)}`
  } catch {
    return `no JSON: ${text.slice(0, 300)}`
  }
}
