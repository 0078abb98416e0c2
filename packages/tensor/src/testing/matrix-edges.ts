/** The edges of products of halves by tensor cores: blocks of 64 and of 128, chunks of 8 halves, words of two, 32 steps at a time, more blocks than are under way. */
import { sym, type Tensor } from '../index.js'
import { agrees, numbers, type KernelEdge } from './edge.js'

type Half = 'f16' | 'bf16'
type Transposed = readonly [a: boolean, b: boolean]
const all: readonly Transposed[] = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
]

const product = (
  dtype: Half,
  [rows, inner, columns]: readonly [number, number, number],
  [transA, transB]: Transposed,
  followed = false,
): KernelEdge =>
  agrees(
    `product of ${rows} rows, ${inner} steps, ${columns} columns of ${dtype}${transA ? ', first transposed' : ''}${transB ? ', second transposed' : ''}${followed ? ', and what follows' : ''}`,
    () => [
      numbers(transA ? [inner, rows] : [rows, inner], 0.37, dtype),
      numbers(transB ? [columns, inner] : [inner, columns], 0.71, dtype),
      ...(followed ? [numbers([columns], 0.2, dtype), numbers([rows, columns], 0.9, dtype)] : []),
    ],
    (a, b, bias, beside) =>
      bias === undefined
        ? a!.matmul(b!, { transA, transB })
        : a!.matmul(b!, { transA, transB, alpha: 0.5, bias, activation: 'gelu' }).add(beside!),
  )

const whole = [65, 40, 72] as const
const words = [20, 34, 18] as const
const odd = [33, 35, 37] as const

/** So many rows, steps and columns as a run says; each below, at and beyond a block. */
const some = sym('some', { max: 80 })
const lengths = [1, 64, 77].map((length) => new Map([[some, length]]))

/** So many products as a run says. */
const batches = sym('batches', { max: 6 })

/** Products and nothing after them, in every way in which batches lie. */
const plainEdges: readonly KernelEdge[] = [
  agrees(
    'a batch of products of f16, first transposed, with one matrix',
    () => [numbers([3, 24, 20], 0.3, 'f16'), numbers([1, 24, 18], 0.5, 'f16')],
    (a, b) => a!.matmul(b!, { transA: true }),
  ),
  agrees(
    'one matrix of bf16 with a batch, second transposed',
    () => [numbers([20, 24], 0.3, 'bf16'), numbers([3, 18, 24], 0.5, 'bf16')],
    (a, b) => a!.matmul(b!, { transB: true }),
  ),
  agrees(
    'products of f16 in batches of two axes, of odd sizes',
    () => [numbers([2, 3, 17, 19], 0.3, 'f16'), numbers([2, 3, 19, 21], 0.5, 'f16')],
    (a, b) => a!.matmul(b!),
  ),
  agrees(
    'products of f16, one matrix for some of a batch',
    () => [numbers([3, 2, 18, 20], 0.3, 'f16'), numbers([3, 1, 20, 18], 0.5, 'f16')],
    (a, b) => a!.matmul(b!),
  ),
  agrees(
    'rows of f16 in batches with one matrix, with one more axis',
    () => [numbers([3, 20, 24], 0.3, 'f16'), numbers([24, 34], 0.5, 'f16')],
    (a, b) => a!.matmul(b!).reshape(3, 1, 20, 34),
  ),
  agrees(
    'as many products of f16 as a symbol says',
    () => [numbers([6, 24, 20], 0.3, 'f16'), numbers([6, 18, 24], 0.5, 'f16')],
    (a, b) => a!.slice(0, 0, batches).matmul(b!.slice(0, 0, batches), { transA: true, transB: true }),
    [1, 0, 6, 3].map((count) => new Map([[batches, count]])),
  ),
]

export const matrixEdges: readonly KernelEdge[] = [
  ...plainEdges,
  ...all.flatMap((transposed) => [whole, words, odd].map((size) => product('f16', size, transposed))),
  ...[all[0]!, all[3]!].map((transposed) => product('bf16', whole, transposed)),
  product('bf16', odd, all[1]!),
  ...(['f16', 'bf16'] as const).flatMap((dtype) => [
    product(dtype, whole, all[1]!, true),
    product(dtype, odd, all[0]!, true),
    agrees(
      `products of ${dtype} in pairs`,
      () => [numbers([70, 40], 0.3, dtype), numbers([40, 72], 0.5, dtype), numbers([72, 40], 0.9, dtype)],
      (x, a, b) =>
        x!
          .matmul(a!)
          .silu()
          .mul(x!.matmul(b!, { transB: true })),
    ),
    agrees(
      `products of ${dtype} in batches, broadcast, as f32`,
      () => [numbers([3, 2, 17, 24], 0.3, dtype), numbers([3, 1, 24, 33], 0.5, dtype)],
      (a, b) => a!.matmul(b!).cast('f32').mul(2),
    ),
  ]),
  product('f16', [9, 16, 16], all[0]!),
  product('f16', [64, 32, 64], all[0]!),
  product('f16', [64, 232, 70], all[2]!),
  // More blocks than the emulated device has processors, and as many as a real one has not.
  agrees(
    'large products of f16 in batches',
    () => [numbers([2, 130, 48], 0.3, 'f16'), numbers([2, 48, 136], 0.5, 'f16')],
    (a, b) => a!.matmul(b!),
  ),
  agrees(
    'a product of f16 with itself, and what it was made of',
    () => [numbers([48, 48], 0.3, 'f16')],
    (x) => x!.matmul(x!, { transB: true }).add(x!),
  ),
  agrees(
    'a product of views of f16',
    () => [numbers([3, 5, 4, 10], 0.3, 'f16'), numbers([4, 10, 24], 0.5, 'f16')],
    (a: Tensor | undefined, b: Tensor | undefined) => a!.reshape(15, 40).matmul(b!.reshape(40, 24)),
  ),
  agrees(
    'as many rows of f16 as a symbol says',
    () => [numbers([80, 40], 0.3, 'f16'), numbers([24, 40], 0.5, 'f16'), numbers([24], 0.9, 'f16')],
    (x, w, bias) => x!.slice(0, 0, some).matmul(w!, { transB: true, bias: bias! }),
    lengths,
  ),
  agrees(
    'as many steps of f16 as a symbol says',
    () => [numbers([20, 80], 0.3, 'f16'), numbers([80, 24], 0.5, 'f16')],
    (a, b) => a!.slice(1, 0, some).matmul(b!.slice(0, 0, some)),
    lengths,
  ),
  agrees(
    'as many columns of f16 as a symbol says',
    () => [numbers([20, 40], 0.3, 'f16'), numbers([40, 80], 0.5, 'f16')],
    (a, b) => a!.matmul(b!.slice(1, 0, some)),
    lengths,
  ),
]
