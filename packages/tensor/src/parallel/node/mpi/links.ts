/**
 * Connections between each two processes of a group, beside MPI. MPI cannot tell that a process has died, and its launchers end all others when they see it; a connection closes at the moment
 * that the process at its other end goes, whatever ended it.
 */
import { randomBytes } from 'node:crypto'
import { createServer, connect, type Socket } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { PeerError, TensorError } from '../../../errors.js'
import type { Calls, Channel, Message } from '../../calls.js'

/** What a process tells the others so that they can reach it. */
export interface Contact {
  readonly host: string
  readonly addresses: readonly string[]
  readonly port: number
  /** Whoever connects has to know it, so that nobody but the group's processes is let in. */
  readonly token: string
}

/** Who has connected so far; from then on `onLink` hears of each. */
export interface Door {
  readonly contact: Contact
  readonly links: Link[]
  onLink: ((link: Link) => void) | undefined
  close(): void
}

/** Waits for connections: on all addresses when `everywhere`, else for processes of this machine only. Errors: IO. */
export async function listen(everywhere: boolean, announce?: string): Promise<Door> {
  const links: Link[] = []
  // The first to know of this port may connect before anybody here waits for it.
  const server = createServer((socket) => {
    const link = new Link(socket)
    links.push(link)
    door.onLink?.(link)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new TensorError('IO', `mpiGroup: a port for the group could not be opened: ${cause.message}`, { cause })),
    )
    server.listen(0, everywhere ? undefined : '127.0.0.1', resolve)
  })
  const { port } = server.address() as { port: number }
  const found = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ internal, family }) => !internal && family === 'IPv4')
    .map(({ address }) => address)
  const addresses = announce === undefined ? found.slice(0, mostAddresses) : [announce]
  const contact = { host: hostname(), addresses, port, token: randomBytes(16).toString('hex') }
  const door: Door = { contact, links, onLink: undefined, close: () => void server.close() }
  return door
}

const mostAddresses = 8

export interface LinkOptions {
  readonly rank: number
  readonly contacts: readonly Contact[]
  readonly door: Door
  readonly deadlineMs: number
}

/** A connection to each other process: the higher rank of two calls the lower. Errors: PEER naming the ranks that could not be reached. */
export async function openLinks({ rank, contacts, door, deadlineMs }: LinkOptions): Promise<Map<number, Link>> {
  const links = new Map<number, Link>()
  const tries = new AbortController()
  const failures = new Map<number, string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(unreached(rank, contacts, links, failures, deadlineMs)), deadlineMs)
      const add = (other: number, link: Link): void => {
        links.set(other, link)
        if (links.size === contacts.length - 1) resolve()
      }
      const receive = (link: Link): void =>
        void link.line().then((line) => {
          const [token, from] = (line ?? '').split(' ')
          const other = Number(from)
          const welcome =
            token === contacts[rank]!.token && Number.isInteger(other) && other > rank && other < contacts.length && !links.has(other)
          if (!welcome) return link.end()
          link.send(contacts[other]!.token)
          add(other, link)
        })
      door.links.forEach(receive)
      door.onLink = receive
      for (let lower = 0; lower < rank; lower++)
        reach(contacts, rank, lower, tries.signal).then(
          (link) => add(lower, link),
          (error: unknown) => failures.set(lower, (error as Error).message),
        )
      if (contacts.length === 1) resolve()
    })
  } catch (error) {
    for (const link of links.values()) link.end()
    throw error
  } finally {
    clearTimeout(timer)
    tries.abort()
    door.close()
    const members = new Set(links.values())
    for (const link of door.links) if (!members.has(link)) link.end()
  }
  return links
}

function unreached(
  rank: number,
  contacts: readonly Contact[],
  links: ReadonlyMap<number, Link>,
  failures: ReadonlyMap<number, string>,
  deadlineMs: number,
): PeerError {
  const missing = contacts.map((_, other) => other).filter((other) => other !== rank && !links.has(other))
  const names = missing.map((other) => `rank ${other} on ${contacts[other]!.host}${failures.has(other) ? ` (${failures.get(other)})` : ''}`)
  return new PeerError(`mpiGroup: no connection with ${names.join(', ')} within ${deadlineMs / 1000} s`, missing, 'late')
}

