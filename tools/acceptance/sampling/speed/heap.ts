// Prints the bytes of heap that a chain allocates for each token, as the median of ten parts of the tokens and over all of them:
// `node --expose-gc heap.ts CHAIN TOKENS`. New space has to be large enough that nothing is collected in between.
import { chains, someLogits } from './chains.js'

const [name, tokens] = [process.argv[2]!, Number(process.argv[3])]
const PARTS = 10
const logits = someLogits()
const sampler = chains[name]!()

function run(count: number): void {
  for (let i = 0; i < count; i++) sampler.accept(sampler.choose(logits[i & 7]!))
}
const collect = (globalThis as { gc?: () => void }).gc
if (collect === undefined) throw new Error('heap.ts needs --expose-gc')
run(3000)
collect()
run(500)
const bytes: number[] = []
for (let part = 0; part < PARTS; part++) {
  const before = process.memoryUsage().heapUsed
  run(tokens / PARTS)
  bytes.push(((process.memoryUsage().heapUsed - before) * PARTS) / tokens)
}
const mean = bytes.reduce((sum, one) => sum + one, 0) / PARTS
// While the engine compiles a function anew, it runs code that allocates every number: a part in which it does tells nothing of the chain.
console.log(JSON.stringify({ median: bytes.sort((a, b) => a - b)[PARTS / 2]!, mean }))
