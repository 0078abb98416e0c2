/** Checkpoints that mean no good, each as the files of a folder, and two that mean well. */
import { GgufBytes } from '../../../../tensor/src/io/gguf/testing/bytes.js'
import { chatTokenizer, plainTemplate } from '../../lm/testing/chat-model.js'

export interface HostileFiles {
  readonly name: string
  /** By name in a folder. */
  readonly files: Readonly<Record<string, Uint8Array | string>>
  /** The file that is asked for, where it is not the folder. */
  readonly entry?: string
}

const encoder = new TextEncoder()

/** A small Llama, as Hugging Face's `config.json` says it. */
const config = {
  model_type: 'llama',
  vocab_size: 300,
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 32,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
}

const shapes: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [300, 8],
  'model.layers.0.input_layernorm.weight': [8],
  'model.layers.0.self_attn.q_proj.weight': [8, 8],
  'model.layers.0.self_attn.k_proj.weight': [4, 8],
  'model.layers.0.self_attn.v_proj.weight': [4, 8],
  'model.layers.0.self_attn.o_proj.weight': [8, 8],
  'model.layers.0.post_attention_layernorm.weight': [8],
  'model.layers.0.mlp.up_proj.weight': [8, 8],
  'model.layers.0.mlp.gate_proj.weight': [8, 8],
  'model.layers.0.mlp.down_proj.weight': [8, 8],
  'model.norm.weight': [8],
}

interface Entry {
  readonly dtype: unknown
  readonly shape: unknown
  readonly data_offsets: unknown
}

const entries = (): Record<string, Entry> => {
  let at = 0
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => {
      const [begin, end] = [at, at + 4 * shape.reduce((a, b) => a * b, 1)]
      at = end
      return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }]
    }),
  )
}
const dataBytes = Object.values(shapes).reduce((sum, shape) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0)

/** A file of safetensors with a header as it is given. */
function safetensors(header: unknown = entries(), options: { readonly length?: bigint; readonly data?: number } = {}): Uint8Array {
  const json = encoder.encode(typeof header === 'string' ? header : JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + (options.data ?? dataBytes))
  new DataView(bytes.buffer).setBigUint64(0, options.length ?? BigInt(json.length), true)
  bytes.set(json, 8)
  return bytes
}

/** The header with one tensor changed. */
const changed = (change: Partial<Entry>): Uint8Array =>
  safetensors({ ...entries(), 'model.norm.weight': { ...entries()['model.norm.weight']!, ...change } })

type Keys = Readonly<Record<string, string | number | ((bytes: GgufBytes) => GgufBytes)>>

