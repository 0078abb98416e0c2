/** NVIDIA's assembler, which says whether PTX is accepted and what it costs. It is in the CUDA toolkit, and in PyPI's package `nvidia-cuda-nvcc-cu12`. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Why nothing can be said where there is none. */
export const noPtxas =
  'ptxas is not on this machine: neither named by TESSERAE_PTXAS nor on the PATH; `pip install nvidia-cuda-nvcc-cu12` has it, under nvidia/cuda_nvcc/bin'

/** The path of `ptxas`: what the environment variable TESSERAE_PTXAS names, else the first on the PATH. */
export function findPtxas(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = environment['TESSERAE_PTXAS']
  const name = process.platform === 'win32' ? 'ptxas.exe' : 'ptxas'
  const places =
    named !== undefined && named !== '' ? [named] : (environment['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name))
  return places.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
}

/** What the assembler said of one entry. */
export interface Assembled {
  /** Empty when the text was accepted. */
  readonly errors: readonly string[]
  readonly entries: readonly {
    readonly name: string
    readonly registers: number
    /** Bytes that did not fit in registers, written and read. */
    readonly spillStores: number
    readonly spillLoads: number
    /** Bytes of memory of its own that each thread has, spills among them. */
    readonly stackBytes: number
    /** Bytes of shared memory. */
    readonly sharedBytes: number
  }[]
}

/** `CUDA 12.9`, or what the program says of itself. */
export function ptxasVersion(ptxas: string): string {
  const text = execFileSync(ptxas, ['--version'], { encoding: 'utf8' })
  return /release ([\d.]+)/.exec(text)?.[1] ?? text.trim()
}

/** Modules of one entry and one target as a single one, so that the assembler starts once; entries are numbered, `add` first being `add_0`. */
export function joinModules(texts: readonly string[]): string {
  const heads = new Set(texts.flatMap((text) => text.slice(0, text.indexOf('.visible')).trimEnd().split('\n')))
  const entries = texts.map((text, i) =>
    text.slice(text.indexOf('.visible')).replace(/\.entry (\w+)\(/, (_, name: string) => `.entry ${name}_${i}(`),
  )
  return [...heads, ...entries].join('\n')
}

/** Assembles PTX for an architecture, 0.02 to 0.2 s. @throws Error when the program cannot be run */
export function assemble(ptxas: string, ptx: string, target: string): Assembled {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-ptxas-'))
  try {
    const file = join(folder, 'kernel.ptx')
    writeFileSync(file, ptx)
    const run = spawnSync(ptxas, ['-v', `-arch=${target}`, file, '-o', join(folder, 'kernel.cubin')], { encoding: 'utf8', timeout: 60_000 })
    if (run.error !== undefined) throw run.error
    const text = run.stdout + run.stderr
    const errors = text
      .split('\n')
      .filter((line) => /\b(error|fatal)\b/.test(line))
      .map((line) => line.replace(`${file}, `, ''))
    if (run.status !== 0 && errors.length === 0) errors.push(`ptxas ended with ${run.status ?? run.signal}: ${text.trim()}`)
    const entries = text.split(/(?=ptxas info +: Compiling entry function)/).flatMap((part) => {
      const name = /Compiling entry function '([^']+)'/.exec(part)?.[1]
      const number = (pattern: RegExp): number => Number(pattern.exec(part)?.[1] ?? 0)
      if (name === undefined) return []
      return [
        {
          name,
          registers: number(/Used (\d+) registers/),
          spillStores: number(/(\d+) bytes spill stores/),
          spillLoads: number(/(\d+) bytes spill loads/),
          stackBytes: number(/(\d+) bytes stack frame/),
          sharedBytes: number(/(\d+) bytes smem/),
        },
      ]
    })
    return { errors, entries }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
