import { expect, it } from 'vitest'
import { ReferenceDevice } from '../device/reference/device.js'
import type { DeviceBuffer, Executable } from '../device/device.js'
import { add, constant, neg } from '../graph/primitives.js'
import type { Value } from '../graph/node.js'
import { makeNode } from '../graph/build.js'
import '../ops/table.js'
import { buildProgram } from './build-program.js'
import { clearPrograms, clearProgramsOver, leasePrograms } from './cache.js'
import type { Program } from './program.js'

const leaf = (): Value => ({ node: makeNode('input', [], {}, [{ shape: [2], dtype: 'f32' }]), index: 0 })
const programOf = (n: number): Program => buildProgram([add(leaf(), constant(n, 'f32'))], { keepsDuplicates: false })

/** Compiles when told to, and fails as often as told. */
class Slow extends ReferenceDevice {
  failures = 0
  compiled = 0
  override async compile(program: Program): Promise<Executable> {
    await new Promise((resolve) => setTimeout(resolve, 1))
    if (this.failures-- > 0) throw new Error('no memory')
    this.compiled++
    return super.compile(program)
  }
}

it('compiles equal programs once, also at the same time', async () => {
  const device = new Slow()
  const [a, b] = [leasePrograms(device), leasePrograms(device)]
  const [x, y] = await Promise.all([a.compile(programOf(1)), b.compile(programOf(1))])
  expect(x).toBe(y)
  expect(device.compiled).toBe(1)
})

it('does not remember failures', async () => {
  const device = new Slow()
  device.failures = 1
  const lease = leasePrograms(device)
  await expect(lease.compile(programOf(1))).rejects.toThrow('no memory')
  expect((await lease.compile(programOf(1))).executable.program.nodes).toHaveLength(2)
  lease.release()
})

it('keeps 256 programs, and any that is in use', async () => {
  const device = new Slow()
  const held = leasePrograms(device)
  const first = await held.compile(programOf(-1))
  const others = leasePrograms(device)
  await Promise.all(Array.from({ length: 300 }, (_, n) => others.compile(programOf(n))))
  others.release()
  await new Promise((resolve) => setTimeout(resolve, 0))
  expect(device.memory().programs).toBe(257)
  device.run(first.executable, [device.alloc(8)], [device.alloc(8)], new Map())
  held.release()
  await new Promise((resolve) => setTimeout(resolve, 0))
  expect(device.memory().programs).toBe(256)
})

it('drops programs at once for whoever comes, and for those at work when they have ended', async () => {
  const device = new Slow()
  const lease = leasePrograms(device)
  const { executable } = await lease.compile(programOf(1))
  await lease.compile(buildProgram([neg(leaf())], { keepsDuplicates: false }))
  let end!: () => void
  clearPrograms(device, (program) => program.nodes.some(({ op }) => op === 'add'), [new Promise<void>((resolve) => (end = resolve))])
  expect(device.memory().programs).toBe(2)
  const again = await lease.compile(programOf(1))
  expect(again.executable).not.toBe(executable)
  end()
  await new Promise((resolve) => setTimeout(resolve, 0))
  expect(() => device.run(executable, [device.alloc(8)], [device.alloc(8)], new Map())).toThrow(/this program was disposed/)
  device.run(again.executable, [device.alloc(8)], [device.alloc(8)], new Map())
  lease.release()
})

it('drops the programs over a frozen buffer, and no others', async () => {
  const device = new Slow()
  const buffers = [device.alloc(8), device.alloc(8), device.alloc(8)]
  const over = (frozen: DeviceBuffer, i: number): Program => {
    const program = programOf(1)
    return { ...program, key: `${program.key} over ${i}`, inputs: program.inputs.map((input) => ({ ...input, role: 'frozen', frozen })) }
  }
  const programs = buffers.slice(0, 2).map(over)
  const lease = leasePrograms(device)
  const compiled = await Promise.all(programs.map((program) => lease.compile(program)))
  clearProgramsOver(buffers[2]!)
  expect(await Promise.all(programs.map((program) => lease.compile(program)))).toEqual(compiled)
  clearProgramsOver(buffers[0]!)
  const again = await Promise.all(programs.map((program) => lease.compile(program)))
  expect(again.map((each, i) => each === compiled[i])).toEqual([false, true])
  // A buffer that programs were dropped over may be compiled over again.
  clearProgramsOver(buffers[0]!)
  expect(await lease.compile(programs[0]!)).not.toBe(again[0])
  lease.release()
})