const ggufKeys: Keys = {
  'general.architecture': 'llama',
  'llama.context_length': 32,
  'llama.embedding_length': 8,
  'llama.block_count': 1,
  'llama.feed_forward_length': 8,
  'llama.attention.head_count': 2,
  'llama.attention.head_count_kv': 1,
  'llama.attention.layer_norm_rms_epsilon': (bytes) => bytes.u32(6).raw(...new Uint8Array(Float32Array.of(1e-6).buffer)),
  'tokenizer.ggml.model': 'llama',
  'tokenizer.ggml.tokens': (bytes) => {
    const tokens = [
      '<unk>',
      '<s>',
      '</s>',
      ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`),
      '▁',
      'a',
    ]
    bytes.u32(9).u32(8).u64(tokens.length)
    for (const token of tokens) bytes.text(token)
    return bytes
  },
  'tokenizer.ggml.scores': (bytes) =>
    bytes
      .u32(9)
      .u32(6)
      .u64(261)
      .raw(...new Uint8Array(new Float32Array(261).buffer)),
  'tokenizer.ggml.token_type': (bytes) => {
    bytes.u32(9).u32(5).u64(261)
    for (let i = 0; i < 261; i++) bytes.u32(i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1)
    return bytes
  },
}
const ggufShapes: Readonly<Record<string, readonly number[]>> = {
  'token_embd.weight': [8, 261],
  'blk.0.attn_norm.weight': [8],
  'blk.0.attn_q.weight': [8, 8],
  'blk.0.attn_k.weight': [8, 4],
  'blk.0.attn_v.weight': [8, 4],
  'blk.0.attn_output.weight': [8, 8],
  'blk.0.ffn_norm.weight': [8],
  'blk.0.ffn_up.weight': [8, 8],
  'blk.0.ffn_gate.weight': [8, 8],
  'blk.0.ffn_down.weight': [8, 8],
  'output_norm.weight': [8],
}

function withKeys(bytes: GgufBytes, keys: Keys): GgufBytes {
  for (const [key, value] of Object.entries(keys)) {
    bytes.text(key)
    if (typeof value === 'function') value(bytes)
    else if (typeof value === 'number') bytes.u32(10).u64(value)
    else bytes.u32(8).text(value)
  }
  return bytes
}

/** A file of GGUF with some keys and tensors changed. */
function gguf(keys: Keys = {}, offsetOf: (name: string, offset: number) => bigint | number = (_, offset) => offset): Uint8Array {
  const all = { ...ggufKeys, ...keys }
  const bytes = withKeys(GgufBytes.begin(Object.keys(ggufShapes).length, Object.keys(all).length), all)
  let at = 0
  for (const [name, shape] of Object.entries(ggufShapes)) {
    bytes.tensor(name, shape, 0, offsetOf(name, at))
    at += Math.ceil((4 * shape.reduce((a, b) => a * b, 1)) / 32) * 32
  }
  return bytes.file(at)
}

/** Those that have to load, so that it is the change that is refused. */
export async function goodFiles(): Promise<HostileFiles[]> {
  return [
    { name: 'a folder', files: await folder() },
    { name: 'GGUF', files: { 'm.gguf': gguf() }, entry: 'm.gguf' },
  ]
}

let tokenizer: string | undefined

/** The good folder with some files changed; undefined takes one away. */
async function folder(
  change: Readonly<Record<string, Uint8Array | string | undefined>> = {},
): Promise<Record<string, Uint8Array | string>> {
  tokenizer ??= JSON.stringify((await chatTokenizer(plainTemplate)).toJSON())
  const files = { 'config.json': JSON.stringify(config), 'model.safetensors': safetensors(), 'tokenizer.json': tokenizer, ...change }
  return Object.fromEntries(Object.entries(files).filter((entry): entry is [string, Uint8Array | string] => entry[1] !== undefined))
}

const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
const text = (values: object): string => JSON.stringify({ ...config, ...values })

export async function hostileFiles(): Promise<HostileFiles[]> {
  const cases: HostileFiles[] = []
  const add = (name: string, files: HostileFiles['files'], entry?: string): void =>
    void cases.push({ name, files, ...(entry === undefined ? {} : { entry }) })
  const addConfig = async (name: string, values: object | string): Promise<void> =>
    add(`config.json: ${name}`, await folder({ 'config.json': typeof values === 'string' ? values : text(values) }))
  const addTensors = async (name: string, bytes: Uint8Array): Promise<void> =>
    add(`safetensors: ${name}`, await folder({ 'model.safetensors': bytes }))
  const addGguf = (name: string, bytes: Uint8Array): void => add(`GGUF: ${name}`, { 'm.gguf': bytes }, 'm.gguf')
  const begin = (tensors: bigint | number, keys: bigint | number): GgufBytes => GgufBytes.begin(tensors, keys)

  addGguf('2^63 tensors', begin(2n ** 63n, 0).file(64))
  addGguf('2^63 keys', begin(0, 2n ** 63n).file(64))
  addGguf(
    'a key of 2^63 bytes',
    begin(0, 1)
      .text('k', 2n ** 63n)
      .file(64),
  )
  addGguf('a text past the end', begin(0, 1).text('k').u32(8).text('abc', 1_000_000).file(64))
  addGguf(
    'a list of 2^62 texts',
    begin(0, 1)
      .text('k')
      .u32(9)
      .u32(8)
      .u64(2n ** 62n)
      .file(64),
  )
  addGguf(
    'a list of 2^61 numbers',
    begin(0, 1)
      .text('k')
      .u32(9)
      .u32(12)
      .u64(2n ** 61n)
      .file(64),
  )
  const many = new Uint8Array(12 * 400_000 + 64)
  many.set(begin(0, 1).text('k').u32(9).u32(9).u64(400_000).file())
  addGguf('400,000 lists in a list', many)
  const inOne = begin(0, 1).text('k').u32(9)
  for (let i = 0; i < 1000; i++) inOne.u32(9).u64(1)
  addGguf('lists in lists in lists', inOne.file(64))
  addGguf('an unknown type of value', gguf({ k: (bytes) => bytes.u32(77) }))
  addGguf('a key twice', withKeys(withKeys(begin(0, 2), { k: 1 }), { k: 2 }).file(64))
  addGguf('a tensor twice', begin(2, 0).tensor('t', [1], 0, 0).tensor('t', [1], 0, 32).file(128))
  addGguf(
    'an offset outside',
    gguf({}, (name, offset) => (name === 'output_norm.weight' ? 2n ** 40n : offset)),
  )
  addGguf(
    'an offset of 2^64 − 32',
    gguf({}, (name, offset) => (name === 'output_norm.weight' ? 2n ** 64n - 32n : offset)),
  )
  addGguf(
    'tensors over each other',
    gguf({}, (name, offset) => (name === 'output_norm.weight' ? 0 : offset)),
  )
  addGguf(
    'a shape that overflows',
    begin(1, 0)
      .tensor('t', [2n ** 40n, 2n ** 40n], 0, 0)
      .file(64),
  )
  addGguf('cut in the middle', gguf().subarray(0, 3000))
  addGguf('cut in the data', gguf().subarray(0, gguf().length - 64))
  addGguf('no keys at all', begin(0, 0).file(64))
  addGguf('an architecture that is a number', gguf({ 'general.architecture': 7 }))
  addGguf('an architecture of 10,000 letters', gguf({ 'general.architecture': 'x'.repeat(10_000) }))
  addGguf('2^40 layers', gguf({ 'llama.block_count': 2 ** 40 }))
  addGguf('a million layers', gguf({ 'llama.block_count': 1_000_000 }))
  addGguf('a width of 2^31', gguf({ 'llama.embedding_length': 2 ** 31 - 8 }))
  addGguf('a head for each of no entries', gguf({ 'llama.attention.head_count': 0 }))
  addGguf('a split of 99,999 files', begin(0, 0).file(64))
  cases.push({ ...cases.pop()!, files: { 'm-00001-of-99999.gguf': gguf() }, entry: 'm-00001-of-99999.gguf' })
  addGguf('a split that is none', gguf({ 'split.count': (bytes) => bytes.u32(2).raw(9, 0), 'split.no': (bytes) => bytes.u32(2).raw(3, 0) }))
  addGguf('an alignment of 0', gguf({ 'general.alignment': (bytes) => bytes.u32(4).u32(0) }))
  addGguf('no tokens', gguf({ 'tokenizer.ggml.tokens': (bytes) => bytes.u32(9).u32(8).u64(0) }))
  addGguf('another number of scores', gguf({ 'tokenizer.ggml.scores': (bytes) => bytes.u32(9).u32(6).u64(1).raw(0, 0, 0, 0) }))
  addGguf('ends of text outside of the vocabulary', gguf({ 'tokenizer.ggml.eos_token_id': 4_000_000_000 }))

  await addTensors('a header of 2^63 bytes', safetensors(entries(), { length: 2n ** 63n }))
  await addTensors('a header past the end', safetensors(entries(), { length: 90_000_000n }))
  await addTensors('no bytes', new Uint8Array(0))
  await addTensors('a header that is no JSON', safetensors('{"a":'))
  await addTensors('a header of lists in lists', safetensors(`{"a":${deep(100_000)}}`))
  await addTensors(
    'a tensor twice',
    safetensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, { data: 8 }),
  )
  await addTensors('an offset outside', changed({ data_offsets: [dataBytes - 32, dataBytes + 1e6] }))
  await addTensors('an offset below nothing', changed({ data_offsets: [-32, 0] }))
  await addTensors('an offset of 1e300', changed({ data_offsets: [0, 1e300] }))
  await addTensors('a shape that overflows', changed({ shape: [2 ** 40, 2 ** 40] }))
  await addTensors('a shape of no numbers', changed({ shape: ['8'] }))
  await addTensors('a type that is none', changed({ dtype: 'F32; rm' }))
  await addTensors('tensors over each other', changed({ data_offsets: [0, 32] }))
  await addTensors(
    'a name that objects are made of',
    safetensors(`{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, { data: 4 }),
  )
  const index = (map: object): Record<string, string | Uint8Array | undefined> => ({
    'model.safetensors': undefined,
    'part.safetensors': safetensors(),
    'model.safetensors.index.json': JSON.stringify({ weight_map: map }),
  })
  const map = (shard: string): object => Object.fromEntries(Object.keys(shapes).map((name) => [name, shard]))
  add('index: a shard outside of the folder', await folder(index(map('../../../../../etc/passwd'))))
  add('index: itself as a shard', await folder(index(map('model.safetensors.index.json'))))
  add('index: a shard that is not there', await folder(index(map('none.safetensors'))))
  add(
    'index: 50,000 shards',
    await folder(index(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`t${i}`, `s${i}.safetensors`])))),
  )
  add('index: a map that is a list', await folder({ ...index({}), 'model.safetensors.index.json': '{"weight_map":[1]}' }))

  await addConfig('2^31 layers', { num_hidden_layers: 2 ** 31 - 1 })
  await addConfig('1e308 layers', { num_hidden_layers: 1e308 })
  await addConfig('layers below nothing', { num_hidden_layers: -1 })
  await addConfig('a vocabulary of 2^31 tokens', { vocab_size: 2 ** 31 - 1 })
  await addConfig('a context of 2^31 tokens', { max_position_embeddings: 2 ** 31 - 1, num_hidden_layers: 100 })
  await addConfig('half a head', { num_attention_heads: 0.5 })
  await addConfig('a width that is a text', { hidden_size: '8' })
  await addConfig('lists in lists', `{"model_type":"llama","hidden_act":${deep(100_000)}}`)
  await addConfig('a kind that objects are made of', { model_type: '__proto__' })
  await addConfig('2,000,000 experts', { model_type: 'mixtral', num_local_experts: 2_000_000, num_experts_per_tok: 2 })
  await addConfig('4,096 experts in each of 4,096 layers', {
    model_type: 'mixtral',
    num_local_experts: 4096,
    num_experts_per_tok: 2,
    num_hidden_layers: 4096,
  })
  await addConfig('angles that turn by nothing', { rope_theta: 0 })
  await addConfig('no JSON', '{')
  await addConfig('a list', '[]')
  add('tokenizer.json: lists in lists', await folder({ 'tokenizer.json': `{"model":${deep(100_000)}}` }))
  add('tokenizer.json: an id of 2^31', await folder({ 'tokenizer.json': '{"model":{"type":"BPE","vocab":{"a":2147483647},"merges":[]}}' }))
  add('generation_config.json: lists in lists', await folder({ 'generation_config.json': `{"eos_token_id":${deep(100_000)}}` }))
  const llama2c = (...values: readonly number[]): Uint8Array =>
    new Uint8Array(Int32Array.from([...values, ...Array.from({ length: 64 }, () => 0)]).buffer)
  add('llama2.c: sizes of 2^31', { 'm.bin': llama2c(2 ** 31 - 2, 2 ** 31 - 1, 2 ** 31 - 1, 1, 1, 2 ** 31 - 1, 2 ** 31 - 1) }, 'm.bin')
  add('llama2.c: sizes below nothing', { 'm.bin': llama2c(-8, -8, -1, -2, -1, -300, -32) }, 'm.bin')
  add('nothing but a pickle', { 'config.json': JSON.stringify(config), 'pytorch_model.bin': Uint8Array.of(0x80, 2, 0x2e) })
  return cases
}
