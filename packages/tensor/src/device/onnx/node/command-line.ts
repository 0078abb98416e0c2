/** How long the process's command line may be. */
import { readFileSync } from 'node:fs'
import { TensorError } from '../../../errors.js'

/**
 * ONNX Runtime looks through the whole command line when it starts, with a regular expression of C++ that goes one call deeper for each character: on Linux 30,000 of them (version 1.30, a stack of 8 MiB) end
 * the process.
 */
const most = 16_384

/** @throws TensorError DEVICE where ONNX Runtime would bring the process down. */
export function checkCommandLine(length = commandLineBytes()): void {
  if (length <= most) return
  throw new TensorError(
    'DEVICE',
    `the command line of this process has ${length} bytes, and ONNX Runtime can be started with at most ${most}; give long texts in a file or by the standard input`,
  )
}

function commandLineBytes(): number {
  if (process.platform !== 'linux') return 0
  try {
    return readFileSync('/proc/self/cmdline').length
  } catch {
    return 0 // no /proc: then nobody else reads it either
  }
}
