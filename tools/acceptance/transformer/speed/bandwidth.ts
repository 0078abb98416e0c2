/** Bytes that are copied at a time: more than caches hold. */
const BYTES = 128 * 2 ** 20

/** GB a second that this machine's memory gives, the best of several copies; a copy reads and writes. */
export function memoryBandwidth(): number {
  const [from, to] = [new Uint8Array(BYTES).fill(1), new Uint8Array(BYTES)]
  let best = Infinity
  for (let i = 0; i < 12; i++) {
    const start = performance.now()
    to.set(from)
    best = Math.min(best, performance.now() - start)
  }
  return (2 * BYTES) / 1e6 / best
}
