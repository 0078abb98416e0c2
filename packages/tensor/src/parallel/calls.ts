/**
 * The order of a group's calls, the same for all that carries their data. Before a call moves anything, each rank tells the others what it is about to do and waits until all have said the same. That
 * costs one small message, and for it an error can say which rank is missing, two ranks that make different calls are told so rather than exchanging each other's memory, a rank that waits
 * needs no processor, and data is seldom under way when a rank dies.
 */
import { AbortedError, throwIfAborted } from '@tesserae/core'
import { PeerError, TensorError, type PeerProblem } from '../errors.js'
import type { GroupCallOptions } from './group.js'

/** What ranks tell each other. Each pair's messages arrive in order. */
export type Message =
  /** The sender has come to a call, or to a later phase of it. */
  | { readonly kind: 'at'; readonly call: number; readonly phase: number; readonly what: string }
  /** The sender's group has failed. */
  | { readonly kind: 'left'; readonly problem: PeerProblem; readonly ranks: readonly number[]; readonly reason: string }

/** How messages get to the other ranks. */
export interface Channel {
  /** To every other rank. */
  send(message: Message): void
  /** Whether what the channel is made of keeps the process alive: while a call waits. */
  hold(busy: boolean): void
  close(): void
}

/** A call on its way, as whoever moves its data sees it. */
export interface Turn {
  /** Waits until all ranks have come to the same point; writes to shared memory before it are seen after it. */
  phase(): Promise<void>
  /** Throws once the group has failed. */
  check(): void
}

export const defaultDeadlineMs = 300_000
const longestTimer = 2 ** 31 - 1

/** Checks a deadline. Errors: VALUE. */
export function checkDeadline(deadlineMs: number): number {
  if (!(deadlineMs > 0 && deadlineMs <= longestTimer))
    throw new TensorError('VALUE', `deadlineMs must be above 0 and at most ${longestTimer} milliseconds, got ${deadlineMs}`)
  return deadlineMs
}

interface Current {
  readonly number: number
  readonly what: string
  phase: number
  waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined
}

interface Peer {
  /** Where it last said it was. */
  call: number
  phase: number
  /** What it does at the calls that this rank has not ended yet. */
  readonly calls: Map<number, string>
}

const closing = 'close'

export class Calls {
  private readonly peers = new Map<number, Peer>()
  private channel: Channel | undefined
  private current: Current | undefined
  private count = 0
  private tail: Promise<unknown> = Promise.resolve()
  private failure: Error | undefined
  /** Whether a caller has been given the failure. */
  private reported = false
  private closed: Promise<void> | undefined
  private ended = false

  constructor(
    readonly rank: number,
    readonly size: number,
    private readonly deadlineMs: number,
  ) {
    for (let peer = 0; peer < size; peer++) if (peer !== rank) this.peers.set(peer, { call: 0, phase: 0, calls: new Map() })
  }

  attach(channel: Channel): void {
    this.channel = channel
    channel.hold(false)
  }

  /** Does `work` once all ranks have come to this call. `what` describes the call: it has to be the same for all. */
  run<T>(what: string, options: GroupCallOptions, work: (turn: Turn) => Promise<T> | T): Promise<T> {
    const deadline = checkDeadline(options.deadlineMs ?? this.deadlineMs)
    throwIfAborted(options.signal, what)
    this.check()
    if (this.closed !== undefined && what !== closing)
      throw new TensorError('DISPOSED', 'the group is being closed; make its calls before close()')
    const result = this.tail.then(() => this.perform(what, deadline, options.signal, work))
    this.tail = result.catch(() => undefined)
    return result
  }

  /** The last call. Nothing is waited for when the group has failed. */
  close(options: GroupCallOptions, end: (whole: boolean) => void): Promise<void> {
    return (this.closed ??= this.closeOnce(options, end))
  }

  private async closeOnce(options: GroupCallOptions, end: (whole: boolean) => void): Promise<void> {
    try {
      // Whoever was told why the group failed need not hear it again.
      if (this.failure === undefined || !this.reported) await this.run(closing, options, () => undefined)
    } finally {
      this.ended = true
      end(this.failure === undefined)
      this.channel?.close()
    }
  }

