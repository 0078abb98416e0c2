/**
 * e^x for x ≤ 0, faster than `Math.exp` where it is asked for a whole vocabulary, and the same in every engine, whose own may differ in the
 * last bit. x is n·ln2/64 + r: a power of two, one of 64 roots of two, and a polynomial for what is left.
 *
 * Source: P. Tang, "Table-Driven Implementation of the Exponential Function in IEEE Floating-Point Arithmetic", ACM Transactions on
 * Mathematical Software 15(2), 1989; ln 2 in two parts as in FDLIBM.
 */
const STEPS = 64
/** Below this the result is 0. */
const LEAST = -745.13
const LN2_HIGH = 6.9314718036912381649e-1 / STEPS
const LN2_LOW = 1.90821492927058770002e-10 / STEPS
const PER_STEP = STEPS / Math.LN2

/** 2^(j/64): powers and square roots alone, which are the same everywhere. */
const roots = new Float64Array(STEPS)
for (let j = 0; j < STEPS; j++) {
  let root = 1
  let power = 2
  for (let bit = STEPS / 2; bit >= 1; bit /= 2) {
    power = Math.sqrt(power)
    if ((j & bit) !== 0) root *= power
  }
  roots[j] = root
}
/** 2^−k. */
const powers = Float64Array.from({ length: 1076 }, (_, k) => 2 ** -k)

/** @param x at most 0 */
export function expOfNegative(x: number): number {
  if (x < LEAST) return 0
  const n = Math.floor(x * PER_STEP + 0.5) | 0
  const r = x - n * LN2_HIGH - n * LN2_LOW
  const p = r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120)))))
  const root = roots[n & (STEPS - 1)]!
  return (root + root * p) * powers[-(n >> 6)]!
}
