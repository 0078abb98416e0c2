/** TensorProto.DataType: element types inside a model, where more exist than our dtypes. */
import { tensorProtoDataType } from '../proto/schema.js'

const { FLOAT, DOUBLE, UINT8, INT8, INT32, INT64, BOOL, FLOAT16, UINT32, UINT64, BFLOAT16 } = tensorProtoDataType

export { BFLOAT16, BOOL, DOUBLE, FLOAT, FLOAT16, INT32, INT64, INT8, UINT32, UINT64, UINT8 }

/** One of the numbers above. */
export type OnnxType = number
