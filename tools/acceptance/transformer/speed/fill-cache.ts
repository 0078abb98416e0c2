// Fills a cache of a model of a GGUF file with a prompt, and prints the peak of the process's memory in MiB. Arguments: file, tokens, type of the cache.
import { createModel, type CacheType } from '@tesserae/transformer'
import { loadCheckpoint } from '@tesserae/transformer/node'
import { peakMiB } from '../../lib/peak.js'

const [path, count, cacheType] = process.argv.slice(2) as [string, string, CacheType]
const capacity = Number(count)
const loaded = await loadCheckpoint(path, { device: 'cpu', capacity })
const model = await createModel({ ...loaded, device: 'cpu', capacity, cacheType, maxStreams: 1, prefixCache: false })
const text = model.open(Array.from({ length: capacity - 8 }, (_, i) => 1000 + (((i + 1) * 7919) % 30_000)))
for (let i = 0; i < 4; i++) {
  await text.next()
  text.ids.push(1000 + i)
}
console.log(peakMiB())
process.exit(0)
