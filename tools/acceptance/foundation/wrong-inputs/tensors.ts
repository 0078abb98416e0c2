// Tensors, jitted functions and devices used wrongly.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { jit, resolveDevice, tensor, type Tensor } from '@tesserae/tensor'
import type { WrongInput } from './case.js'

const matrix = (rows: number, columns: number): Tensor => tensor(new Float32Array(rows * columns).fill(0.5), { shape: [rows, columns] })

export const tensorCases: readonly WrongInput[] = [
  { title: 'shapes that do not broadcast', codes: ['SHAPE'], attempt: () => matrix(2, 3).add(matrix(2, 4)) },
  { title: 'a product of [2, 3] and [4, 5]', codes: ['SHAPE'], attempt: () => matrix(2, 3).matmul(matrix(4, 5)) },
  { title: 'integers where floats are needed', codes: ['DTYPE'], attempt: () => tensor([[1, 2]], { dtype: 'i32' }).softmax(-1) },
  {
    title: 'two dtypes in one sum',
    codes: ['DTYPE'],
    attempt: () => tensor([1, 2], { dtype: 'i32' }).add(tensor([1, 2], { dtype: 'u32' })),
  },
  {
    title: 'a donated tensor used again',
    codes: ['DONATED'],
    async attempt() {
      using double = jit((x: Tensor) => x.mul(2), { donate: [0] })
      using x = matrix(2, 2)
      using y = await double(x)
      await y.data()
      await x.data()
    },
  },
  {
    title: 'a tensor given twice, once donated',
    codes: ['DONATED'],
    async attempt() {
      using sum = jit((x: Tensor, y: Tensor) => x.add(y), { donate: [0] })
      using x = matrix(2, 2)
      await sum(x, x)
    },
  },
  {
    title: 'a tensor used after dispose() during a run',
    codes: ['DISPOSED'],
    async attempt() {
      using product = jit((x: Tensor, y: Tensor) => x.matmul(y))
      const [x, y] = [matrix(768, 768), matrix(768, 768)]
      const running = product.run([x, y], { async: true })
      x.dispose()
      y.dispose()
      using result = await running
      // The run keeps what it reads: 768 products of 0.5 and 0.5.
      const [first] = await result.data()
      if (first !== 192) throw new Error(`the run computed ${first} instead of 192`)
      await x.data()
    },
  },
  {
    title: 'a promise inside jit',
    codes: ['TRACE'],
    async attempt() {
      using wrong = jit(async (x: Tensor) => x.mul(2))
      using x = matrix(2, 2)
      await wrong(x)
    },
  },
  {
    title: 'values asked for inside jit',
    codes: ['TRACE'],
    async attempt() {
      using wrong = jit((x: Tensor) => {
        void x.data()
        return x
      })
      using x = matrix(2, 2)
      await wrong(x)
    },
  },
  { title: 'a device of an unknown name', codes: ['DEVICE'], attempt: () => resolveDevice('gpu' as never) },
  {
    title: 'no runtime installed, and a tensor of 32 MiB',
    codes: ['DEVICE', 'OUT_OF_MEMORY'],
    attempt() {
      const child = spawnSync(process.execPath, [...process.execArgv, join(import.meta.dirname, 'no-runtime.ts')], { encoding: 'utf8' })
      if (child.status !== 0) throw new Error(`the process ended with ${child.signal ?? child.status}: ${child.stderr.slice(-300)}`)
      throw Object.assign(new Error(), JSON.parse(child.stdout.trim().split('\n').at(-1)!))
    },
  },
]
