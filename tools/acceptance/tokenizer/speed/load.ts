// Prints the milliseconds that it takes to load an encoding in a process that has the package: `node load.ts NAME`.
import { Tokenizer, type EncodingName } from '@tesserae/tokenizer'

const started = performance.now()
const before = process.cpuUsage()
await Tokenizer.fromEncoding(process.argv[2] as EncodingName)
const { user, system } = process.cpuUsage(before)
console.log(JSON.stringify({ wall: performance.now() - started, cpu: (user + system) / 1000 }))
