// Bar 1: the cases that llama.cpp keeps for its vocabularies, read from GGUF.
import { readFileSync } from 'node:fs'
import { Tokenizer } from '@tesserae/tokenizer'
import { dataFile } from '../../lib/data.js'
import { row, unavailable, type RowSource } from '../../lib/row.js'

const source: RowSource = async () =>
  ['gpt-2', 'llama-spm', 'phi-3', 'bert-bge'].map((name) => {
    const figure = `GGUF, ${name}: cases with other ids than llama.cpp's`
    try {
      const path = dataFile(`vocab/ggml-vocab-${name}.gguf`)
      const start = performance.now()
      const tokenizer = Tokenizer.fromGGUF(readFileSync(path))
      const load = performance.now() - start
      const inputs = readFileSync(`${path}.inp`, 'utf8').split('\n__ggml_vocab_test__\n')
      const outputs = readFileSync(`${path}.out`, 'utf8').split('\n')
      const different = inputs.filter(
        (input, i) => tokenizer.encode(input, { special: 'text', addSpecial: false }).join(' ') !== outputs[i]!.trim(),
      )
      return row(
        figure,
        `0 of ${inputs.length}`,
        `${different.length} of ${inputs.length}`,
        inputs.length >= 46 && different.length === 0,
        `${tokenizer.vocabSize} tokens, loaded in ${load.toFixed(0)} ms${different.length === 0 ? '' : `; first: ${JSON.stringify(different[0])}`}`,
      )
    } catch (error) {
      return unavailable(figure, '0', error)
    }
  })
export default source
