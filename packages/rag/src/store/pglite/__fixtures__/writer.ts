// Writes sources into a directory without end and prints the number of each when it is acknowledged. With 'half' in place of the first
// number it dies right after PostgreSQL's files were made, before the set-up is declared finished.
import { join } from 'node:path'
import { makeChange, makeManifest } from '../../../testing/fixture.js'
import { takePlace } from '../node/place.js'
import { pglite } from '../open.js'

const [dir, first] = process.argv.slice(2) as [string, string]
if (first === 'half') {
  await takePlace({ dir })
  const { PGlite } = await import('@electric-sql/pglite')
  await PGlite.create({ dataDir: join(dir, 'data') })
  process.kill(process.pid, 'SIGKILL')
}
const store = pglite({ dir })
await store.open(makeManifest())
for (let i = Number(first); ; i++) {
  await store.applySource(makeChange(`s${i}`, Array.from({ length: 5 }, (_, n) => `source ${i} chunk ${n} of some words`), { metadata: { i } }))
  process.stdout.write(`${i}\n`)
}
