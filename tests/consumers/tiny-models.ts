/** Models with random weights and vocabularies of a few hundred tokens, in the forms that other libraries load. */
import { random } from '@tesserae/core'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeMessage } from '../../packages/tensor/src/device/onnx/proto/codec.js'
import type { ModelProto, ValueInfoProto } from '../../packages/tensor/src/device/onnx/proto/schema.js'
import { ggufFile, type GgufEntry } from '../../tools/acceptance/tokenizer/hostile/gguf-writer.js'

/** Pieces of text beside the single bytes; blanks as such. */
const words = [
  '  ',
  '{"',
  '":',
  '": ',
  '",',
  '"}',
  ' "',
  '},{',
  'name',
  'age',
  ' years',
  'true',
  'false',
  'null',
  '12',
  '345',
  'é',
  ' été',
  '日本',
  '😀',
  'a-b',
  '\n\n',
]
const END = '<|end|>'

/** The characters by which byte-level vocabularies write bytes: what is printable as itself, the rest from U+0100 on. */
const alphabet: string[] = []
for (let byte = 0, next = 0x100; byte < 256; byte++)
  alphabet.push(String.fromCharCode((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174 ? byte : next++))
const byteLevel = (text: string): string => Array.from(new TextEncoder().encode(text), (byte) => alphabet[byte]!).join('')
const blanksMarked = (text: string): string => text.replaceAll(' ', '\u2581')
const byteNames = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)

