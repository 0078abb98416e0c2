/** The same numbers in an array of twice the length, or of `least` elements where that is more. */
export function grownInts(array: Int32Array, least = 0): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(Math.max(array.length * 2, least))
  grown.set(array)
  return grown
}

export function grownDoubles(array: Float64Array, least = 0): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(Math.max(array.length * 2, least))
  grown.set(array)
  return grown
}
