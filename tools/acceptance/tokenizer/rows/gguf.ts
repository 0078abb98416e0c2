// Bar 1: the cases that llama.cpp keeps for its vocabularies, read from GGUF, here and in Hugging Face tokenizers with what toJSON makes of them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Tokenizer } from '@tesserae/tokenizer'
import { dataFile } from '../../lib/data.js'
import { pythonWith, runForJson } from '../../lib/peers.js'
import { row, unavailable, type Row, type RowSource } from '../../lib/row.js'

const names = ['gpt-2', 'llama-spm', 'phi-3', 'bert-bge'] as const

const source: RowSource = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-gguf-'))
  try {
    const rows = names.map((name) => cases(name, folder))
    rows.push(await elsewhere(folder))
    return rows
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
export default source

/** The row of one vocabulary; leaves its tokenizer.json and the ids that llama.cpp gives in the folder. */
function cases(name: string, folder: string): Row {
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
    const answers = inputs.map((text, i) => ({ text, ids: (outputs[i]!.match(/\d+/g) ?? []).map(Number) }))
    writeFileSync(join(folder, `${name}.json`), JSON.stringify({ cases: answers }))
    // llama.cpp's cases are without the tokens around a text.
    writeFileSync(join(folder, `${name}.ours`), JSON.stringify({ ...tokenizer.toJSON(), post_processor: null }))
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
}

async function elsewhere(folder: string): Promise<Row> {
  const figure = 'GGUF as tokenizer.json: cases with other ids in Hugging Face tokenizers than in llama.cpp'
  try {
    // A development machine may have an environment with tokenizers already.
    const python =
      process.env['TESSERAE_TORCH_PYTHON'] ?? pythonWith('huggingface-tokenizers', ['tokenizers==0.23.3', 'sentencepiece==0.2.3'])
    const script = join(import.meta.dirname, '../../../tokenizer/hf-round-trip.py')
    const { version, different } = (await runForJson(python, [script, folder])) as { version: string; different: Record<string, number> }
    const counts = Object.entries(different)
    const sum = counts.reduce((total, [, count]) => total + count, 0)
    return row(
      figure,
      '0',
      String(sum),
      sum === 0 && counts.length === names.length,
      `tokenizers ${version}; ${counts.map(([name, count]) => `${name} ${count}`).join(', ')}`,
    )
  } catch (error) {
    return unavailable(figure, '0', error)
  }
}
