// Bar 9: a hundred questions of XQuAD, remedy by remedy, with intervals; without an instruction model the extractive rows, and which were left out.
import type { Interval } from '@tesserae/rag'
import { dataFile } from '../../lib/data.js'
import { row, type Row, type RowSource } from '../../lib/row.js'
import { askAll } from '../../../remedies/ask.js'
import { drawExam, readSquad } from '../../../remedies/questions.js'
import { extractiveSettings, modelRows } from '../../../remedies/settings.js'

const source: RowSource = async ({ log }) => {
  const exam = drawExam(readSquad(dataFile('xquad/xquad.en.json'))!, { answerable: 100, unanswerable: 50, seed: 1 })
  const results = await askAll(exam, extractiveSettings, { log })
  const rows = results.map((result): Row => {
    const { name, asked, correct, wrong, abstained, rightlyAbstained, failed, citations } = result
    const unverified = Object.keys(citations).filter((verdict) => verdict !== 'verbatim')
    return row(
      `Remedies, ${name}: correct / wrong / abstained`,
      '100 asked, every citation verbatim',
      `${percent(correct)} / ${percent(wrong)} / ${percent(abstained)}`,
      asked === 100 && failed === 0 && unverified.length === 0,
      `abstained on ${percent(rightlyAbstained!)} of 50 questions whose paragraph is not indexed`,
    )
  })
  const note = `needs a model that follows instructions: npm run remedies -- --model FILE or --endpoint URL. Left out: ${modelRows.join('; ')}`
  return [
    ...rows,
    row('Remedies, rows that need an instruction model', 'said which were left out', `${modelRows.length} left out`, true, note),
  ]
}
export default source

const percent = ({ mean, low, high }: Interval): string =>
  `${(100 * mean).toFixed(0)} % (${(100 * low).toFixed(0)}–${(100 * high).toFixed(0)})`
