// Syncs sources into a directory, one after another, and prints the number of each when it is acknowledged. Sources are replaced in later rounds, so
// that a kill falls on updates and deletions as well. Killed by whoever started it.
import { makeChange, makeManifest } from '@tesserae/rag/testing'
import { pglite } from '@tesserae/rag/pglite'

const [dir, first] = process.argv.slice(2) as [string, string]
const store = pglite({ dir })
await store.open(makeManifest())
for (let version = Number(first); ; version++) {
  const id = `s${version % 40}`
  const texts = Array.from({ length: 6 }, (_, i) => `source ${id} version ${version} chunk ${i}`)
  const old = await store.chunksOf(id)
  const change = makeChange(id, texts, { metadata: { version } })
  await store.applySource({ ...change, remove: old.map((chunk) => chunk.id) })
  process.stdout.write(`${version}\n`)
}
