// Bar 9: `npm run remedies` as people call it: a hundred questions of XQuAD, remedy by remedy, with intervals. Without an instruction model the
// extractive rows, and which were left out; with one, here a server that reads in the place of a model, none is left out.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dataFile } from '../../lib/data.js'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'
import { askAll, type Result } from '../../../remedies/ask.js'
import { drawExam, readSquad, type Exam } from '../../../remedies/questions.js'
import { extractiveSettings } from '../../../remedies/settings.js'
import { rowsLeftOut, rowsPrinted, runRemedies, type PrintedRow, type PrintedShare } from '../../../remedies/testing/command.js'
import { readingServer } from '../../../remedies/testing/reading-server.js'

/** Per cent that a row has to reach, or may not exceed. */
interface Floors {
  readonly correct: number
  readonly wrong: number
  readonly rightlyAbstained: number
}

/**
 * Each floor is the low end of the interval measured with seed 1, and each ceiling the high end, moved away from the measurement to a multiple of
 * five; seeds 2 and 3 come out above them too. Where the paragraph is not indexed only a few are answered right (a row of its own), so a search
 * that finds other passages misses every floor.
 */
const floors: Readonly<Record<string, Floors>> = {
  'extractive: first passage, 1 sentence': { correct: 70, wrong: 30, rightlyAbstained: 0 },
  'extractive: 8 passages, 1 sentence': { correct: 70, wrong: 30, rightlyAbstained: 0 },
  'extractive: 8 passages, 2 sentences': { correct: 80, wrong: 20, rightlyAbstained: 0 },
  '… chunks of 64 tokens': { correct: 70, wrong: 30, rightlyAbstained: 0 },
  '… chunks of 128 tokens': { correct: 80, wrong: 20, rightlyAbstained: 0 },
  'extractive, abstains below 0.4': { correct: 75, wrong: 15, rightlyAbstained: 45 },
  'extractive, abstains below 0.5 (default)': { correct: 70, wrong: 10, rightlyAbstained: 65 },
  'extractive, abstains below 0.6': { correct: 50, wrong: 10, rightlyAbstained: 65 },
  'extractive, abstains below 0.75': { correct: 30, wrong: 10, rightlyAbstained: 95 },
}

/** As the issue names them. */
const modelRows = [
  'closed-book',
  'closed-book, temperature 0',
  'with retrieval',
  'with a search tool',
  'with a schema that allows abstention',
]
/** Every this many questions one is known to the server by heart. */
const known = 5

