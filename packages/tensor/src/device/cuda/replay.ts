import { debugLog } from '../../debug/log.js'
import { TensorError } from '../../errors.js'
import type { CudaDriver, Handle } from './driver.js'

/** Runs of one program that are told apart. */
const MOST = 8
/** A graph of fewer kernels costs as much to launch as they do. */
const LEAST_KERNELS = 3

/**
 * Replays a program's launches as a graph of the driver's. A graph holds addresses and grids, so there is one for each set of them: captured when a set comes by for the
 * second time among the last eight, launched from then on. Weights, caches and donated states keep their addresses and the pool gives what was just freed, so steps come back
 * to the same few sets; where addresses are new each time, nothing is ever captured and kernels are launched one by one. (Changing the nodes of one graph instead would be a call
 * for each node, as much as launching it.)
 *
 * What that is worth is not known for a card. On this side, with the library of the tests in the driver's place, 100 launches took 0.6 ms and a replay 0.03.
 */
export class Replay {
  /** Sets by age, the newest last; without a graph when they were met once. */
  private readonly met = new Map<string, Handle | undefined>()
  private captures = true

  constructor(
    private readonly driver: CudaDriver,
    private readonly stream: Handle,
  ) {}

  /** `launch` makes the `kernels` launches that `key` stands for. */
  run(key: string, kernels: number, launch: () => void): void {
    if (!this.captures || kernels < LEAST_KERNELS) return launch()
    const again = this.met.has(key)
    const graph = this.met.get(key) ?? (again ? this.capture(launch) : undefined)
    this.met.delete(key)
    this.met.set(key, graph)
    if (this.met.size > MOST) {
      const [oldest, old] = this.met.entries().next().value as [string, Handle | undefined]
      this.met.delete(oldest)
      // The driver lets a graph that is running end before it goes.
      if (old !== undefined) this.driver.graphExecutableDestroy(old)
    }
    if (graph === undefined) launch()
    else this.driver.graphLaunch(graph, this.stream)
  }

  /** Forgets all graphs. */
  clear(): void {
    for (const graph of this.met.values()) if (graph !== undefined) this.driver.graphExecutableDestroy(graph)
    this.met.clear()
  }

  /** A driver that cannot capture (no memory for the graph, a debugger) still launches, so failing is no error here; what is wrong with the launches shows when they are made. */
  private capture(launch: () => void): Handle | undefined {
    const { driver, stream } = this
    let graph: Handle | undefined
    try {
      driver.captureBegin(stream)
      try {
        launch()
      } finally {
        graph = driver.captureEnd(stream)
      }
      return driver.graphInstantiate(graph)
    } catch (error) {
      if (TensorError.isInstance(error) && error.code === 'DEVICE_LOST') throw error
      this.captures = false
      debugLog(1, () => `launches are not captured as a graph: ${String(error)}`)
      return undefined
    } finally {
      if (graph !== undefined) driver.graphDestroy(graph)
    }
  }
}
