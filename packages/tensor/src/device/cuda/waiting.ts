import type { CudaDriver, Handle } from './driver.js'

/** Milliseconds that turns of the event loop go on before timers take over: steps of generation end within them, and a timer's millisecond would be a third of a step. */
const turning = 8
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
  const start = performance.now()
  let timers = 0
  while (!ended()) {
    const turns = performance.now() - start < turning
    await (turns ? turnOfLoop() : new Promise((resolve) => setTimeout(resolve, Math.min(longest, 2 ** Math.floor(timers++ / 4)))))
  }
}

/** Lets what else waits on the event loop come to its turn. */
export const turnOfLoop = (): Promise<void> =>
  new Promise((resolve) => (typeof setImmediate === 'function' ? setImmediate(resolve) : setTimeout(resolve, 0)))
