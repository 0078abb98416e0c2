import { TensorError } from '../errors.js'

/** Imports an optional package. @throws TensorError DEVICE with the command that installs it. */
export async function importPackage(name: string, load: () => Promise<unknown>, help: string): Promise<unknown> {
  try {
    return await load()
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split('\n')[0]! : String(cause)
    const code = (cause as { code?: string }).code
    const missing = (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') && message.includes(`'${name}'`)
    throw new TensorError(
      'DEVICE',
      missing ? `the package ${name} is not installed. Run: ${help}` : `${name} could not be loaded: ${message}. Run: ${help}`,
      { cause },
    )
  }
}
