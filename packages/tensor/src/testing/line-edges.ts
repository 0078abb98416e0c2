/** Edges of what goes through lines: sorts by tiles and merges, running sums by spans, additions at indices few and many. */
import type { DType } from '../dtype.js'
import { sym, tensor, type Tensor } from '../index.js'
import { agrees, numbers } from './edge.js'

/** Around a thread's share, a workgroup, a tile, and a line of several. */
const sizes = [1, 2, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049]

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
const made = (shape: readonly number[], value: (i: number) => number, dtype: DType = 'f32'): Tensor =>
  tensor(
    Array.from({ length: count(shape) }, (_, i) => value(i)),
    { shape, dtype },
  )
/** Whole numbers from 0 on below a limit, in no order, many of them equal where there are few. */
const whole = (shape: readonly number[], limit: number, dtype: DType = 'i32'): Tensor =>
  made(shape, (i) => ((i * 7919 + 13) % 104729) % limit, dtype)
const special = [NaN, -Infinity, 0, -0, Infinity, 1, -1, 3e38, -3e38]

/** By turns a line, lines along the first axis, the middle one and the last. */
const shapesOf = (sizes: readonly number[]): { title: string; shape: readonly number[]; axis: number; turned: boolean }[] =>
  sizes.map((size, i) => {
    const [shape, axis] = (
      [
        [[size], 0],
        [[size, 3], 0],
        [[3, size, 2], 1],
        [[4, size], 1],
      ] as const
    )[size > 512 ? i % 2 : i % 4]!
    return { title: `[${shape.join()}] along ${axis}`, shape, axis, turned: i % 3 === 1 }
  })

const sorts = [
  ...shapesOf(sizes).map(({ title, shape, axis, turned }) =>
    agrees(
      `order of ${title}, many equal${turned ? ', descending' : ''}`,
      () => [whole(shape, 19, 'f32')],
      (x) => x!.sort(axis, { descending: turned }).indices,
    ),
  ),
  ...[false, true].flatMap((descending) => [
    agrees(
      `order of all equal${descending ? ', descending' : ''}`,
      () => [whole([2049], 1)],
      (x) => x.sort(0, { descending }).indices,
    ),
    agrees(
      `order of NaN, infinities and zeros${descending ? ', descending' : ''}`,
      () => [made([2, 40], (i) => special[(i * 7) % special.length]!)],
      (x) => x.sort(1, { descending }).indices,
    ),
    ...(['f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8'] as const).map((dtype) =>
      agrees(
        `sorted values of ${dtype}${descending ? ', descending' : ''}`,
        () => [made([3, 67], (i) => (dtype[0] === 'u' ? (i * 37) % 101 : ((i * 37) % 101) - 50), dtype)],
        (x) => x.sort(1, { descending }).values,
      ),
    ),
  ]),
  agrees(
    'order of a line of three merges',
    () => [whole([32_801], 5000)],
    (x) => x.sort(0).indices,
  ),
  agrees(
    'order of two lines of two merges, NaN among them',
    () => [made([2, 8200], (i) => (i % 97 === 5 ? NaN : Math.sin(i)))],
    (x) => x.sort(1, { descending: true }).indices,
  ),
]

const sums = [
  ...shapesOf([...sizes, 5000]).map(({ title, shape, axis, turned }) =>
    agrees(
      `running sum of ${title}${turned ? ', exclusive, reverse' : ''}`,
      () => [numbers(shape, 0.37)],
      (x) => x!.cumsum(axis, { exclusive: turned, reverse: turned }),
    ),
  ),
  ...(['f16', 'bf16', 'i32', 'u32', 'i8', 'u8'] as const).map((dtype) =>
    agrees(
      `running sum of ${dtype}`,
      () => [whole([2, 601], 5, dtype)],
      (x) => x.cumsum(1, { reverse: true }),
    ),
  ),
  agrees(
    'running sum with infinities',
    () => [made([600], (i) => (i === 300 ? Infinity : i === 400 ? -Infinity : 1))],
    (x) => x.cumsum(0, { exclusive: true }),
  ),
  agrees(
    'running sums that lie side by side',
    () => [numbers([300, 40], 0.3)],
    (x) => x.cumsum(0, { exclusive: true }),
  ),
  agrees(
    'running sums of many lines',
    () => [numbers([520, 40], 0.3)],
    (x) => x.cumsum(1, { reverse: true }),
  ),
]

