// Bar 6: checkpoints and HTTP requests that mean no good.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hostileRequests, sendHostile } from '../../../../packages/transformer/src/serve/testing/hostile-requests.js'
import { atMost, row, type Row, type RowSource } from '../../lib/row.js'
import type { FileOutcome } from '../hostile/load-all.js'
import { memoryOf, startServer } from '../serving/child-server.js'
import { tinyModel } from '../serving/tiny-model.js'

/** MiB beyond what the process has before: what readers and server are declared to need for whatever they refuse. */
const fileLimit = 512
const requestLimit = 256

const source: RowSource = async ({ log }) => [...(await files(log)), ...(await requests(log))]
export default source

async function files(log: (line: string) => void): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tesserae-hostile-'))
  try {
    const out = join(folder, 'outcomes.json')
    const args = [...process.execArgv, join(import.meta.dirname, '../hostile/load-all.ts'), folder, out]
    const code = await new Promise<number | null>((resolve) =>
      spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] }).on('close', resolve),
    )
    const outcomes = code === 0 ? (JSON.parse(await readFile(out, 'utf8')) as FileOutcome[]) : []
    const wrong = outcomes.filter(({ isTyped }) => !isTyped)
    for (const { name, message } of wrong) log(`NOT MET  ${name}: ${message}`)
    const largest = outcomes.reduce((a, b) => (b.grownMiB > a.grownMiB ? b : a), { name: 'none', grownMiB: 0 })
    return [
      row(
        `${outcomes.length} hostile checkpoints: typed errors`,
        'all, and no crash',
        `${outcomes.length - wrong.length} of ${outcomes.length}, exit code ${code}`,
        outcomes.length >= 60 && wrong.length === 0,
        wrong
          .map(({ name, message }) => `${name}: ${message}`)
          .join('; ')
          .slice(0, 500),
      ),
      atMost('hostile checkpoints: most memory that one takes, MiB', outcomes.length === 0 ? Number.NaN : largest.grownMiB, fileLimit, {
        unit: 'MiB',
        digits: 0,
        note: `most for ${largest.name}`,
      }),
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function requests(log: (line: string) => void): Promise<Row[]> {
  const folder = await tinyModel()
  const server = await startServer(folder, { bodyBytes: 256 << 10, headerSeconds: 1, receiveSeconds: 1 })
  try {
    const all = hostileRequests()
    const before = await memoryOf(server.url)
    let most = before
    const watch = setInterval(async () => (most = Math.max(most, await memoryOf(server.url).catch(() => 0))), 100)
    const wrong: string[] = []
    // One by one, then ten of each at once.
    for (const request of all) {
      const { status, body } = await sendHostile(server.port, request)
      if (!request.expect.includes(status) || !body.includes(request.names ?? ''))
        wrong.push(`${request.name}: ${status} ${body.slice(0, 200)}`)
    }
    const together = await Promise.all(all.flatMap((request) => Array.from({ length: 10 }, () => sendHostile(server.port, request))))
    clearInterval(watch)
    most = Math.max(most, await memoryOf(server.url))
    for (const one of wrong) log(`NOT MET  ${one}`)
    const isWell = (await fetch(`${server.url}/health`)).ok
    server.child.kill('SIGTERM')
    const { code, errors } = await server.ended
    return [
      row(
        `${all.length} hostile HTTP requests: typed errors`,
        'all, no crash',
        `${all.length - wrong.length} of ${all.length}, exit code ${code}`,
        all.length >= 40 && wrong.length === 0 && isWell && code === 0,
        `and ${together.length} at once, after which /health answers; ${wrong.join('; ').slice(0, 300)}${errors.slice(0, 200)}`,
      ),
      atMost('hostile HTTP requests: memory that the server takes beyond what it has', most - before, requestLimit, {
        unit: 'MiB',
        digits: 0,
      }),
    ]
  } finally {
    server.child.kill('SIGKILL')
    await rm(folder, { recursive: true })
  }
}
