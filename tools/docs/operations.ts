/**
 * The reference page of the op table, made from the rows themselves.
 * `npx tsx --conditions=@tesserae/source tools/docs/write-operations.ts` writes docs/operations.md; a test keeps it current.
 */
import { operations, type OpRow } from '@tesserae/tensor'

const yes = (value: boolean): string => (value ? 'yes' : '')

function gradientOf(row: OpRow): string {
  if (row.stopsGradient === true) return 'stops'
  if (row.vjp !== undefined) return row.differentiable === undefined ? 'own' : `own, by input ${row.differentiable.join(', ')}`
  return row.kind === 'composite' && row.alias === undefined ? 'by decomposition' : 'none'
}

const rowOf = (row: OpRow): string =>
  `| \`${row.name}\` | ${row.summary.replaceAll('|', '\\|')} | ${gradientOf(row)} | ${yes(row.alias !== undefined)} | ${row.samples.length} |`

function table(rows: readonly OpRow[]): string {
  return ['| op | meaning | gradient | in place | samples |', '| --- | --- | --- | --- | --- |', ...rows.map(rowOf)].join('\n')
}

/** The page as Markdown. */
export function operationsPage(): string {
  const rows = [...operations.values()]
  return `# Operations

Generated from the op table (\`packages/tensor/src/ops\`) by \`tools/docs/write-operations.ts\`. Devices run primitives; a composite is decomposed
where a device has no kernel for it. “own” gradients are the row's vjp; “in place” ops may write into a donated input. Every row is tested on
its samples on every device, against the scalar reference, PyTorch and finite differences.

## Primitives

${table(rows.filter((row) => row.kind === 'primitive'))}

## Composites

${table(rows.filter((row) => row.kind === 'composite'))}
`
}
