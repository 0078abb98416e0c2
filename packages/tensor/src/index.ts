export { TensorError, type TensorErrorCode } from './errors.js'
export { byteSize, type DType, type NumericArray } from './dtype.js'
export { sym, type Dim, type Index, type Shape, type Sym, type SymExpr, type SymValues } from './shape.js'
export { operations, Tensor, type MatmulOptions, type ReduceOptions } from './tensor.js'
export type { Operand } from './elementwise.js'
export type { OpRow } from './ops/row.js'
export { realize, type NestedNumbers } from './handle.js'
export {
  arange,
  declare,
  eye,
  fromBytes,
  full,
  linspace,
  ones,
  onesLike,
  scalar,
  symbolValue,
  tensor,
  zeros,
  zerosLike,
  type NestedValues,
  type TensorOptions,
  type ValueArray,
} from './create.js'
export { concat, logSumExp, oneHot, stack, tril, triu, where } from './functions.js'
export { rowMemory, type RowMemory } from './row-memory.js'
export {
  adamwStep,
  attendCached,
  attendPaged,
  attention,
  cacheWrite,
  crossEntropy,
  dequantize,
  embedding,
  layerNorm,
  pagedWrite,
  qmatmul,
  qmatmulChosen,
  rmsNorm,
  rope,
  tokenLogprob,
  type AdamWOptions,
  type AttentionOptions,
  type AttentionCache,
  type CachedAttention,
  type PagedAttention,
  type QuantizedWeight,
} from './nn.js'
export { grad, valueAndGrad, type LossResult, type ValueAndGrad } from './transform/grad.js'
export { jit, type Argument, type JitOptions, type Jitted } from './transform/jit.js'
export type { QuantizedInputs } from './transform/trace.js'
export type { CallOptions } from './transform/call-entry.js'
export { checkpoint } from './transform/checkpoint.js'
export type { RealizeOptions } from './transform/realize.js'
export { flattenTree, forEachLeaf, mapTree, unflattenTree, type Tree } from './tree.js'
export { markUnstarted } from './device/device.js'
export type {
  Device,
  DeviceBuffer,
  DeviceCaps,
  DeviceKind,
  DeviceMemory,
  DeviceName,
  DeviceRoom,
  Executable,
  ProfileSink,
  RunOptions,
} from './device/device.js'
export { defaultDevice, setDefaultDevice } from './device/default.js'
export { explainDevice, resolveDevice, type ResolveOptions } from './device/registry.js'
export { checkMemory, estimateMemory, type MemoryEstimate, type MemoryNeed, type TensorBytes } from './device/estimate.js'
export type { DeviceAttempt, DeviceChoice } from './device/choose.js'
export { referenceDevice, type ReferenceDeviceOptions } from './device/reference/device.js'
export { nullDevice, type NullDeviceOptions } from './device/null/device.js'
export { planMemory, type MemoryPlan } from './compile/memory.js'
export { onWarning, setDebug, type DebugLevel, type DebugSink, type WarningListener } from './debug/log.js'
export { graphOf, toOnnx, type GraphFormat } from './debug/inspect.js'
export { profile, type Profile, type ProfileRow } from './debug/profile.js'
export { leakReport, type LeakReport, type LiveTensor } from './debug/leaks.js'
export { dropout, foldKey, key, randomBernoulli, randomBits, randomNormal, randomUniform } from './keys.js'
export { openGguf, openGgufParts, type GgufFile } from './io/gguf/gguf.js'
export { quantizeBlocks, quantizeMatrix, type QuantizedType } from './io/gguf/quantize.js'
export type { QuantizedLayout, StoredQuantized } from './io/gguf/repack.js'
export { ggufPartNames } from './io/gguf/part-names.js'
export type { GgufList, GgufType, GgufValue } from './io/gguf/header.js'
export { writeGguf, type GgufMetadata, type GgufTyped, type GgufWriteOptions } from './io/gguf/write.js'
export { openSafetensors, openSafetensorsIndex, shardNames, type OpenShard } from './io/safetensors.js'
export type { OpenOptions, TensorFile, TensorInfo, Tensors } from './io/tensor-file.js'
export { encodeSafetensors, writeSafetensors, type TensorEntry, type WriteOptions } from './io/safetensors-write.js'
export { httpSource, type HttpSourceOptions } from './io/http.js'
export type { ByteSource, ByteSourceLike } from './io/source.js'
export { convertFloats, type StoredTensor } from './io/stored.js'
export { loadOnnx, type LoadOnnxOptions, type OnnxModel, type RunOnnxOptions } from './onnx/model.js'
export type { OnnxDType, OnnxValue } from './onnx/describe.js'
