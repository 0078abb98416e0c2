import { operations } from '@tesserae/tensor'
import { readDevices } from '../acceptance/gpu/devices.js'

/** What others give them, they hand on. */
const withoutValues = new Set(['input', 'checkpoint'])

/** Which operation is right on which device, as Markdown: samples that agree with the reference, of how many, forward and backward, as written and decomposed. */
export function devicesPage(found = readDevices()): string {
  const columns = [...found.keys()]
  const cell = (column: (typeof columns)[number], op: string): string => {
    const [right, count] = found.get(column)!.rows[op] ?? [0, 0]
    return count === 0 ? 'not run' : right === count ? String(count) : `**${right} of ${count}**`
  }
  return `# Operations by device

Written by \`tools/docs/write-devices.ts\` from what \`npm run acceptance -- gpu\` found, and \`npm run smoke:cuda -- --all --record\` on cards: for each operation how many samples agree with the reference interpreter, values and gradients, as written and
decomposed; where some do not, how many of how many. The CPU holds no bfloat16 and is given no sample of it. \`input\` and \`checkpoint\` compute no values, so there is nothing to compare.

${columns.map((column) => `- **${column}**: ${found.get(column)!.description}`).join('\n')}

| operation | ${columns.join(' | ')} |
| --- | ${columns.map(() => '---').join(' | ')} |
${[...operations.keys()]
  .filter((op) => !withoutValues.has(op))
  .map((op) => `| \`${op}\` | ${columns.map((column) => cell(column, op)).join(' | ')} |`)
  .join('\n')}
`
}
