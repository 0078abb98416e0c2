import type { Result } from './ask.js'
import type { Interval } from '@tesserae/rag'

const percent = ({ mean, low, high }: Interval): string =>
  `${(100 * mean).toFixed(0)} % (${(100 * low).toFixed(0)}–${(100 * high).toFixed(0)})`

/** The results as a table for people. */
export function tableOf(results: readonly Result[]): string {
  const head = ['', 'correct', 'wrong', 'abstained', 'abstained where it should', 'words', 'citations']
  const rows = results.map((result) => [
    result.name,
    percent(result.correct),
    percent(result.wrong),
    percent(result.abstained),
    result.rightlyAbstained === undefined ? '' : percent(result.rightlyAbstained),
    result.words.toFixed(0),
    Object.entries(result.citations)
      .map(([verdict, count]) => `${count} ${verdict}`)
      .join(', ') + (result.failed > 0 ? ` (${result.failed} calls failed)` : ''),
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n')
}

/** What the models said of the calls and why some failed, a line each; empty when there is nothing to say. */
export const remarksOf = (results: readonly Result[]): string =>
  results
    .flatMap(({ name, warnings, failed, asked, problem }) => [
      ...Object.entries(warnings).map(([message, count]) => `${name}: ${message} (${count} answers)`),
      ...(problem === undefined ? [] : [`${name}: ${failed} calls failed, ${asked} questions were asked. The first: ${problem}`]),
    ])
    .join('\n')