  /** This rank leaves because of an error. */
  abort(reason: unknown): void {
    if (this.ended) return
    this.reported = true
    const text = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason)
    this.give(new PeerError(`rank ${this.rank} (this one) has left the group: ${text}`, [this.rank], 'gave-up', { cause: reason }), text)
  }

  /** A message of another rank. */
  receive(from: number, message: Message): void {
    const peer = this.peers.get(from)
    if (peer === undefined || this.ended) return
    if (message.kind === 'at') {
      peer.call = message.call
      peer.phase = message.phase
      peer.calls.set(message.call, message.what)
      this.settle()
      return
    }
    // What it says of this rank, that it is late for example, is a reason of its own to leave.
    const others = message.ranks.filter((rank) => rank !== this.rank && rank !== from)
    this.fail(
      others.length === 0
        ? new PeerError(`rank ${from} has left the group: ${message.reason}`, [from], 'gave-up')
        : new PeerError(`${message.reason} (so rank ${from} has left the group)`, others, message.problem),
    )
  }

  /** Another rank's end of the channel has gone. */
  gone(from: number, reason: string): void {
    const peer = this.peers.get(from)
    if (peer === undefined || this.ended || peer.calls.get(peer.call) === closing) return
    this.fail(new PeerError(`rank ${from} is gone: ${reason}${this.during()}`, [from], 'gone'))
  }

  /** Throws what has ended the group. */
  check(): void {
    if (this.failure !== undefined) {
      this.reported = true
      throw this.failure
    }
    if (this.ended) throw new TensorError('DISPOSED', 'the group was closed; make its calls before close()')
  }

  private async perform<T>(
    what: string,
    deadlineMs: number,
    signal: AbortSignal | undefined,
    work: (turn: Turn) => Promise<T> | T,
  ): Promise<T> {
    this.check()
    const current: Current = { number: ++this.count, what, phase: -1, waiting: undefined }
    this.current = current
    // Where this thread itself was busy until now, what the others said meanwhile has its turn first.
    let timer = setTimeout(() => (timer = setTimeout(() => this.late(deadlineMs), 1)), deadlineMs)
    const aborted = (): void =>
      this.give(
        new AbortedError(`${what} was aborted by its signal`, { cause: signal?.reason }),
        `its call of ${what} was aborted by a signal`,
      )
    signal?.addEventListener('abort', aborted, { once: true })
    if (signal?.aborted === true) aborted()
    this.channel?.hold(true)
    try {
      const phase = (): Promise<void> => this.reach(current)
      await phase()
      // What is through is through, even where the group has failed since.
      return await work({ phase, check: () => this.check() })
    } catch (error) {
      if (this.failure === undefined) {
        this.reported = true
        this.give(error as Error, error instanceof Error ? error.message : String(error))
      }
      this.reported = true
      throw this.failure
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
      this.current = undefined
      for (const peer of this.peers.values()) peer.calls.delete(current.number)
      this.channel?.hold(false)
    }
  }

  private reach(current: Current): Promise<void> {
    return new Promise((resolve, reject) => {
      this.check()
      current.phase++
      current.waiting = { resolve, reject }
      this.channel?.send({ kind: 'at', call: current.number, phase: current.phase, what: current.what })
      this.settle()
    })
  }

  /** Ends the wait when nobody is missing. */
  private settle(): void {
    const { current } = this
    if (current?.waiting === undefined || this.failure !== undefined) return
    const different = [...this.peers].filter(([, { calls }]) => (calls.get(current.number) ?? current.what) !== current.what)
    if (different.length > 0) {
      const ranks = different.map(([rank]) => rank)
      const theirs = different[0]![1].calls.get(current.number)!
      const reason = `call ${current.number} of rank ${ranks[0]} is ${theirs}, that of rank ${this.rank} is ${current.what}; all ranks have to make the same calls in the same order, with arrays of one type and length`
      return this.give(new PeerError(reason, ranks, 'differs'), reason)
    }
    if (this.missing(current).length > 0) return
    const { resolve } = current.waiting
    current.waiting = undefined
    resolve()
  }

  private missing({ number, phase }: Current): [number, Peer][] {
    return [...this.peers].filter(([, peer]) => peer.call < number || (peer.call === number && peer.phase < phase))
  }

  private late(deadlineMs: number): void {
    const { current } = this
    if (current === undefined) return
    const missing = current.waiting === undefined ? [] : this.missing(current)
    const call = `call ${current.number}, ${current.what}`
    if (missing.length === 0) {
      const others = [...this.peers.keys()]
      const reason = `${call}: all ranks have come, but the data was not through within ${seconds(deadlineMs)}`
      return this.give(new PeerError(reason, others, 'late'), reason)
    }
    const names = missing.map(
      ([rank, { call: last }]) => `rank ${rank} (${last === 0 ? 'it has made no call yet' : `last seen at call ${last}`})`,
    )
    const reason = `${call}: ${names.join(', ')} did not come within ${seconds(deadlineMs)}; it may hang, work longer than the deadline, or have ended its loop earlier`
    this.give(
      new PeerError(
        reason,
        missing.map(([rank]) => rank),
        'late',
      ),
      reason,
    )
  }

  /** Fails and lets the others know. */
  private give(error: Error, reason: string): void {
    if (this.failure !== undefined || this.ended) return
    const peer = error instanceof PeerError ? error : undefined
    // A rank that cannot go on for a reason of its own is what the others have to be told of.
    const about =
      peer === undefined || peer.problem === 'differs'
        ? { problem: 'gave-up' as const, ranks: [] }
        : { problem: peer.problem, ranks: peer.ranks }
    this.channel?.send({ kind: 'left', reason, ...about })
    this.fail(error)
  }

  private fail(error: Error): void {
    if (this.failure !== undefined || this.ended) return
    this.failure = error
    this.current?.waiting?.reject(error)
  }

  private during(): string {
    const { current } = this
    return current === undefined ? '' : ` (during call ${current.number}, ${current.what})`
  }
}

const seconds = (ms: number): string => (ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`)
