/** Writes the gradient at x into `gradient` and returns the value. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number

export interface Minimum {
  readonly x: Float64Array
  readonly value: number
  readonly iterations: number
}

/**
 * Quasi-Newton descent for a handful of variables: BFGS with the inverse Hessian held in full, and a line search that backs off until the value
 * falls enough (Nocedal and Wright, Numerical Optimization, 2006, algorithms 6.1 and 3.1). Ends when the gradient, or what a step gains, is
 * next to nothing.
 */
export function minimize(
  objective: Objective,
  start: ArrayLike<number>,
  options: { readonly iterations?: number; readonly tolerance?: number } = {},
): Minimum {
  const { iterations = 500, tolerance = 1e-12 } = options
  const n = start.length
  let x = Float64Array.from(start)
  let gradient = new Float64Array(n)
  let value = objective(x, gradient)
  const inverse = identity(n)
  let done = 0
  for (; done < iterations && Math.max(...gradient.map(Math.abs)) > tolerance; done++) {
    const direction = product(inverse, gradient).map((entry) => -entry)
    let slope = dot(direction, gradient)
    if (!(slope < 0)) {
      inverse.set(identity(n)) // rounding has spoilt it: start again from steepest descent
      direction.set(gradient.map((entry) => -entry))
      slope = -dot(gradient, gradient)
    }
    const found = lineSearch(objective, x, value, direction, slope)
    if (found === undefined) break
    const step = found.x.map((entry, i) => entry - x[i]!)
    const change = found.gradient.map((entry, i) => entry - gradient[i]!)
    const gained = value - found.value
    ;({ x, value, gradient } = found)
    update(inverse, step, change)
    if (gained < tolerance * Math.abs(value)) break
  }
  return { x, value, iterations: done }
}

interface Point {
  readonly x: Float64Array<ArrayBuffer>
  readonly value: number
  readonly gradient: Float64Array<ArrayBuffer>
}

function lineSearch(objective: Objective, x: Float64Array, value: number, direction: Float64Array, slope: number): Point | undefined {
  for (let length = 1; length > 1e-14; length /= 2) {
    const next = Float64Array.from(x, (entry, i) => entry + length * direction[i]!)
    const gradient = new Float64Array(x.length)
    const found = objective(next, gradient)
    if (found <= value + 1e-4 * length * slope) return { x: next, value: found, gradient }
  }
  return undefined
}

/** H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ with ρ = 1 / yᵀs; left alone where the curvature yᵀs is not positive. */
function update(inverse: Float64Array, step: Float64Array, change: Float64Array): void {
  const n = step.length
  const curvature = dot(step, change)
  if (!(curvature > 1e-18)) return
  const hy = product(inverse, change)
  const factor = (1 + dot(change, hy) / curvature) / curvature
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) inverse[i * n + j]! += factor * step[i]! * step[j]! - (hy[i]! * step[j]! + step[i]! * hy[j]!) / curvature
}

const identity = (n: number): Float64Array => Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0))

const product = (matrix: Float64Array, vector: Float64Array): Float64Array =>
  Float64Array.from(vector, (_, i) => {
    let sum = 0
    for (let j = 0; j < vector.length; j++) sum += matrix[i * vector.length + j]! * vector[j]!
    return sum
  })

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
