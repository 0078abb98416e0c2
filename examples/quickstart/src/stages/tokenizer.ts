import { join } from 'node:path'
import { Tokenizer, trainBpe } from '@tesserae/tokenizer'
import { book } from '../book.js'
import { template } from '../chat.js'
import { digest, readJson, writeWhole } from '../files.js'
import type { Stage } from '../stage.js'
import { progressBar } from '../terminal.js'

/** Learns a byte-level BPE vocabulary from the training part of the book. The roles of a chat are tokens of it from the start. */
export const tokenizerStage: Stage = {
  name: 'tokenizer',
  title: 'Tokenizer: pieces of text that the model reads and writes',
  code: 'examples/quickstart/src/stages/tokenizer.ts',
  needs: [],
  inputs: ({ sizes }) => ({ vocabSize: sizes.vocabSize, template, text: digest(book().train) }),
  async run({ options, ui, signal, folder }) {
    const { train, validation } = book()
    const start = performance.now()
    const tokenizer = await trainBpe([train], {
      vocabSize: options.sizes.vocabSize,
      specialTokens: [template.user, template.assistant, template.end],
      signal,
      onProgress: ({ task, completed, total }) => ui.status(`   ${progressBar(completed, total ?? 0)}  ${task}`),
    })
    const seconds = (performance.now() - start) / 1000
    await writeWhole(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer.toJSON()))
    const bytes = Buffer.byteLength(validation)
    const perToken = bytes / tokenizer.encode(validation).length
    const sample = [...tokenizer.encode('Call me Ishmael.')].map((id) => `[${tokenizer.decode([id])}]`)
    return {
      figures: { tokens: tokenizer.vocabSize, bytesPerToken: perToken },
      lines: [
        `${tokenizer.vocabSize} tokens learnt from ${(Buffer.byteLength(train) / 1e6).toFixed(2)} MB of Moby-Dick in ${seconds.toFixed(1)} s`,
        `held-out text takes 1.00 → ${perToken.toFixed(2)} bytes a token; “Call me Ishmael.” → ${sample.join('')}`,
      ],
    }
  },
}

export const loadTokenizer = async (folder: string): Promise<Tokenizer> =>
  Tokenizer.fromJSON(await readJson(join(folder, 'tokenizer.json')))