/** Updates: few are looked through, of more each is compared with all, many are sorted. */
const counts = [1, 16, 17, 257, 1023, 12_001]
const scatters = [
  ...counts.flatMap((updates) =>
    (
      [
        ['no pattern', 90],
        ['one index', 1],
      ] as const
    ).map(([title, limit]) =>
      agrees(
        `${updates} updates of rows, ${title}`,
        () => [numbers([100, 3], 0.2), whole([updates], limit), numbers([updates, 3], 0.7)],
        (x, indices, values) => x.scatterAdd(indices, values, 0),
      ),
    ),
  ),
  agrees(
    'updates of zeros, as of embeddings, with what is added to them',
    () => [whole([4, 32], 65), numbers([4, 32, 8], 0.7), numbers([65, 8], 0.3)],
    (indices, values, more) => tensor(0).expand(65, 8).scatterAdd(indices, values, 0).add(more),
  ),
  agrees(
    'updates at indices of another axis, out of range ones among them',
    () => [numbers([2, 7, 3], 0.2), made([40], (i) => i - 10, 'i32'), numbers([2, 40, 3], 0.7)],
    // Tensors of a device are not looked into; what is outside counts as the nearest inside.
    (x, indices, values) => x.scatterAdd(indices, values, 1),
  ),
  ...(['f16', 'bf16', 'i32', 'u32'] as const).map((dtype) =>
    agrees(
      `updates of ${dtype}`,
      () => [whole([21, 3], 9, dtype), whole([50], 21, 'u32'), whole([50, 3], 5, dtype)],
      (x, indices, values) => x.scatterAdd(indices, values, 0),
    ),
  ),
  // Each index that there could be has a range; where these are many for the updates, the updates are searched.
  ...(
    [
      [17, 20],
      [17, 500],
      [300, 50],
      [6801, 50],
      [12_001, 50_000],
    ] as const
  ).flatMap(([updates, size]) =>
    (updates > 10_000 ? [0] : [0, 1]).map((axis) => {
      const lines = updates > 10_000 ? 1 : 3
      const shape = (along: number): number[] => (axis === 0 ? [along, lines] : [lines, along])
      return agrees(
        `${updates} updates on each line of ${size} along ${axis}`,
        () => [numbers(shape(size), 0.2), whole(shape(updates), size), numbers(shape(updates), 0.7)],
        (x, indices, values) => x!.scatterAddAlong(indices!, values!, axis),
      )
    }),
  ),
]

const n = sym('n', { max: 2100 })
const [few, many] = [sym('few', { max: 300 }), sym('many', { max: 12_001 })]
const lengths = [0, 1, 17, 2048, 2049, 2100].map((length) => new Map([[n, length]]))
const symbols = [
  agrees(
    'order of a line of any length',
    () => [whole([2100], 300)],
    (x) => x!.slice(0, 0, n).sort(0).indices,
    lengths,
  ),
  agrees(
    'order of any number of lines',
    () => [whole([2100, 5], 300)],
    (x) => x!.slice(0, 0, n).sort(1).indices,
    lengths,
  ),
  agrees(
    'running sum of a line of any length, reverse',
    () => [numbers([2100, 2], 0.3)],
    (x) => x!.slice(0, 0, n).cumsum(0, { reverse: true }),
    lengths,
  ),
  // Compared with each other where there may be a few hundred, sorted where there may be thousands.
  ...[few, many].map((symbol) =>
    agrees(
      `any number of updates up to ${symbol.max}`,
      () => [numbers([70, 2], 0.2), whole([symbol.max], 70), numbers([symbol.max, 2], 0.7)],
      (x, indices, values) => x!.scatterAdd(indices!.slice(0, 0, symbol), values!.slice(0, 0, symbol), 0),
      [0, 1, 300].map((length) => new Map([[symbol, length]])),
    ),
  ),
  agrees(
    'any number of updates of each line, and any number of lines',
    () => [numbers([300, 9], 0.2), whole([300, 40], 9), numbers([300, 40], 0.7)],
    (x, indices, values) => x!.slice(0, 0, few).scatterAddAlong(indices!.slice(0, 0, few), values!.slice(0, 0, few), 1),
    [0, 1, 300].map((count) => new Map([[few, count]])),
  ),
  agrees(
    'updates of a table of any size',
    () => [numbers([2100, 2], 0.2), whole([50], 2000), numbers([50, 2], 0.7)],
    (x, indices, values) => x!.slice(0, 0, n).scatterAdd(indices!, values!, 0),
    lengths,
  ),
]

export const lineEdges = [...sorts, ...sums, ...scatters, ...symbols]
