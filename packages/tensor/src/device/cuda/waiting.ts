import type { CudaDriver, Handle } from './driver.js'

/** Turns of the event loop before timers take over: about a millisecond, in which most reads of a step's results end. */
const turns = 50
const longest = 8

/**
 * Waits until what came before an event on its stream has ended. The driver would block the thread or call back on one of its own, which JavaScript cannot take, so the
 * event is asked again and again: at each turn of the event loop at first, then by timers, further and further apart up to 8 ms.
 */
export async function eventEnded(driver: CudaDriver, context: Handle, event: Handle): Promise<void> {
  const ended = (): boolean => {
    driver.contextSetCurrent(context) // others use the thread meanwhile
    return driver.eventDone(event)
  }
  for (let i = 0; !ended(); i++)
    await (i < turns && typeof setImmediate === 'function'
      ? new Promise((resolve) => setImmediate(resolve))
      : new Promise((resolve) => setTimeout(resolve, Math.min(longest, 2 ** Math.max(0, Math.floor((i - turns) / 4))))))
}

/** Lets what else waits on the event loop come to its turn. */
export const turnOfLoop = (): Promise<void> =>
  new Promise((resolve) => (typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve, 0)))
