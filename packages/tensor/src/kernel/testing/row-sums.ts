import { buildKernel, f32, u32 } from '../builder.js'

/** Sums rows: a kernel with all kinds of statements, which every printer is shown. */
export const rowSums = buildKernel({ name: 'row_sums', workgroup: [32, 1, 1] }, (b) => {
  const x = b.storage('x', 'f32')
  const sums = b.storage('sums', 'f32')
  const seen = b.storage('seen', 'u32', { atomic: true })
  const width = b.uniform('width')
  const scale = b.uniform('scale', 'f32')
  const part = b.sharedArray('part', 'f32', 32)
  const thread = b.localIndex()
  const sum = b.var('sum', f32(0))
  b.for('i', thread, width, 32, (i) => {
    sum.set(b.load(x, b.workgroupId(0).mul(width).add(i)).fma(scale, sum.value))
    b.atomicAdd(seen, u32(0), u32(1))
  })
  b.store(part, thread, sum.value)
  b.barrier()
  b.for('step', u32(0), 4, 1, (step) => {
    const half = b.let('half', u32(16).shr(step))
    b.if(
      thread.lt(half),
      () => b.store(part, thread, b.load(part, thread).add(b.load(part, thread.add(half)))),
      () => {},
    )
    b.barrier()
  })
  b.if(
    thread.eq(0),
    () => b.store(sums, b.workgroupId(0), b.load(part, u32(0)).add(b.load(part, u32(1)))),
    () => b.store(part, thread, f32(0)),
  )
})
