import type { DType } from '../../dtype.js'

/** TensorProto.DataType of each dtype's plain storage (onnx.proto); f64 is there for files, not for devices. */
const elementTypes: Readonly<Record<DType, number>> = { f32: 1, u8: 2, i8: 3, i32: 6, bool: 9, f16: 10, f64: 11, u32: 12, bf16: 16 }

/** ONNX's number for a dtype. */
export const elementTypeOf = (dtype: DType): number => elementTypes[dtype]
export const int64ElementType = 7
