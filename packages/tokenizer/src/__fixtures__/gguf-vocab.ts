/** The metadata of a GGUF file, version 3: enough of the format to take real vocabularies from test data. */
export function readGgufMetadata(file: Uint8Array): Map<string, unknown> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const utf8 = new TextDecoder()
  let at = 8
  const take = (size: number) => (at += size) - size
  const count = () => Number(view.getBigUint64(take(8), true))
  const text = () => {
    const length = count()
    return utf8.decode(file.subarray(take(length), at))
  }
  const readers: (() => unknown)[] = [
    () => view.getUint8(take(1)),
    () => view.getInt8(take(1)),
    () => view.getUint16(take(2), true),
    () => view.getInt16(take(2), true),
    () => view.getUint32(take(4), true),
    () => view.getInt32(take(4), true),
    () => view.getFloat32(take(4), true),
    () => view.getUint8(take(1)) === 1,
    text,
    () => {
      const type = view.getUint32(take(4), true)
      return Array.from({ length: count() }, () => readers[type]!())
    },
    () => view.getBigUint64(take(8), true),
    () => view.getBigInt64(take(8), true),
    () => view.getFloat64(take(8), true),
  ]
  count()
  const entries = count()
  return new Map(Array.from({ length: entries }, () => [text(), readers[view.getUint32(take(4), true)]!()]))
}
