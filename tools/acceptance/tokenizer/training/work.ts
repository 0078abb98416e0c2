// Our side of the contest in training: reads documents that U+0000 divides from a file, trains, and prints seconds, CPU-seconds and peak memory. Arguments: file, size of the
// vocabulary, file for the tokenizer.
import { createReadStream, writeFileSync } from 'node:fs'
import { trainBpe } from '@tesserae/tokenizer'
import { peakMiB } from '../../lib/peak.js'

const [file, vocabSize, out] = process.argv.slice(2) as [string, string, string]

async function* documents(): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    const parts = (rest + (chunk as string)).split('\0')
    rest = parts.pop()!
    yield* parts
  }
  if (rest !== '') yield rest
}

const started = performance.now()
const cpu = process.cpuUsage()
let counted = 0
const tokenizer = await trainBpe(documents(), {
  vocabSize: Number(vocabSize),
  onProgress: ({ task, total }) => {
    if (task === 'count-pieces' && total !== undefined) counted = performance.now()
  },
})
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(cpu)
writeFileSync(out, JSON.stringify(tokenizer))
console.log(
  JSON.stringify({
    seconds,
    cpuSeconds: (user + system) / 1e6,
    counting: (counted - started) / 1000,
    peakMiB: peakMiB(),
  }),
)
