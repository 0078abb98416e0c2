/** The tokenizer of a checkpoint, with its template of chats. */
import { Tokenizer } from '@tesserae/tokenizer'
import { readTextFile, type CheckpointFiles } from '../checkpoints/files.js'
import type { OpenCheckpoint } from '../checkpoints/open.js'
import { parseRecord } from '../checkpoints/record.js'
import { TransformerError } from '../errors.js'

/** Errors: CHECKPOINT where there is none; FILE and UNSUPPORTED of `@tesserae/tokenizer`. */
export async function readTokenizer(
  files: CheckpointFiles,
  { format, metadata }: Pick<OpenCheckpoint, 'format' | 'metadata'>,
): Promise<Tokenizer> {
  if (metadata !== undefined) return Tokenizer.fromGGUF(metadata)
  if (format === 'llama2.c') {
    const bytes = await readBytes(files, 'tokenizer.bin')
    if (bytes !== undefined) return Tokenizer.fromLlama2c(bytes)
    throw new TransformerError(
      'CHECKPOINT',
      `${files.label}: a checkpoint of llama2.c has no tokenizer, and there is no tokenizer.bin beside it; give the option tokenizer: Tokenizer.fromLlama2c(bytes)`,
    )
  }
  const config = await readConfig(files)
  const json = await readTextFile(files, 'tokenizer.json')
  if (json !== undefined) return Tokenizer.fromJSON(json, config)
  const pieces = await readBytes(files, 'tokenizer.model')
  if (pieces !== undefined) return Tokenizer.fromSentencePiece(pieces, { addBos: config['add_bos_token'] !== false })
  throw new TransformerError(
    'CHECKPOINT',
    `${files.label}: there is no tokenizer.json, and no tokenizer.model either; put one beside the weights, or give the option tokenizer`,
  )
}

/** `tokenizer_config.json`, with the template that newer checkpoints have in a file of its own. */
async function readConfig(files: CheckpointFiles): Promise<Record<string, unknown>> {
  const text = await readTextFile(files, 'tokenizer_config.json')
  const config = text === undefined ? {} : parseRecord(text, `${files.label}/tokenizer_config.json`)
  const jinja = await readTextFile(files, 'chat_template.jinja')
  if (jinja !== undefined) return { ...config, chat_template: jinja }
  const json = await readTextFile(files, 'chat_template.json')
  const template = json === undefined ? undefined : parseRecord(json, `${files.label}/chat_template.json`)['chat_template']
  return typeof template === 'string' ? { ...config, chat_template: template } : config
}

async function readBytes(files: CheckpointFiles, name: string): Promise<Uint8Array | undefined> {
  const source = await files.open(name)
  try {
    return source === undefined ? undefined : await source.read(0, source.size)
  } finally {
    await source?.dispose?.()
  }
}
