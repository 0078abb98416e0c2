/** Products by tensor cores with one thing made wrong, which the emulator has to say, or a result has to show, in every order of threads. */
import { beforeAll, expect, it } from 'vitest'
import { buildProgram } from '../../../compile/build-program.js'
import { planDispatches, type Dispatch } from '../../../compile/dispatches.js'
import { hasKernel } from '../../../compile/kept.js'
import { lower } from '../../../compile/lower.js'
import { toHalfBits } from '../../../dtype.js'
import { emit } from '../../../graph/build.js'
import { cudaTuning } from '../../../kernel/lib/tuning.js'
import { dynamicSharedBytes, printPtx } from '../../../kernel/print-ptx.js'
import { placeholder } from '../../../testing/evaluate.js'
import { launchPtx } from './launch-ptx.js'
import { change, remove } from './mutate.js'
import '../../../ops/table.js'

// Two blocks, the second mostly outside; more steps than stages, the last of which is not whole.
const [rows, inner, columns] = [72, 104, 24]
const cut = { rows: 64, columns: 32, depth: 32, down: 2, across: 2 }

/** A [rows, inner] · B [inner, columns] of f16; B is read transposed. */
function planned(copyAsync: boolean): Dispatch {
  const inputs = [placeholder({ shape: [rows, inner], dtype: 'f16' }), placeholder({ shape: [inner, columns], dtype: 'f16' })]
  const lowered = lower([emit('matmul', inputs, {})], { name: 'cuda', supports: hasKernel })
  const tuning = { ...cudaTuning, matrices: () => ({ ...cut, stages: copyAsync ? 3 : 2, async: copyAsync }) }
  return planDispatches(buildProgram(lowered.outputs, lowered), { maxBindings: 8, tuning }).dispatches[0]!
}

const dispatches = { ahead: planned(true), held: planned(false) }
const texts = {
  ahead: printPtx(dispatches.ahead.kernel, { target: 'sm_80' }),
  held: printPtx(dispatches.held.kernel, { target: 'sm_75' }),
}
const data = [rows * inner, inner * columns].map((count, which) =>
  Uint16Array.from({ length: count }, (_, i) => toHalfBits(Math.sin(i * (0.3 + which) + 1))),
)

function run(which: keyof typeof texts, text: string, order: 'forward' | 'reverse' | 'random'): Uint16Array {
  const { kernel, places, threads } = dispatches[which]
  const out = new Uint16Array(rows * columns)
  const arrays = places.map((place) => (place.kind === 'input' ? data[place.index]! : out))
  launchPtx(text, kernel.workgroup, arrays, {
    order,
    grid: [threads(new Map()) / kernel.workgroup[0], 1, 1],
    maxTurns: 10_000,
    dynamicSharedBytes: dynamicSharedBytes(kernel),
    checks: { global: true },
  })
  return out
}

const right: Partial<Record<keyof typeof texts, Uint16Array>> = {}
beforeAll(() => {
  for (const which of ['ahead', 'held'] as const) right[which] = run(which, texts[which], 'random')
})

it('are in order in every order of threads, whichever way blocks come', () => {
  for (const which of ['ahead', 'held'] as const)
    for (const order of ['forward', 'reverse'] as const) expect(run(which, texts[which], order)).toEqual(right[which])
  // Turing adds half as many products at a time.
  expect(right.held!.every((bits, i) => Math.abs(bits - right.ahead![i]!) <= 1)).toBe(true)
  expect(texts.ahead).toContain('cp.async.wait_group 1;')
  expect(texts.held).not.toContain('cp.async')
})

const apart = /and no barrier stands between/
const unawaited = /being filled by the cp\.async of line \d+, which nothing waited for/
const mutations: readonly (readonly [string, keyof typeof texts, (text: string) => string, RegExp | 'result'])[] = [
  ['copies are not waited for', 'ahead', remove('cp.async.wait_group 1;'), unawaited],
  ['one group too few is waited for', 'ahead', change('wait_group 1', 'wait_group 2'), unawaited],
  ['copies of the loop are in no group', 'ahead', remove('cp.async.commit_group;', 2), unawaited],
  ['a stage is read before the barrier', 'ahead', remove('bar.sync 0;', 0), apart],
  ['sums take the place of what is still read', 'ahead', remove('bar.sync 0;', 1), apart],
  ['sums are read before all are there', 'ahead', remove('bar.sync 0;', 2), /and no barrier stands between|written by no thread/],
  ['sums are written over while others read', 'ahead', remove('bar.sync 0;', 3), apart],
  ['one stage too few', 'ahead', change(/(?<=rem\.u32 [^;]*, )3(?=;)/g, '2', 0), /which nothing waited for|no barrier stands between/],
  ['the right matrix is not transposed', 'ahead', remove('.trans'), 'result'],
  [
    'the wrong stride of lines',
    'ahead',
    change(/(?<=mul\.lo\.u32 [^;]*, )5(?=;)/g, '4', 0),
    /and no barrier stands between|written by no thread/,
  ],
  [
    'what is behind the matrix is read',
    'ahead',
    change(/(?<=selp\.b32 [^;]*, 16, )0(?=,)/g, '16', 0),
    /cp\.async.*bytes (past the end of|before) allocation/,
  ],
  [
    'halves of A are swapped',
    'ahead',
    change(/mma[^;]*;/g, (found) => found.replace(/(\}, \{%r\d+), (%r\d+), (%r\d+)/, '$1, $3, $2')),
    'result',
  ],
  ['a stage is read before the barrier', 'held', remove('bar.sync 0;', 1), apart],
  ['the first block is read before the barrier', 'held', remove('bar.sync 0;', 0), apart],
  ['both stages are one', 'held', change(/(?<=and\.b32 %r\d+, %r\d+, )1(?=;)/g, '0', 1), apart],
]

it.each(mutations)('%s (%s)', (_, which, mutate, expected) => {
  const wrong = mutate(texts[which])
  for (const order of ['forward', 'reverse', 'random'] as const) {
    if (expected === 'result') expect(run(which, wrong, order)).not.toEqual(right[which])
    else expect(() => run(which, wrong, order), order).toThrow(expected)
  }
})
