// Prints the bytes of heap that a chain allocates for each token: `node --expose-gc heap.ts CHAIN TOKENS`. New space has to be large enough that nothing is collected in between.
import { chains, someLogits } from './chains.js'

const [name, tokens] = [process.argv[2]!, Number(process.argv[3])]
const WARM_UP = 3000
const logits = someLogits()
const sampler = chains[name]!()

function run(count: number): void {
  for (let i = 0; i < count; i++) sampler.accept(sampler.choose(logits[i & 7]!))
}
const collect = (globalThis as { gc?: () => void }).gc
if (collect === undefined) throw new Error('heap.ts needs --expose-gc')
run(WARM_UP)
collect()
const before = process.memoryUsage().heapUsed
run(tokens)
const after = process.memoryUsage().heapUsed
console.log(JSON.stringify({ bytes: (after - before) / tokens }))
