// Bar 5: regular expressions match as in the engines that other tokenizers run them on, and no pattern takes more than linear time.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forEachMatch } from '../../../../packages/tokenizer/src/regex/matcher.js'
import { compileSyntax } from '../../../../packages/tokenizer/src/regex/compile.js'
import { allProperties } from '../../../../packages/tokenizer/src/regex/more-properties.js'
import { parseRegex } from '../../../../packages/tokenizer/src/regex/parser.js'
import { Regex } from '../../../../packages/tokenizer/src/regex/regex.js'
import { pythonWith } from '../../lib/peers.js'
import { atMost, row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const PATTERNS = 5000
const SEED = 2026

type Matches = readonly (readonly [number, number])[]
type MatchRow = readonly [string, readonly Matches[]] | readonly [string, string, Matches]

const source: RowSource = async ({ log }) => [...matching(log), bombs()]
export default source

/** Random patterns, on random texts, by each engine; remembering from the beginning, which must not change a match, and not. */
function matching(log: (line: string) => void): Row[] {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-regex-'))
  try {
    const python = process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('regex', ['tokenizers==0.23.3', 'regex'])
    const script = join(import.meta.dirname, '../../../tokenizer/generate-regex-fixtures.py')
    const out = join(folder, 'regex.json')
    const made = spawnSync(python, [script, '--count', String(PATTERNS), '--seed', String(SEED), '--out', out], { encoding: 'utf8' })
    if (made.status !== 0) throw new Error(`${script} ended with ${made.status}: ${made.stderr.slice(-300)}`)
    const answers = JSON.parse(readFileSync(out, 'utf8')) as Record<'oniguruma' | 'fancy', MatchRow[]> & { texts: string[] }
    return (['oniguruma', 'fancy'] as const).map((engine) => {
      let [cases, different, first] = [0, 0, '']
      const check = (pattern: string, text: string, expected: Matches) => {
        const program = compileSyntax(parseRegex(pattern, { dialect: engine, properties: allProperties, where: 'pattern' }), 'pattern')
        const units = [0]
        for (const char of text) units.push(units.at(-1)! + char.length)
        const wanted = expected.flat().map((at) => units[at]!)
        for (const remembering of [false, true]) {
          const found: number[] = []
          forEachMatch(program, text, (start, end) => end > start && found.push(start, end), remembering)
          cases++
          if (found.join() === wanted.join()) continue
          different++
          first ||= `; first: ${pattern} on ${JSON.stringify(text)}`
        }
      }
      for (const answer of answers[engine]) {
        if (answer.length === 3) check(...answer)
        else for (const [i, matches] of answer[1].entries()) check(answer[0], answers.texts[i]!, matches)
      }
      log(`${engine}: ${different} of ${cases} differ`)
      const peer = engine === 'oniguruma' ? 'Hugging Face tokenizers (Oniguruma)' : "Python's regex, in the dialect of fancy-regex"
      return row(
        `regular expressions: other matches than ${peer}`,
        '0',
        String(different),
        cases >= PATTERNS && different === 0,
        `${cases} cases, seed ${SEED}${first}`,
      )
    })
  } catch (error) {
    return [unavailable('regular expressions: other matches than the engines of other tokenizers', '0', error)]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The longest that a classic bomb takes on 100,000 characters. */
function bombs(): Row {
  const n = 100_000
  const run = 'a'.repeat(n)
  const cases: [string, string][] = [
    ['(a+)+$', `${run}b`],
    ['(a|a)*b', run],
    ['(.*)*x', run],
    ['(?:a|aa)+b', run],
    ['\\s+$', `${' '.repeat(n)}x`],
    ['(?=.*x)a', run],
    ['(?=.*x)a', `${run}x`],
    ['(?<=b.*)a', `b${run}`],
    ['(?>a+)b', run],
    ['((a{1,3}){1,3}){1,3}b', run],
    ['(x+x+)+y', 'x'.repeat(n)],
    ['(.*?,){11}P', '1,'.repeat(n / 2)],
  ]
  let [slowest, pattern] = [0, '']
  for (const [each, text] of cases) {
    const start = process.cpuUsage()
    new Regex(each, { dialect: 'oniguruma' }).matches(text)
    const { user, system } = process.cpuUsage(start)
    if ((user + system) / 1e6 > slowest) [slowest, pattern] = [(user + system) / 1e6, each]
  }
  return atMost(`regular expressions: the slowest of ${cases.length} bombs on ${n} characters`, slowest, 5, {
    unit: 's',
    note: `CPU time of ${pattern}`,
  })
}
