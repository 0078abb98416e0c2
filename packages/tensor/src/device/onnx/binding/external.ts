import type { EmittedModel } from '../emit/emit.js'
import { decodeMessage, encodeMessage } from '../proto/codec.js'

export interface ExternalFile {
  readonly path: string
  readonly data: Uint8Array
}

/** Weights smaller than this go into the model itself. */
const embedBelow = 1024

/**
 * A model whose external initializers are files in memory named after them, as the bindings' `externalData` option
 * takes them: there the weights never pass through the model's protobuf, which must stay below 2 GB.
 */
export function withExternalData(
  model: EmittedModel,
  bytesOf: (input: number) => Uint8Array,
): { readonly bytes: Uint8Array; readonly files: readonly ExternalFile[] } {
  if (model.initializers.length === 0) return { bytes: model.bytes, files: [] }
  const initializers = new Map(model.initializers.map((initializer) => [initializer.name, initializer]))
  const files: ExternalFile[] = []
  const message = decodeMessage('ModelProto', model.bytes)
  const initializer = (message.graph?.initializer ?? []).map((tensor) => {
    const found = initializers.get(tensor.name ?? '')
    if (found === undefined) return tensor
    const { name, dims, dataType } = tensor
    const common = {
      ...(name === undefined ? {} : { name }),
      ...(dims === undefined ? {} : { dims }),
      ...(dataType === undefined ? {} : { dataType }),
    }
    const data = bytesOf(found.input).subarray(found.offset, found.offset + found.bytes)
    if (data.byteLength < embedBelow) return { ...common, rawData: data }
    files.push({ path: name!, data })
    return {
      ...common,
      dataLocation: 1,
      externalData: [
        { key: 'location', value: name! },
        { key: 'offset', value: '0' },
        { key: 'length', value: String(data.byteLength) },
      ],
    }
  })
  return { bytes: encodeMessage('ModelProto', { ...message, graph: { ...message.graph, initializer } }), files }
}
