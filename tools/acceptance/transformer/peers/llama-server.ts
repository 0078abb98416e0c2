/** llama.cpp's own server. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { cacheFolder, PeerUnavailable } from '../../lib/peers.js'

/** Its sources hold all of llama.cpp, the server included. */
const SOURCES = 'llama-cpp-python==0.3.36'

interface LlamaServer {
  readonly binary: string
  /** Templates of chats that its sources come with. */
  readonly templates: string
}

/** The server that TESSERAE_LLAMA_CPP, a folder of its sources, has in build/bin; else one that is built of sources from PyPI, once, which takes minutes. */
export function llamaServer(): LlamaServer {
  const own = process.env['TESSERAE_LLAMA_CPP']
  const folder = own ?? join(cacheFolder, `llama.cpp-${SOURCES.split('==')[1]}`)
  const found = { binary: join(folder, 'build/bin/llama-server'), templates: join(folder, 'models/templates') }
  if (existsSync(found.binary)) return found
  if (own !== undefined) throw new PeerUnavailable(`TESSERAE_LLAMA_CPP names ${own}, where there is no build/bin/llama-server`)
  mkdirSync(folder, { recursive: true })
  console.error(`  building llama-server of ${SOURCES} in ${folder}; this takes some minutes`)
  const run = (command: string, args: readonly string[]): void => {
    const done = spawnSync(command, args, { encoding: 'utf8', cwd: folder })
    if (done.status !== 0)
      throw new PeerUnavailable(
        `llama-server: ${command} ${args.slice(0, 3).join(' ')} failed (it takes Python, tar, CMake and a C++ compiler): ${(done.error?.message ?? done.stderr).trim().slice(-300)}`,
      )
  }
  run('python3', ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', SOURCES.split('==')[0]!, '--dest', folder, SOURCES])
  run('sh', [
    '-c',
    'tar xzf llama_cpp_python-*.tar.gz --strip-components=3 --wildcards "*/vendor/llama.cpp/*" && rm llama_cpp_python-*.tar.gz',
  ])
  const off = ['LLAMA_OPENSSL', 'BUILD_SHARED_LIBS', 'GGML_OPENMP', 'LLAMA_BUILD_TESTS', 'LLAMA_BUILD_EXAMPLES', 'LLAMA_BUILD_UI']
  run('cmake', ['-S', '.', '-B', 'build', '-DCMAKE_BUILD_TYPE=Release', ...off.map((name) => `-D${name}=OFF`)])
  try {
    run('cmake', ['--build', 'build', '--target', 'llama-server', '--parallel', String(availableParallelism())])
  } catch (error) {
    rmSync(found.binary, { force: true })
    throw error
  }
  return found
}

export interface RunningServer {
  /** Up to the version. */
  readonly url: string
  /** Whether an answer is being made, by its own account. */
  isBusy(): Promise<boolean>
  stop(): Promise<void>
}

/** Starts it with a model and waits until it answers. */
export async function startLlamaServer({ binary }: LlamaServer, args: readonly string[]): Promise<RunningServer> {
  const port = await freePort()
  const child = spawn(binary, ['--host', '127.0.0.1', '--port', String(port), '--slots', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (bytes: Buffer) => (said = (said + bytes.toString()).slice(-4000)))
  const at = `http://127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || tries > 600) throw new PeerUnavailable(`llama-server did not start: ${said.slice(-500)}`)
    if (
      await fetch(`${at}/health`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return {
    url: `${at}/v1`,
    isBusy: async () => {
      const slots = (await (await fetch(`${at}/slots`)).json()) as readonly { readonly is_processing: boolean }[]
      return slots.some((slot) => slot.is_processing)
    },
    stop: async () => {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
