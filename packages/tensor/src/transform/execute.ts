import { typeBytes, type Plan, type Slot } from '../compile/plan.js'
import { debugLevel, debugLog } from '../debug/log.js'
import { activeProfile } from '../debug/profile-sink.js'
import { isUnstarted, type DeviceBuffer, type RunOptions } from '../device/device.js'
import type { Node } from '../graph/node.js'
import type { SymValues } from '../shape.js'
import type { Buffers } from './captures.js'

/** What became of a run, for whoever donated buffers to it. */
export interface RunFailure {
  readonly error: unknown
  /** A program that writes into donated buffers had started. */
  readonly touched: boolean
}

/**
 * Runs the programs of a plan in order. Output buffers are allocated here unless they take over a leaf's; temporaries
 * live for the length of the call. Ends at once when every program ended at once. Buffers in `known`, by program and input, are not asked for.
 */
export function executePlan(
  plan: Plan,
  leaf: (node: Node) => DeviceBuffer,
  symbols: SymValues,
  options: RunOptions,
  done: (outputs: readonly DeviceBuffer[]) => void,
  failed: (failure: RunFailure) => void,
  known?: Buffers,
): void | Promise<void> {
  const { device } = plan
  const temporaries: DeviceBuffer[] = []
  const outputs: DeviceBuffer[] = []
  let started = 0

  const release = (): void => {
    for (const buffer of temporaries) device.free(buffer)
  }
  const fail = (error: unknown): void => {
    release()
    outputs.forEach((buffer, i) => {
      if (plan.aliases[i] === undefined) device.free(buffer)
    })
    const ran = isUnstarted(error) ? started - 1 : started
    const touched = plan.steps.slice(0, ran).some((step) => step.outputs.some((slot) => slot.kind === 'output' && slot.alias !== undefined))
    failed({ error, touched })
  }
  const bufferOf = (slot: Slot): DeviceBuffer =>
    slot.kind === 'leaf' ? leaf(slot.node) : slot.kind === 'temporary' ? temporaries[slot.index]! : outputs[slot.index]!
  const from = (first: number): void | Promise<void> => {
    for (let i = first; i < plan.steps.length; i++) {
      const step = plan.steps[i]!
      const { [i]: own } = known ?? []
      const inputs = step.inputs.map((slot, k) => own?.[k] ?? bufferOf(slot))
      const results = step.outputs.map(bufferOf)
      started = i + 1
      const running = device.run(step.executable, inputs, results, symbols, options)
      if (running !== undefined) return running.then(() => from(i + 1))
    }
  }

  try {
    for (const type of plan.temporaries) temporaries.push(device.alloc(typeBytes(type)))
    for (let i = 0; i < plan.outputs.length; i++) {
      const alias = plan.aliases[i]
      outputs.push(alias === undefined ? device.alloc(typeBytes(plan.outputs[i]!)) : leaf(alias))
    }
    const start = debugLevel() >= 3 ? performance.now() : 0
    const running = from(0)
    const finish = (): void => {
      if (start > 0)
        debugLog(
          3,
          () =>
            `ran ${plan.steps.length === 1 ? 'a program' : `${plan.steps.length} programs`} on ${device.name} in ${(performance.now() - start).toFixed(3)} ms`,
        )
      release()
      done(outputs)
    }
    if (running === undefined) return finish()
    return running.then(finish, fail)
  } catch (error) {
    fail(error)
  }
}

/** Run options with the profile that is being recorded, if any, and per-node times at debug level 4. */
export function withDiagnostics(options: RunOptions): RunOptions {
  const recording = activeProfile()
  if (recording !== undefined) return { ...options, profile: recording }
  if (debugLevel() < 4) return options
  return { ...options, profile: ({ name, detail, ms }) => debugLog(4, () => `  ${ms.toFixed(4)} ms  ${name}  ${detail}`) }
}