const source: RowSource = async ({ log }) => {
  const data = dataFile('xquad/xquad.en.json')
  const exam = drawExam(readSquad(data)!, { answerable: 100, unanswerable: 50, seed: 1 })
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-remedies-'))
  try {
    return [
      ...(await withoutModel(join(folder, 'plain.json'), log)),
      await withoutParagraphs(exam),
      ...(await withModel(exam, join(folder, 'model.json'), log)),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

async function withoutModel(json: string, log: (line: string) => void): Promise<Row[]> {
  const { printed, results, leftOut, skipped } = await remedies(json, [], log)
  const rows = Object.entries(floors).map(([name, { correct, wrong, rightlyAbstained }]) => {
    const [shown, result] = [printed.get(name), results.get(name)]
    const target = `correct ≥ ${correct} %, wrong ≤ ${wrong} %, abstained where it should ≥ ${rightlyAbstained} %; 100 asked, every citation verbatim`
    const met =
      isWhole(shown, result) &&
      shown.correct.mean >= correct &&
      shown.wrong.mean <= wrong &&
      (shown.rightlyAbstained?.mean ?? -1) >= rightlyAbstained &&
      Object.keys(shown.citations).join() === 'verbatim'
    return row(`Remedies, ${name}: correct / wrong / abstained / abstained where it should`, target, sharesOf(shown), met)
  })
  const thresholds = Object.keys(floors).filter((name) => name.includes('abstains below'))
  const course = thresholds.map((name) => printed.get(name))
  const rises = course.every((one, i) => {
    const before = course[i - 1]
    return (
      one !== undefined && (before === undefined || (one.wrong.mean <= before.wrong.mean && one.abstained.mean >= before.abstained.mean))
    )
  })
  const right = leftOut.join() === modelRows.join() && skipped.join() === modelRows.join() && modelRows.every((name) => !printed.has(name))
  return [
    ...rows,
    row(
      'Remedies, from threshold to threshold: wrong / abstained',
      'fewer wrong, more abstained',
      course.map((one) => (one === undefined ? 'none' : `${one.wrong.mean} / ${one.abstained.mean} %`)).join(', '),
      rises,
    ),
    row(
      'Remedies, rows that need an instruction model',
      'the five named as left out',
      `${leftOut.length} named`,
      right,
      leftOut.join('; '),
    ),
  ]
}

/** The same search where it cannot find the paragraph: what neighbours and luck are worth. */
async function withoutParagraphs({ documents, unanswerable }: Exam): Promise<Row> {
  const settings = extractiveSettings.filter(({ name }) => name === 'extractive: 8 passages, 2 sentences')
  const [result] = await askAll({ documents, answerable: unanswerable, unanswerable: [] }, settings, { log: () => {} })
  return atMost('Remedies, for comparison: correct where the paragraph is not indexed', 100 * result!.correct.mean, 20, {
    unit: '%',
    digits: 0,
    note: `${result!.asked} questions, 8 passages, 2 sentences; indexed it is ${floors['extractive: 8 passages, 2 sentences']!.correct} % or more`,
  })
}

/** Every row that needs a model, over HTTP. What is judged is the way there and back: the server follows instructions by rule, and is no model. */
async function withModel(exam: Exam, json: string, log: (line: string) => void): Promise<Row[]> {
  const memory = new Map(exam.answerable.filter((_, i) => i % known === 0).map(({ text, answers }) => [text, answers[0]!]))
  const server = await readingServer({ memory, support: 0.6 })
  try {
    const { printed, results, leftOut, skipped } = await remedies(json, ['--endpoint', server.url, '--model-id', 'reader'], log)
    const byHeart = 100 / known
    const expected: Readonly<Record<string, readonly [target: string, holds: (shown: PrintedRow) => boolean]>> = {
      'closed-book': [
        `${byHeart} % known, the rest invented`,
        ({ correct, wrong, rightlyAbstained }) =>
          correct.mean === byHeart && wrong.mean === 100 - byHeart && rightlyAbstained === undefined,
      ],
      'closed-book, temperature 0': [
        `${byHeart} % known, the rest abstained`,
        ({ correct, abstained, rightlyAbstained }) =>
          correct.mean === byHeart && abstained.mean === 100 - byHeart && rightlyAbstained === undefined,
      ],
      ...Object.fromEntries(
        modelRows
          .slice(2)
          .map((name) => [
            name,
            [
              'correct ≥ 45 %, wrong ≤ 10 %, abstained where it should ≥ 90 %; 100 asked, every citation verbatim',
              ({ correct, wrong, rightlyAbstained, citations }: PrintedRow) =>
                correct.mean >= 45 &&
                wrong.mean <= 10 &&
                (rightlyAbstained?.mean ?? -1) >= 90 &&
                Object.keys(citations).join() === 'verbatim',
            ] as const,
          ]),
      ),
    }
    const rows = modelRows.map((name) => {
      const [shown, result] = [printed.get(name), results.get(name)]
      const [target, holds] = expected[name]!
      const figure = `Remedies, asked of a server that reads by rule, ${name}: correct / wrong / abstained / abstained where it should`
      return row(
        figure,
        target,
        sharesOf(shown),
        isWhole(shown, result) && holds(shown),
        'no language model: the way there and back is judged',
      )
    })
    const none = leftOut.length === 0 && skipped.length === 0
    return [
      ...rows,
      row('Remedies, rows left out when there is a model', 'none', String(leftOut.length), none, `${server.requests.length} requests`),
    ]
  } finally {
    await server.close()
  }
}

interface Outcome {
  readonly printed: ReadonlyMap<string, PrintedRow>
  readonly results: ReadonlyMap<string, Result>
  readonly leftOut: readonly string[]
  readonly skipped: readonly string[]
}

async function remedies(json: string, args: readonly string[], log: (line: string) => void): Promise<Outcome> {
  const { status, stdout, stderr } = await runRemedies(['--data', dataFile('xquad/xquad.en.json'), '--json', json, ...args])
  if (status !== 0) throw new Error(`npm run remedies ended with ${status}: ${stderr.slice(-500)}`)
  for (const line of stdout.split('\n')) log(line)
  const { results, skipped } = JSON.parse(readFileSync(json, 'utf8')) as { results: Result[]; skipped: string[] }
  return {
    printed: new Map(rowsPrinted(stdout).map((one) => [one.name, one])),
    results: new Map(results.map((one) => [one.name, one])),
    leftOut: rowsLeftOut(stdout),
    skipped,
  }
}

/** Whether a row was printed, asked everything, and is what was measured: shares that sum to one, each inside an interval that is none of a point. */
function isWhole(shown: PrintedRow | undefined, result: Result | undefined): shown is PrintedRow {
  if (shown === undefined || result === undefined || result.asked !== 100 || result.failed !== 0) return false
  const shares = [
    [shown.correct, result.correct],
    [shown.wrong, result.wrong],
    [shown.abstained, result.abstained],
  ] as const
  const sum = result.correct.mean + result.wrong.mean + result.abstained.mean
  return (
    Math.abs(sum - 1) < 1e-9 &&
    shares.every(
      ([{ mean, low, high }, measured]) =>
        mean === Math.round(100 * measured.mean) &&
        low === Math.round(100 * measured.low) &&
        high === Math.round(100 * measured.high) &&
        (mean === 0 || mean === 100 ? low === high : low < mean && mean < high),
    )
  )
}

const percent = ({ mean, low, high }: PrintedShare): string => `${mean} % (${low}–${high})`

const sharesOf = (shown: PrintedRow | undefined): string =>
  shown === undefined
    ? 'not printed'
    : [shown.correct, shown.wrong, shown.abstained, shown.rightlyAbstained]
        .flatMap((share) => (share === undefined ? [] : [percent(share)]))
        .join(' / ')
