import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { npmFolderWith } from '../../lib/npm.js'
import { cacheFolder, pythonWith, runForJson } from '../../lib/peers.js'

export const TRANSFORMERS_JS = '@huggingface/transformers@4.3.1'

/** The folder that has it. */
export const transformersFolder = (): string => npmFolderWith('transformers-js', [TRANSFORMERS_JS])

const packages = [
  'torch==2.15.0',
  'transformers==5.24.0',
  'gguf==0.19.0',
  'accelerate==1.15.0',
  'onnx==1.23.2',
  'onnx-ir==1.1.0',
  'onnxscript==0.7.2',
  'onnxruntime==1.32.0',
  'onnxruntime-genai==0.18.0',
]

/**
 * A folder as transformers.js takes it, of a GGUF file: in f32, q8 and q4. Made on first use, which downloads (TESSERAE_ONNX_PYTHON names a Python that has the packages), and kept outside of the repository.
 */
export async function onnxOf(gguf: string): Promise<string> {
  const script = join(import.meta.dirname, 'onnx-decoder.py')
  const hash = createHash('sha256').update(readFileSync(script)).digest('hex').slice(0, 8)
  const folder = join(cacheFolder, `onnx-${basename(gguf, '.gguf').toLowerCase()}-${hash}`)
  const complete = join(folder, 'complete')
  if (existsSync(complete)) return folder
  rmSync(folder, { recursive: true, force: true }) // an earlier attempt that was cut off
  mkdirSync(folder, { recursive: true })
  console.error(`  exporting ${basename(gguf)} to ONNX into ${folder}`)
  await runForJson(process.env['TESSERAE_ONNX_PYTHON'] ?? pythonWith('onnx', packages), [script, gguf, folder])
  writeFileSync(complete, '')
  return folder
}
