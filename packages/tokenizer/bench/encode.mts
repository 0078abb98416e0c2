// MB per CPU-second of encoding cl100k_base (and o200k_base, and cl100k_base from a tokenizer.json), beside the other tokenizers of JavaScript, by turns, each in a
// process of its own:
//   npx tsx --conditions=@tesserae/source packages/tokenizer/bench/encode.mts [folder where npm installed the peers]
// Without a folder they are installed into the cache folder of the acceptance, which measures the same: npm run acceptance -- tokenizer --only speed
import { npmFolderWith } from '../../../tools/acceptance/lib/npm.js'
import { ownNames, peerNames, peerPackages } from '../../../tools/acceptance/tokenizer/speed/contestants.js'
import { speedsInTurns } from '../../../tools/acceptance/tokenizer/speed/turns.js'

const folder = process.argv[2] ?? npmFolderWith('tokenizers', peerPackages)
const rows: Record<string, Record<string, string>> = {}
for (const { contestant, text, empty, warm } of await speedsInTurns([...ownNames, ...peerNames], folder, 2)) {
  ;(rows[contestant] ??= {})[text] = `${empty.toFixed(1)} / ${warm.toFixed(1)}`
}
console.log('MB per CPU-second with an empty / a warm cache')
console.table(rows)
