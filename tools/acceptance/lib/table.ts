import type { Row } from './row.js'

const columns = ['figure', 'target', 'measured', 'met', 'note'] as const

/** The rows as a Markdown table whose columns line up in a terminal. */
export function printTable(rows: readonly Row[]): string {
  const cells = rows.map((row) =>
    [row.figure, row.target, row.measured, row.met ? 'yes' : 'NO', row.note ?? ''].map((cell) =>
      cell.replace(/\s+/g, ' ').replaceAll('|', '\\|'),
    ),
  )
  const widths = columns.map((title, i) => Math.max(title.length, ...cells.map((cell) => [...cell[i]!].length)))
  const line = (texts: readonly string[]): string =>
    `| ${texts.map((text, i) => (i === texts.length - 1 ? text : text + ' '.repeat(widths[i]! - [...text].length))).join(' | ')} |`
  return [
    line(columns),
    `|${widths.map((width, i) => '-'.repeat(i === widths.length - 1 ? 6 : width + 2)).join('|')}|`,
    ...cells.map(line),
  ].join('\n')
}
