/** Starts programs of several ranks under the MPIs that this machine has, for tests and measurements. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

export interface Launcher {
  /** 'Open MPI', 'MPICH', 'MPI 5 ABI' */
  readonly name: string
  /** Undefined when it is not on this machine. */
  readonly command: string | undefined
  /** Why it is missing, and how to install it. */
  readonly missing: string
  readonly options: readonly string[]
  /** What keeps the other ranks alive when one dies: options, and what each rank is started by. */
  readonly survive: { readonly options: readonly string[]; readonly through: readonly string[] }
  readonly env: Readonly<Record<string, string>>
}

/** The first of `names` that runs and says that it is `maker`'s. */
function find(names: readonly string[], maker: RegExp): string | undefined {
  return names.find((name) => {
    const { status, stdout, stderr } = spawnSync(name, ['--version'], { encoding: 'utf8', timeout: 20_000 })
    return status === 0 && maker.test(`${stdout}${stderr}`)
  })
}

/**
 * MPICH's launcher kills a machine's other ranks as soon as one has ended by a signal, whatever it is told; a shell around each makes an exit code of it. What is left is SIGUSR1 to the others, for which
 * Node opens its debugger.
 */
const hydra = {
  options: [],
  survive: { options: ['-disable-auto-cleanup'], through: ['sh', '-c', 'trap "" USR1; "$@"; exit $?', 'sh'] },
}

/** The three families. The third is only found by TESSERAE_MPI_ABI_LIBRARY: Debian 12 has no such library; `pip download mpich` brings one, with its launcher. */
export function launchers(): Launcher[] {
  const abi = process.env['TESSERAE_MPI_ABI_LIBRARY']
  const beside = abi === undefined ? [] : [join(dirname(abi), '../bin/mpiexec.hydra')].filter((path) => existsSync(path))
  return [
    {
      name: 'Open MPI',
      command: find(['mpirun.openmpi', 'mpirun'], /Open MPI|OpenRTE/),
      missing: 'Open MPI is not installed (Debian: apt-get install openmpi-bin)',
      options: ['--oversubscribe', '--bind-to', 'none'],
      survive: { options: ['--enable-recovery'], through: [] },
      // Containers run as root, and forbid reading another process's memory.
      env: { OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', OMPI_MCA_btl_vader_single_copy_mechanism: 'none' },
    },
    {
      name: 'MPICH',
      command: find(['mpiexec.mpich', 'mpiexec.hydra', 'mpiexec'], /HYDRA|MPICH/i),
      missing: 'MPICH is not installed (Debian: apt-get install mpich)',
      ...hydra,
      env: {},
    },
    {
      name: 'MPI 5 ABI',
      command: abi === undefined ? undefined : find([...beside, 'mpiexec.mpich', 'mpiexec'], /HYDRA|MPICH/i),
      missing:
        'no library with the ABI of MPI 5: name one in TESSERAE_MPI_ABI_LIBRARY (libmpi_abi.so.1 of the wheel that `pip download mpich` fetches)',
      ...hydra,
      env: abi === undefined ? {} : { TESSERAE_MPI_LIBRARY: abi },
    },
  ]
}

export interface RanksOutcome<Report> {
  /** What each rank wrote; undefined for one that wrote nothing. */
  readonly reports: readonly (Report | undefined)[]
  /** All that was printed. */
  readonly output: string
}

export interface RanksOptions {
  readonly ranks: number
  readonly args?: readonly string[]
  /** Whether the other ranks are to live on when one dies. */
  readonly survive?: boolean
  /** Ends the run when this rank has reported, whatever the others do; default when all have ended. */
  readonly until?: number
  readonly timeoutMs?: number
}

/**
 * Runs a TypeScript program. Each rank calls `beginRank` with its first argument, a folder, and ends with `reportRank` (rank.ts). After the time given everything is killed: whatever hangs is a missing report.
 */
export async function runRanks<Report>(launcher: Launcher, program: URL, options: RanksOptions): Promise<RanksOutcome<Report>> {
  const { ranks, args = [], survive = false, until, timeoutMs = 45_000 } = options
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-ranks-'))
  try {
    const node = [process.execPath, await bundled(program), folder, ...args]
    const all = [
      ...launcher.options,
      ...(survive ? launcher.survive.options : []),
      '-n',
      String(ranks),
      ...(survive ? launcher.survive.through : []),
      ...node,
    ]
    const output = await new Promise<string>((resolve, reject) => {
      let text = ''
      const child = spawn(launcher.command!, all, { env: { ...process.env, ...launcher.env }, stdio: ['ignore', 'pipe', 'pipe'] })
      const kill = (): void => void child.kill('SIGKILL')
      const timers = [setTimeout(kill, timeoutMs)]
      const watch = setInterval(() => {
        if (until === undefined || !existsSync(join(folder, `rank-${until}.json`))) return
        clearInterval(watch)
        // Launchers end when their ranks have; a rank that was stopped would have them wait for ever.
        killRanks(folder, ranks)
        timers.push(setTimeout(kill, 3000))
      }, 100)
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
      child.on('error', reject)
      // Not at 'close': what a killed rank had started may hold the pipe for longer.
      child.on('exit', (code, signal) => {
        timers.forEach(clearTimeout)
        clearInterval(watch)
        setTimeout(() => resolve(`${text}\n${launcher.name} ended with ${code ?? signal}`), 100)
      })
    })
    const reports = Array.from({ length: ranks }, (_, rank) => {
      const path = join(folder, `rank-${rank}.json`)
      return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report) : undefined
    })
    return { reports, output }
  } finally {
    killRanks(folder, ranks)
    rmSync(folder, { recursive: true, force: true })
  }
}

const root = fileURLToPath(new URL('../../../../../', import.meta.url))
const bundles = new Map<string, Promise<string>>()

/**
 * A program as one file of JavaScript, made once in this process, inside the repository so that it finds native packages. Read as TypeScript by each rank it would take seconds on a busy machine.
 */
function bundled(program: URL): Promise<string> {
  const known = bundles.get(program.href)
  if (known !== undefined) return known
  const making = makeBundle(fileURLToPath(program))
  bundles.set(program.href, making)
  return making
}

async function makeBundle(ssr: string): Promise<string> {
  const parent = join(root, 'node_modules/.cache')
  mkdirSync(parent, { recursive: true })
  // What test runners ended before they could clear up.
  for (const name of readdirSync(parent))
    if (name.startsWith('ranks-') && Date.now() - statSync(join(parent, name)).mtimeMs > 3_600_000)
      rmSync(join(parent, name), { recursive: true })
  const outDir = mkdtempSync(join(parent, 'ranks-'))
  process.once('exit', () => rmSync(outDir, { recursive: true, force: true }))
  const conditions = ['@tesserae/source', 'node', 'import', 'module', 'default']
  await build({
    configFile: false,
    logLevel: 'error',
    root,
    resolve: { conditions },
    ssr: { noExternal: [/^@tesserae\//], external: ['koffi', 'onnxruntime-node', 'onnxruntime-web', 'webgpu'], resolve: { conditions } },
    build: { ssr, outDir, minify: false, target: 'node20', rollupOptions: { output: { entryFileNames: 'program.mjs' } } },
  })
  return join(outDir, 'program.mjs')
}

function killRanks(folder: string, ranks: number): void {
  for (let rank = 0; rank < ranks; rank++) {
    try {
      const pid = Number(readFileSync(join(folder, `pid-${rank}`), 'utf8'))
      // Numbers of processes are used again.
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)) process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}
