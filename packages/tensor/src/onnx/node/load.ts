import { dirname, join } from 'node:path'
import { fileSource } from '../../io/node/file.js'
import { loadOnnx, type LoadOnnxOptions, type OnnxModel } from '../model.js'

/**
 * Loads an ONNX model by its path, with the files beside it that hold its weights, see {@link loadOnnx}. Files are mapped where the platform can.
 *
 * @throws TensorError as there; IO for files that cannot be read
 */
export const loadOnnxPath = async (path: string, options: LoadOnnxOptions = {}): Promise<OnnxModel> =>
  loadOnnx(await fileSource(path), { label: path, openExternal: (location) => fileSource(join(dirname(path), location)), ...options })
