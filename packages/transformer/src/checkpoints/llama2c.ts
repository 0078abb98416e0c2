/**
 * Checkpoints of llama2.c, version 0 (`.bin`): seven little-endian i32 — width, hidden, layers, heads, key heads, vocabulary (negative when the
 * head is a table of its own), context — then f32 weights, each kind for all layers in turn, matrices as [out, in]:
 * embedding, attention norms, wq, wk, wv, wo, feed-forward norms, w1 (gate), w2 (down), w3 (up), last norm, two tables of
 * rotary angles that nothing reads any more, and the head if it is its own.
 *
 * Format: `legacy_export` of export.py and run.c in karpathy/llama2.c.
 */
import { fromBytes, type Tensor } from '@tesserae/tensor'
import { mostLayers, type DecoderConfig } from '../architectures/config.js'
import { llama } from '../architectures/llama.js'
import type { DecoderWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'

/** A model as a checkpoint gives it. The caller owns the weights, or hands both to `createModel`. */
export interface LoadedModel {
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
}

const headerBytes = 28
const headerFields = ['width', 'hidden', 'layers', 'heads', 'kvHeads', 'vocabulary', 'context'] as const

/**
 * Reads a llama2.c checkpoint from bytes or a Blob (`loadCheckpoint` of `@tesserae/transformer/node` takes a path). Bytes are not copied: they
 * must not change afterwards. Nothing in the file is believed before its sizes add up to its length.
 *
 * Errors: CHECKPOINT for a file of another format or model, or one cut short, with the bytes expected and found.
 */
export async function readLlama2c(source: Uint8Array | Blob, options: { readonly label?: string } = {}): Promise<LoadedModel> {
  const { label = 'checkpoint' } = options
  const bytes = source instanceof Uint8Array ? source : new Uint8Array(await source.arrayBuffer())
  const header = readHeader(bytes, label)
  const sections = sectionsOf(header)
  const expected = headerBytes + 4 * sections.reduce((sum, { count }) => sum + count, 0)
  if (!Number.isSafeInteger(expected) || expected !== bytes.byteLength)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: its header says ${describe(header)}, which takes ${expected} bytes; the file has ${bytes.byteLength}. ${bytes.byteLength < expected ? 'It was cut short, or is' : 'It is'} not a version 0 checkpoint of llama2.c`,
    )
  return { config: header.config, weights: cut(bytes, header, sections) }
}

interface Header {
  readonly config: DecoderConfig
  readonly values: readonly number[]
}

function readHeader(bytes: Uint8Array, label: string): Header {
  const fail = (message: string): never => {
    throw new TransformerError('CHECKPOINT', `${label}: ${message}`)
  }
  if (bytes.byteLength < headerBytes)
    fail(`${bytes.byteLength} bytes are too few for a llama2.c checkpoint, whose header alone has ${headerBytes}`)
  const other = otherFormat(bytes)
  if (other !== undefined) fail(`this is ${other}, not a version 0 checkpoint of llama2.c`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes)
  const values = headerFields.map((_, i) => view.getInt32(4 * i, true))
  const [width, hidden, layers, heads, kvHeads, vocabulary, context] = values as [number, number, number, number, number, number, number]
  const bad = headerFields.find((name, i) => (name === 'vocabulary' ? values[i] === 0 : values[i]! < 1))
  if (bad !== undefined || layers > mostLayers || width % heads !== 0 || heads % kvHeads !== 0 || (width / heads) % 2 !== 0)
    fail(
      `its header says ${values.map((value, i) => `${headerFields[i]} ${value}`).join(', ')}, which describes no model; it is not a version 0 checkpoint of llama2.c`,
    )
  const config = llama({
    vocabSize: Math.abs(vocabulary),
    width,
    hidden,
    layers,
    heads,
    kvHeads,
    context,
    tied: vocabulary > 0,
    ropeInterleaved: true,
  })
  return { config, values }
}

/** What a file that people mistake for this one is, by its first bytes. */
function otherFormat(bytes: Uint8Array): string | undefined {
  const text = String.fromCharCode(...bytes.subarray(0, 9))
  if (text.startsWith('GGUF')) return 'a GGUF file'
  if (text.startsWith('PK')) return 'a zip archive (a PyTorch checkpoint?)'
  if (text.startsWith('24ka'))
    return `a version ${new DataView(bytes.buffer, bytes.byteOffset).getInt32(4, true)} checkpoint of llama2.c; export it with --version 0`
  if (text.endsWith('{')) return 'a safetensors file'
  return undefined
}

/** The configuration in a checkpoint's first 28 bytes. Errors: CHECKPOINT. */
export const readLlama2cConfig = (bytes: Uint8Array, label: string): DecoderConfig => readHeader(bytes, label).config

const describe = ({ values }: Header): string => headerFields.map((name, i) => `${name} ${values[i]}`).join(', ')

interface Section {
  readonly name: string
  /** Shape of one weight; there is one for each layer when `layered`. */
  readonly shape: readonly number[]
  readonly layered: boolean
  readonly count: number
}

function sectionsOf({ config }: Header): Section[] {
  const { vocabSize, width, hidden, layers, kvHeads, headWidth, context } = config
  const section = (name: string, shape: readonly number[], layered: boolean): Section => ({
    name,
    shape,
    layered,
    count: shape.reduce((a, b) => a * b, layered ? layers : 1),
  })
  return [
    section('embedding', [vocabSize, width], false),
    section('attentionNorm', [width], true),
    section('wq', [width, width], true),
    section('wk', [kvHeads * headWidth, width], true),
    section('wv', [kvHeads * headWidth, width], true),
    section('wo', [width, width], true),
    section('feedForwardNorm', [width], true),
    section('w1', [hidden, width], true),
    section('w2', [width, hidden], true),
    section('w3', [hidden, width], true),
    section('norm', [width], false),
    section('rotary', [2, context, headWidth / 2], false),
    ...(config.tied ? [] : [section('head', [vocabSize, width], false)]),
  ]
}

/** Views of the file's bytes as weights; a copy only where a caller's buffer starts at an odd address. */
function cut(bytes: Uint8Array, { config }: Header, sections: readonly Section[]): DecoderWeights {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  const starts = new Map<string, { readonly at: number; readonly section: Section }>()
  let at = headerBytes
  for (const section of sections) {
    starts.set(section.name, { at, section })
    at += 4 * section.count
  }
  const weight = (name: string, layer = 0): Tensor => {
    const { at: start, section } = starts.get(name)!
    const size = 4 * section.shape.reduce((a, b) => a * b, 1)
    return fromBytes(aligned.subarray(start + layer * size, start + (layer + 1) * size), {
      dtype: 'f32',
      shape: section.shape,
      adopt: true,
    })
  }
  return {
    embedding: { weight: weight('embedding') },
    blocks: Array.from({ length: config.layers }, (_, i) => ({
      attentionNorm: { weight: weight('attentionNorm', i) },
      attention: {
        query: { weight: weight('wq', i) },
        key: { weight: weight('wk', i) },
        value: { weight: weight('wv', i) },
        output: { weight: weight('wo', i) },
      },
      feedForwardNorm: { weight: weight('feedForwardNorm', i) },
      feedForward: { up: { weight: weight('w3', i) }, gate: { weight: weight('w1', i) }, down: { weight: weight('w2', i) } },
    })),
    norm: { weight: weight('norm') },
    ...(config.tied ? {} : { head: { weight: weight('head') } }),
  }
}
