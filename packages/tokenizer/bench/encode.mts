// MB per CPU-second of encoding cl100k_base (and o200k_base, and cl100k_base from a tokenizer.json), beside the other tokenizers of JavaScript, in one process:
//   npx tsx --conditions=@tesserae/source packages/tokenizer/bench/encode.mts [folder where npm installed the peers]
// Without a folder they are installed into the cache folder of the acceptance, which measures the same: npm run acceptance -- tokenizer --only speed
import { Tokenizer } from '@tesserae/tokenizer'
import { npmFolderWith } from '../../../tools/acceptance/lib/npm.js'
import { ours, oursFromJson, peerPackages, peers } from '../../../tools/acceptance/tokenizer/speed/contestants.js'
import { measureSpeeds } from '../../../tools/acceptance/tokenizer/speed/measure.js'
import { code, english, languages } from '../../../tools/acceptance/tokenizer/texts/corpora.js'

const json = JSON.stringify(await Tokenizer.fromEncoding('cl100k_base'))
const others = await peers(process.argv[2] ?? npmFolderWith('tokenizers', peerPackages), json)
const contestants = [ours('cl100k_base'), ours('o200k_base'), oursFromJson(json), ...others]
const rows: Record<string, Record<string, string>> = {}
for (const { contestant, text, empty, warm } of measureSpeeds(contestants, { English: english(), code: code(), Unicode: languages() }, 3)) {
  ;(rows[contestant] ??= {})[text] = `${empty.toFixed(1)} / ${warm.toFixed(1)}`
}
console.log('MB per CPU-second with an empty / a warm cache')
console.table(rows)
process.exit(0) // threads of the peers would keep the process