/** Tries another process's addresses, those of this machine first where it is the same. */
async function reach(contacts: readonly Contact[], rank: number, other: number, signal: AbortSignal): Promise<Link> {
  const { host, addresses, port, token } = contacts[other]!
  const here = host === contacts[rank]!.host
  const failures: string[] = []
  for (const address of here ? ['127.0.0.1', ...addresses] : addresses) {
    try {
      const link = new Link(await connected(address, port, signal))
      link.send(`${token} ${rank}`)
      if ((await link.line()) === contacts[rank]!.token) return link
      link.end()
      failures.push(`${address} port ${port} is somebody else's`)
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error))
    }
  }
  throw new Error(failures.join('; ') || 'it has no address')
}

const attemptMs = 5000

function connected(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address)
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(() => fail(new Error(`${address} port ${port} does not answer`)), attemptMs)
    const aborted = (): void => fail(new Error('given up'))
    signal.addEventListener('abort', aborted, { once: true })
    socket.once('error', fail)
    socket.once('close', () => clearTimeout(timer))
    socket.once('connect', () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
      socket.off('error', fail)
      resolve(socket)
    })
  })
}

const longestLine = 2 ** 20

/** Lines of text, both ways. */
export class Link {
  private readonly lines: string[] = []
  private rest = ''
  private over: string | undefined
  private wake: (() => void) | undefined

  constructor(private readonly socket: Socket) {
    // A message is a reason for others to go on: it must not wait for a second one.
    socket.setNoDelay(true)
    // Finds a machine that has gone without a word, in minutes; a call's deadline is what is counted on.
    socket.setKeepAlive(true, 10_000)
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      const parts = (this.rest + text).split('\n')
      this.rest = parts.pop()!
      // No message is that long: whoever it is, it is none of the group's processes.
      if (this.rest.length > longestLine) socket.destroy()
      this.lines.push(...parts)
      this.wake?.()
    })
    let reason = 'its connection was closed: the process has ended without closing the group'
    socket.on(
      'error',
      (error) => (reason = `its connection broke (${error.message}): the process has ended, or its machine cannot be reached`),
    )
    socket.on('close', () => {
      this.over = reason
      this.wake?.()
    })
  }

  /** The first line; undefined when the connection ends before. */
  async line(): Promise<string | undefined> {
    while (this.lines.length === 0 && this.over === undefined) await new Promise<void>((resolve) => (this.wake = resolve))
    this.wake = undefined
    return this.lines.shift()
  }

  /** Hands over all lines from now on, and the end. */
  listen(onLine: (line: string) => void, onEnd: (reason: string) => void): void {
    this.wake = () => {
      for (let line = this.lines.shift(); line !== undefined; line = this.lines.shift()) onLine(line)
      if (this.over !== undefined) onEnd(this.over)
    }
    this.wake()
  }

  send(line: string): void {
    if (this.over === undefined) this.socket.write(`${line}\n`)
  }

  hold(busy: boolean): void {
    if (busy) this.socket.ref()
    else this.socket.unref()
  }

  /** Closes once what was sent is through. */
  end(): void {
    this.socket.end()
    // The other side may never read; what was sent has left this process by then.
    this.socket.unref()
  }
}

/** Lets a group's calls talk through links. */
export function channelOver(links: ReadonlyMap<number, Link>, calls: Calls): Channel {
  for (const [rank, link] of links)
    link.listen(
      (line) => calls.receive(rank, JSON.parse(line) as Message),
      (reason) => calls.gone(rank, reason),
    )
  return {
    send(message) {
      const line = JSON.stringify(message)
      for (const link of links.values()) link.send(line)
    },
    hold: (busy) => links.forEach((link) => link.hold(busy)),
    close: () => links.forEach((link) => link.end()),
  }
}
