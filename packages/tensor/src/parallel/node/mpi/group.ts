/** A group of the processes that `mpirun` has started. */
import { hostname } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import { PeerError, TensorError } from '../../../errors.js'
import { Calls, checkDeadline, defaultDeadlineMs, type Turn } from '../../calls.js'
import type { ProcessGroup } from '../../group.js'
import { makeGroup } from '../../make-group.js'
import { launchedSize, openMpiLibrary } from './library.js'
import { channelOver, listen, openLinks, type Contact } from './links.js'
import { Mpi, type Pending } from './mpi.js'

export interface MpiGroupOptions {
  /** Milliseconds that a call may take where it does not say, and making the group; default 300,000. */
  readonly deadlineMs?: number
  /** Address of this machine for processes on others, where those that it has by itself are not to be reached. */
  readonly address?: string
}

let taken = false

/**
 * Joins the processes that MPI's launcher started, in `mpirun -n 2 node train.js` for example; without a launcher a group of one. One group in a process, from its main thread, closed at the end: MPI cannot be
 * started a second time. The package `koffi` and an MPI library are needed: Open MPI, MPICH or a kin of it, or one with MPI 5's standard ABI; TESSERAE_MPI_LIBRARY names its file.
 *
 * Besides MPI, which moves the data, each two processes hold a TCP connection, by which the death of one is noticed at once. MPI's launchers end all processes when one fails, unless they are told not to
 * (Open MPI `--enable-recovery`, MPICH `-disable-auto-cleanup`).
 *
 * Errors: DEVICE for what is not installed; VALUE for a second group; PEER; RUNTIME of MPI.
 */
export async function mpiGroup(options: MpiGroupOptions = {}): Promise<ProcessGroup> {
  const deadlineMs = checkDeadline(options.deadlineMs ?? defaultDeadlineMs)
  if (!isMainThread) throw new TensorError('VALUE', 'mpiGroup: MPI belongs to the main thread; make the group there, or use runThreads()')
  if (taken) throw new TensorError('VALUE', 'mpiGroup: this process has had a group already; make one and pass it on')
  taken = true
  let mpi: Mpi
  try {
    mpi = new Mpi(await openMpiLibrary())
  } catch (error) {
    taken = false // nothing was started
    throw error
  }
  const started = mpi.start()
  const { rank, size, library } = mpi
  const said = launchedSize(process.env)
  if (said !== undefined && said !== size && started) {
    mpi.finalize()
    throw new TensorError(
      'DEVICE',
      `mpiGroup: the launcher has started ${said} processes, but ${library.version} (${library.path}) sees ${size}: launcher and library are of different MPIs. Start with the library's own mpirun, or name the launcher's library in TESSERAE_MPI_LIBRARY`,
    )
  }
  const gather = async (bytes: Uint8Array): Promise<Uint8Array[]> => {
    const all = new Uint8Array(size * bytes.length)
    await finish(mpi.startAllGather(bytes, all), Date.now() + deadlineMs)
    return Array.from({ length: size }, (_, i) => all.subarray(i * bytes.length, (i + 1) * bytes.length))
  }
  const hosts = await shareTexts(hostname(), gather)
  const door = await listen(new Set(hosts).size > 1 || options.address !== undefined, options.address)
  const contacts = (await shareTexts(JSON.stringify(door.contact), gather)).map((text) => JSON.parse(text) as Contact)
  const calls = new Calls(rank, size, deadlineMs)
  calls.attach(channelOver(await openLinks({ rank, contacts, door, deadlineMs }), calls))
  const through = (operation: Pending, turn: Turn): Promise<void> => finish(operation, Infinity, turn)
  const group = makeGroup(
    calls,
    {
      allReduce: (data, op, turn) => through(mpi.startAllReduce(data, op), turn),
      reduceScatter: (data, into, op, turn) => through(mpi.startReduceScatter(data, into, op), turn),
      allGather: (data, into, turn) => through(mpi.startAllGather(data, into), turn),
      broadcast: (data, root, turn) => through(mpi.startBroadcast(data, root), turn),
      close(whole) {
        // It waits for all processes, so never after one of them has gone.
        if (whole && started) mpi.finalize()
      },
    },
    `${size} processes, ${library.version}`,
  )
  // Written at once, before the process ends by it.
  process.on('uncaughtExceptionMonitor', (error) => group.abort(error))
  return group
}

const burstMs = 0.2

/**
 * Lets MPI work until an operation is done. It moves data only while it is asked, so it is asked without pause, but never for longer than a fraction of a millisecond before
 * everything else in this process has its turn.
 */
async function finish(operation: Pending, until: number, turn?: Turn): Promise<void> {
  for (;;) {
    const start = performance.now()
    do if (operation.test()) return
    while (performance.now() - start < burstMs)
    if (Date.now() > until) throw new PeerError('mpiGroup: not all processes have made a group in time', [], 'late')
    await new Promise((resolve) => setImmediate(resolve))
    turn?.check()
  }
}

const textBytes = 1024

/** One short text of each process. */
async function shareTexts(text: string, gather: (bytes: Uint8Array) => Promise<Uint8Array[]>): Promise<string[]> {
  const bytes = new Uint8Array(textBytes)
  new TextEncoder().encodeInto(text, bytes)
  return (await gather(bytes)).map((one) => new TextDecoder().decode(one).replace(/\0+$/, ''))
}
