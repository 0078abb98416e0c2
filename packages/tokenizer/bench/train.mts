// Seconds of training BPE on bytes, BPE on characters and WordPiece, each on the same made-up corpus:
//   npx tsx --conditions=@tesserae/source packages/tokenizer/bench/train.mts [megabytes, default 10] [tokens, default 32000]
// The acceptance measures the first beside Hugging Face's trainer: npm run acceptance -- tokenizer --only training
import { trainBpe, trainWordPiece, type TrainingOptions } from '@tesserae/tokenizer'
import { trainingCorpus } from '../../../tools/acceptance/tokenizer/texts/training-corpus.js'

const [megabytes = 10, vocabSize = 32_000] = process.argv.slice(2).map(Number)
const texts = [...trainingCorpus(megabytes * 1e6)]
const trainers = {
  'BPE on bytes': (options: TrainingOptions) => trainBpe(texts, options),
  'BPE on characters': (options: TrainingOptions) => trainBpe(texts, { symbols: 'characters', preTokenizer: 'Metaspace', ...options }),
  WordPiece: (options: TrainingOptions) => trainWordPiece(texts, options),
}
const rows: Record<string, Record<string, string>> = {}
for (const [name, train] of Object.entries(trainers)) {
  const started = performance.now()
  let counted = started
  const onProgress: TrainingOptions['onProgress'] = ({ task, total }) => {
    if (task === 'count-pieces' && total !== undefined) counted = performance.now()
  }
  await train({ vocabSize, onProgress })
  const [reading, merging] = [counted - started, performance.now() - counted]
  rows[name] = {
    'reading, s': (reading / 1000).toFixed(2),
    'merging, s': (merging / 1000).toFixed(2),
    'MB/s': ((megabytes * 1000) / (reading + merging)).toFixed(1),
  }
}
console.table(rows)
console.log(`peak memory with the texts: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`)
