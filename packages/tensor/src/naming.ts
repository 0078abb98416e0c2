import { TensorError } from './errors.js'

/**
 * Runs what a public function is made of. An error that names an operation inside, as `reduceSum: …`, names the function
 * instead: whoever reads it called `sum`.
 */
export function named<T>(name: string, build: () => T): T {
  try {
    return build()
  } catch (error) {
    if (!TensorError.isInstance(error) || error.message.startsWith(`${name}: `)) throw error
    const renamed = error.message.replace(/^\w+: /, `${name}: `)
    throw renamed === error.message ? error : new TensorError((error as TensorError).code, renamed, { cause: error })
  }
}
