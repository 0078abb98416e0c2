// Bytes that five programs over one set of frozen weights take, as the system counts them, and their estimate: one line of JSON.
// In a process of its own, because resident memory is the whole process's.
import { jit, planMemory, resolveDevice, setDefaultDevice, tensor, type Executable, type Tensor } from '@tesserae/tensor'

const [width, layers] = [1024, 24]
const rowCounts = [1, 8, 32, 128, 256]

const device = await resolveDevice('cpu')
setDefaultDevice(device)
const executables = new Set<Executable>()
const { run } = device
device.run = (executable, ...rest) => {
  executables.add(executable)
  return run.call(device, executable, ...rest)
}

const resident = async (): Promise<number> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, 20)) // memory goes back a turn after its owner
  }
  return process.memoryUsage.rss()
}

async function runOn(weights: readonly Tensor[], rows: number): Promise<void> {
  const stack = jit((x: Tensor) => weights.reduce((y, weight) => y.matmul(weight, { transB: true }).gelu(), x))
  using x = tensor(new Float32Array(rows * width).fill(0.01), { shape: [rows, width] })
  for (let i = 0; i < 3; i++) {
    using y = await stack(x)
    await y.data()
  }
}

async function makeWeights(count: number, size: number): Promise<Tensor[]> {
  const weights: Tensor[] = []
  for (let i = 0; i < count; i++) {
    const values = new Float32Array(size * size)
    for (let k = 0; k < values.length; k++) values[k] = Math.sin(k + i) / size
    const weight = tensor(values, { shape: [size, size], adopt: true })
    await weight.realize()
    weights.push(weight.freeze())
  }
  return weights
}

// The runtime, its threads and compiled JavaScript are there before the first weight.
for (const weight of await makeWeights(1, width)) {
  await runOn([weight], 1)
  weight.dispose()
}
executables.clear()
const before = await resident()
const weights = await makeWeights(layers, width)
await resident() // the arrays that the weights were made from are garbage by now, and no part of what is measured
for (const rows of rowCounts) await runOn(weights, rows)
const grown = (await resident()) - before

const programs = [...executables].map(({ program }) => ({ program, plan: planMemory(program) }))
const raw = layers * width * width * 4
const buffers = programs.reduce((sum, { program, plan }) => {
  const frozen = program.inputs.reduce(
    (bytes, input) => bytes + (input.role === 'frozen' ? (input.shape as readonly number[]).reduce((a, b) => a * b, 4) : 0),
    0,
  )
  return sum + plan.inputs - frozen + plan.outputs
}, 0)
// One arena for all sessions: the largest program's counts.
const arena = Math.max(...programs.map(({ plan }) => plan.arena))
console.log(JSON.stringify({ programs: programs.length, grown, raw, packed: raw, buffers, arena }))
process.exit(0)