/** A folder that transformers.js loads: a tokenizer, and a model whose logits are a row of a random table, by the last token. It would rather end at once. */
export function writeTransformersModel(folder: string, kind: 'byte-level' | 'pieces'): void {
  const pieces =
    kind === 'byte-level' ? [...alphabet, ...words.map(byteLevel)] : ['<unk>', ...byteNames, '\u2581', ...words.map(blanksMarked)]
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]))
  const size = pieces.length + 2
  const added = (content: string, id: number, special: boolean) => ({
    ...{ id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false },
  })
  const tokenizer = {
    version: '1.0',
    added_tokens: [added(END, size - 2, true), added('<call>', size - 1, false)],
    normalizer: kind === 'pieces' ? { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' } : null,
    pre_tokenizer: kind === 'pieces' ? null : { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder:
      kind === 'pieces'
        ? {
            type: 'Sequence',
            decoders: [{ type: 'Replace', pattern: { String: '\u2581' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }],
          }
        : { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      vocab,
      merges: [],
      unk_token: kind === 'pieces' ? '<unk>' : null,
      byte_fallback: kind === 'pieces',
      fuse_unk: true,
    },
  }
  const json = (name: string, value: unknown): void => writeFileSync(join(folder, name), JSON.stringify(value))
  mkdirSync(join(folder, 'onnx'), { recursive: true })
  json('tokenizer.json', tokenizer)
  json('tokenizer_config.json', { tokenizer_class: 'PreTrainedTokenizer', eos_token: END, pad_token: END })
  json('config.json', { model_type: 'gpt2', vocab_size: size, n_layer: 1, n_head: 1, n_embd: 1, n_positions: 512, eos_token_id: size - 2 })
  json('generation_config.json', { eos_token_id: size - 2, pad_token_id: size - 2 })
  writeFileSync(join(folder, 'onnx/model.onnx'), tableModel(size, size - 2))
}

function tableModel(size: number, likely: number): Uint8Array {
  const stream = random('table')
  const table = Float32Array.from({ length: size * size }, (_, i) => stream.normal() * 2 + (i % size === likely ? 4 : 0))
  const [FLOAT, INT64] = [1, 7]
  const info = (name: string, elemType: number, dims: readonly (string | number)[]): ValueInfoProto => ({
    name,
    type: {
      tensorType: { elemType, shape: { dim: dims.map((dim) => (typeof dim === 'string' ? { dimParam: dim } : { dimValue: dim })) } },
    },
  })
  const cache = ['batch_size', 1, 'past', 1] as const
  const model: ModelProto = {
    irVersion: 10,
    opsetImport: [{ domain: '', version: 21 }],
    producerName: 'tesserae',
    graph: {
      name: 'table',
      node: [
        { name: 'rows', opType: 'Gather', input: ['table', 'input_ids'], output: ['logits'] },
        // A cache of one number a token, since generation expects one.
        { name: 'shape', opType: 'Unsqueeze', input: ['input_ids', 'axes'], output: ['ids4'] },
        { name: 'floats', opType: 'Cast', input: ['ids4'], output: ['new'], attribute: [{ name: 'to', type: 2, i: FLOAT }] },
        ...['key', 'value'].map((name) => ({
          name,
          opType: 'Concat',
          input: [`past_key_values.0.${name}`, 'new'],
          output: [`present.0.${name}`],
          attribute: [{ name: 'axis', type: 2, i: 2 }],
        })),
      ],
      initializer: [
        { name: 'table', dataType: FLOAT, dims: [size, size], rawData: new Uint8Array(table.buffer) },
        { name: 'axes', dataType: INT64, dims: [2], int64Data: [1, 3] },
      ],
      input: [
        info('input_ids', INT64, ['batch_size', 'length']),
        info('past_key_values.0.key', FLOAT, cache),
        info('past_key_values.0.value', FLOAT, cache),
      ],
      output: [
        info('logits', FLOAT, ['batch_size', 'length', size]),
        info('present.0.key', FLOAT, ['batch_size', 1, 'total', 1]),
        info('present.0.value', FLOAT, ['batch_size', 1, 'total', 1]),
      ],
    },
  }
  return encodeMessage('ModelProto', model)
}

const WIDTH = 32

/** A GGUF file of a llama of one layer. `filling` tokens beside the others make its vocabulary larger. */
export function writeGguf(path: string, kind: 'byte-level' | 'pieces', filling = 0): void {
  const stream = random('gguf')
  const fill = Array.from({ length: filling }, (_, i) => ` w${i.toString(36)}`)
  const [NORMAL, UNKNOWN, CONTROL, USER, BYTE] = [1, 2, 3, 4, 6]
  const body = [...words, ...fill]
  const tokens =
    kind === 'byte-level'
      ? [...alphabet, ...body.map(byteLevel), END, '<call>']
      : ['<unk>', '<s>', END, ...byteNames, '\u2581', ...body.map(blanksMarked), '<call>']
  const types =
    kind === 'byte-level'
      ? [...Array<number>(256 + body.length).fill(NORMAL), CONTROL, USER]
      : [UNKNOWN, CONTROL, CONTROL, ...Array<number>(256).fill(BYTE), NORMAL, ...body.map(() => NORMAL), USER]
  const end = tokens.indexOf(END)
  const float = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer)
  const entries: GgufEntry[] = [
    ['general.architecture', 'string', 'llama'],
    ['general.name', 'string', 'tiny'],
    ['llama.vocab_size', 'uint32', tokens.length],
    ['llama.context_length', 'uint32', 1024],
    ['llama.embedding_length', 'uint32', WIDTH],
    ['llama.block_count', 'uint32', 1],
    ['llama.feed_forward_length', 'uint32', WIDTH],
    ['llama.attention.head_count', 'uint32', 1],
    ['llama.rope.dimension_count', 'uint32', WIDTH],
    ['llama.attention.layer_norm_rms_epsilon', 6, float(1e-5)],
    ['tokenizer.ggml.model', 'string', kind === 'byte-level' ? 'gpt2' : 'llama'],
    ['tokenizer.ggml.tokens', 'strings', tokens],
    ['tokenizer.ggml.token_type', 'int32s', types],
    ['tokenizer.ggml.eos_token_id', 'uint32', end],
    ...(kind === 'byte-level'
      ? ([
          ['tokenizer.ggml.pre', 'string', 'gpt-2'],
          ['tokenizer.ggml.merges', 'strings', ['a b']],
          ['tokenizer.ggml.bos_token_id', 'uint32', end],
        ] as const)
      : ([
          ['tokenizer.ggml.scores', 'float32s', tokens.map((_, id) => -id)],
          ['tokenizer.ggml.bos_token_id', 'uint32', 1],
          ['tokenizer.ggml.unknown_token_id', 'uint32', 0],
          ['tokenizer.ggml.add_space_prefix', 'bool', 0],
        ] as const)),
  ]
  const tensor = (name: string, ...shape: readonly number[]) => ({
    name,
    shape,
    values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => (shape.length === 1 ? 1 : stream.normal())),
  })
  const tensors = [
    tensor('token_embd.weight', WIDTH, tokens.length),
    tensor('output_norm.weight', WIDTH),
    tensor('output.weight', WIDTH, tokens.length),
    tensor('blk.0.attn_norm.weight', WIDTH),
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'].map((name) =>
      tensor(`blk.0.${name}.weight`, WIDTH, WIDTH),
    ),
    tensor('blk.0.ffn_norm.weight', WIDTH),
  ]
  writeFileSync(path, ggufFile(entries, { tensors }))
}
