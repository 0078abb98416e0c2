/**
 * ONNX messages to bytes and back. protobufjs reads and writes the wire format; which field is what comes from the table
 * generated from the official schema.
 */
import protobuf from 'protobufjs/minimal.js'
import { TensorError } from '../../../errors.js'
import { type FieldSchema, type Messages, schema } from './schema.js'

type Reader = protobuf.Reader
type Writer = protobuf.Writer
type Fields = Readonly<Record<string, unknown>>

// Wire types of protobuf: 0 a varint, 1 eight bytes, 2 a length and that many bytes, 5 four bytes.
const wireTypes: Readonly<Record<string, number>> = {
  int32: 0,
  int64: 0,
  uint32: 0,
  uint64: 0,
  bool: 0,
  double: 1,
  float: 5,
  string: 2,
  bytes: 2,
}
const wireType = (type: string): number => wireTypes[type] ?? 2
const isMessage = (type: string): type is keyof Messages => type in schema

function writeScalar(writer: Writer, type: string, value: unknown): void {
  switch (type) {
    case 'int32':
      writer.int32(value as number)
      return
    case 'int64':
      writer.int64(value as number)
      return
    case 'uint64':
      writer.uint64(value as number)
      return
    case 'float':
      writer.float(value as number)
      return
    case 'double':
      writer.double(value as number)
      return
    case 'string':
      writer.string(value as string)
      return
    case 'bytes':
      writer.bytes(value as Uint8Array)
      return
    default:
      throw new TensorError('FILE', `the ONNX schema has a field of type ${type}, which the writer does not know`)
  }
}

function writeMessage(writer: Writer, message: keyof Messages, fields: Fields): void {
  for (const field of schema[message]) {
    const value = fields[field[1]]
    if (value === undefined) continue
    if (field[3] === undefined) writeField(writer, field, value)
    else if (field[3] === 'repeated') for (const item of value as readonly unknown[]) writeField(writer, field, item)
    else {
      writer.uint32((field[0] << 3) | 2).fork()
      for (const item of value as readonly unknown[]) writeScalar(writer, field[2], item)
      writer.ldelim()
    }
  }
}

function writeField(writer: Writer, [id, , type]: FieldSchema, value: unknown): void {
  writer.uint32((id << 3) | wireType(type))
  if (!isMessage(type)) return writeScalar(writer, type, value)
  writer.fork()
  writeMessage(writer, type, value as Fields)
  writer.ldelim()
}

/** A message as bytes. int64 fields take safe integers. */
export function encodeMessage<M extends keyof Messages>(message: M, value: Messages[M]): Uint8Array {
  // The constructor, not `create`: that one makes Buffers in Node. Short results lie in a pool, which is not handed out.
  const writer = new protobuf.Writer()
  writeMessage(writer, message, value as Fields)
  return writer.finish().slice()
}

function readScalar(reader: Reader, type: string): unknown {
  switch (type) {
    case 'int32':
      return reader.int32()
    case 'int64':
      return Number(reader.int64())
    case 'uint64':
      return Number(reader.uint64())
    case 'float':
      return reader.float()
    case 'double':
      return reader.double()
    case 'string':
      return reader.string()
    case 'bytes':
      return reader.bytes()
    default:
      throw new TensorError('FILE', `the ONNX schema has a field of type ${type}, which the reader does not know`)
  }
}

function readMessage(reader: Reader, message: keyof Messages, end: number, skip: Skipped): Fields {
  const out: Record<string, unknown> = {}
  while (reader.pos < end) {
    const tag = reader.uint32()
    const field = schema[message].find(([id]) => id === tag >>> 3)
    if (field === undefined || skip.has(`${message}.${field[1]}`)) {
      reader.skipType(tag & 7)
      continue
    }
    const [, name, type, mode] = field
    if (mode === undefined) {
      out[name] = readOne(reader, type, skip)
      continue
    }
    const list = (out[name] ??= []) as unknown[]
    // Writers may pack numbers or not, whatever the schema says.
    if (wireType(type) !== 2 && (tag & 7) === 2) {
      const stop = reader.uint32() + reader.pos
      while (reader.pos < stop) list.push(readScalar(reader, type))
    } else list.push(readOne(reader, type, skip))
  }
  return out
}

function readOne(reader: Reader, type: string, skip: Skipped): unknown {
  if (!isMessage(type)) return readScalar(reader, type)
  const length = reader.uint32()
  return readMessage(reader, type, reader.pos + length, skip)
}

/** Fields that are passed over, as `TensorProto.rawData`. */
type Skipped = ReadonlySet<string>
const nothing: Skipped = new Set()

/** Bytes as a message; unknown fields are skipped, and those named in `skip`. int64 values beyond 2^53 lose their last digits. */
export function decodeMessage<M extends keyof Messages>(message: M, bytes: Uint8Array, skip: Skipped = nothing): Messages[M] {
  try {
    const reader = new protobuf.Reader(bytes)
    return readMessage(reader, message, bytes.length, skip) as Messages[M]
  } catch (cause) {
    throw new TensorError('FILE', `the ${bytes.length} bytes given are not an ONNX ${message}; expected a protobuf message written whole`, {
      cause,
    })
  }
}
