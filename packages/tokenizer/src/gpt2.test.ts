import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readGgufMetadata } from './formats/gguf/file.js'
import { mobyJson } from './__fixtures__/reference.js'
import { Tokenizer } from './tokenizer.js'

const data = new URL('../../../../shared/data/vocab/', import.meta.url)

describe.skipIf(!existsSync(new URL('ggml-vocab-gpt-2.gguf', data)))('GPT-2’s own vocabulary (needs ../shared/data)', () => {
  it('gives the ids of llama.cpp’s 46 cases', () => {
    const metadata = readGgufMetadata(readFileSync(new URL('ggml-vocab-gpt-2.gguf', data)))
    const tokens = metadata.get('tokenizer.ggml.tokens') as string[]
    const tokenizer = Tokenizer.fromJSON({
      ...mobyJson(),
      added_tokens: [{ id: 50256, content: '<|endoftext|>', special: true }],
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: metadata.get('tokenizer.ggml.merges'),
      },
    })
    const inputs = readFileSync(new URL('ggml-vocab-gpt-2.gguf.inp', data), 'utf8').split('\n__ggml_vocab_test__\n')
    const outputs = readFileSync(new URL('ggml-vocab-gpt-2.gguf.out', data), 'utf8').split('\n')
    expect(inputs.length).toBeGreaterThanOrEqual(46)
    for (const [i, input] of inputs.entries()) {
      expect([...tokenizer.encode(input)].join(' '), JSON.stringify(input)).toBe(outputs[i]!.trim())
    }
  })
})
