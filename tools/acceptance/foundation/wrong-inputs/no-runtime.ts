// Run by itself: none of the optional runtimes can be found. Prints the code and message of what then fails, as JSON.
import { register } from 'node:module'

const hook = `export async function resolve(specifier, context, next) {
  if (/^(koffi|onnxruntime-node|onnxruntime-web)(\\/|$)/.test(specifier)) throw Object.assign(new Error('Cannot find package ' + specifier), { code: 'ERR_MODULE_NOT_FOUND' })
  return next(specifier, context)
}`
register(`data:text/javascript,${encodeURIComponent(hook)}`)
const { resolveDevice, tensor, TensorError } = await import('@tesserae/tensor')
const warnings: string[] = []
const device = await resolveDevice('cpu', { onWarning: (message) => warnings.push(message) })
try {
  using small = tensor([1, 2])
  using sum = small.add(1)
  await sum.realize({ device })
  using large = tensor(new Float32Array(8 * 2 ** 20))
  await large.add(1).realize({ device }) // values alone would wait on the host
  console.log(JSON.stringify({ code: 'none', message: `nothing failed on ${device.description}` }))
} catch (error) {
  const { code, message } = TensorError.isInstance(error) ? error : { code: 'untyped', message: String(error) }
  const warned = warnings.some((warning) => warning.includes('npm install'))
  console.log(JSON.stringify({ code: warned ? code : 'no warning that names a command', message }))
}
process.exit(0)
