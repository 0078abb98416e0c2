// Bar 1: the values that other programs publish or give, and distributions that guesses and grammars must leave as they are.
import { Mt19937, SamplingError } from '../../../../packages/sampling/src/index.js'
import { together, type Fit } from '../../../../packages/sampling/src/__fixtures__/chi-square.js'
import { constrainedCases, speculativeCases, type DistributionCase } from '../../../../packages/sampling/src/__fixtures__/distributions.js'
import { beamCases, processorCases, watermarkCases } from '../../../../packages/sampling/src/__fixtures__/hugging-face.js'
import { llamaCppCases } from '../../../../packages/sampling/src/__fixtures__/llama-cpp.js'
import { row, type Row, type RowContext, type RowSource } from '../../lib/row.js'

const SEEDS = [1, 2, 3, 4, 5]
const DRAWS = 100_000

interface Deviation {
  readonly name: string
  readonly deviation: () => number | Promise<number>
}

const source: RowSource = async (context) => [
  await agreeing(
    "llama.cpp's sampling tests: cases that differ by more than the tolerance",
    llamaCppCases,
    1e-5,
    'probabilities; its min-p of 1.05 is refused here',
  ),
  await agreeing(
    "Hugging Face's logits processors: results that differ by more than the tolerance",
    processorCases,
    1e-5,
    `log-probabilities; ${new Set(processorCases.map(({ processor }) => processor)).size} processors of transformers 5.24.0`,
  ),
  await agreeing(
    "beam search, plain, diverse and by groups: other texts than Hugging Face's, or scores beyond the tolerance",
    beamCases,
    2e-5,
    'scores of float32',
  ),
  watermarks(),
  generator(),
  ...(await distributions('speculative sampling', speculativeCases, context)),
  ...(await distributions('constrained sampling', constrainedCases, context)),
]
export default source

async function agreeing(figure: string, cases: readonly Deviation[], tolerance: number, note: string): Promise<Row> {
  let worst = 0
  const beyond: string[] = []
  for (const { name, deviation } of cases) {
    const found = await resultOf(deviation)
    if (found < tolerance) worst = Math.max(worst, found)
    else beyond.push(`${name}: ${found}`)
  }
  const first = beyond.length === 0 ? '' : `; first ${beyond[0]}`
  return row(
    `${figure} of ${tolerance}`,
    `0 of ${cases.length}`,
    String(beyond.length),
    cases.length > 0 && beyond.length === 0,
    `${note}; the largest difference is ${worst.toExponential(1)}${first}`,
  )
}

/** What a case throws is a case that fails, and not the end of the row. */
async function resultOf(deviation: Deviation['deviation']): Promise<number> {
  try {
    return await deviation()
  } catch (error) {
    if (error instanceof SamplingError) return NaN
    throw error
  }
}

function watermarks(): Row {
  const different = watermarkCases.filter(({ expected, found }) => {
    const { tokens, green, z, pValue, isMarked } = found()
    const same = tokens === expected.tokens && green === expected.green && isMarked === expected.isMarked
    return !same || Math.abs(z - expected.z) > 1e-9 || Math.abs(pValue / expected.pValue - 1) > 1e-6
  })
  return row(
    "texts with and without Hugging Face's watermark: other counts, z or p than its detector's",
    `0 of ${watermarkCases.length}`,
    String(different.length),
    different.length === 0,
  )
}

/** ISO C++ [rand.predef]: the 10,000th word of a generator with the default seed; and the first words that every implementation gives. */
function generator(): Row {
  const twister = new Mt19937(5489)
  const words = Array.from({ length: 10_000 }, () => twister.uint32())
  const first = [3499211612, 581869302, 3890346734, 3586334585, 545404204]
  const same = words.at(-1) === 4123659995 && first.every((word, i) => words[i] === word)
  return row("mt19937: the first words and the 10,000th of C++'s std::mt19937", 'the same', same ? 'the same' : 'not the same', same)
}

async function distributions(figure: string, cases: readonly DistributionCase[], { log }: RowContext): Promise<Row[]> {
  const rows: Row[] = []
  for (const { name, fit } of cases) {
    const fits: Fit[] = []
    for (const seed of SEEDS) fits.push(await fit(seed, DRAWS))
    const all = together(fits)
    const each = fits.map(({ p }) => p.toFixed(3)).join(', ')
    log(`${figure}, ${name}: ${each}`)
    rows.push(
      row(
        `${figure}, ${name}: p of χ² over ${SEEDS.length} seeds of ${DRAWS.toLocaleString('en')} texts`,
        '> 0.01',
        all.p.toFixed(3),
        all.p > 0.01 && fits.every(({ p }) => p > 0.001),
        `χ² = ${all.statistic.toFixed(0)} at ${all.degrees} degrees of freedom; each seed: ${each}`,
      ),
    )
  }
  return rows
}
