/** Counts what is asked of WebGPU, whoever asks: dispatches, and bytes of buffers that were not destroyed. */
export interface Counts {
  dispatches: number
  peakBytes: number
}

export function countWebGpu(): Counts {
  const counts: Counts = { dispatches: 0, peakBytes: 0 }
  let bytes = 0
  const held = new WeakMap<GPUBuffer, number>()
  const { dispatchWorkgroups } = GPUComputePassEncoder.prototype
  GPUComputePassEncoder.prototype.dispatchWorkgroups = function (...grid) {
    counts.dispatches++
    return dispatchWorkgroups.apply(this, grid)
  }
  const { createBuffer } = GPUDevice.prototype
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor)
    held.set(buffer, descriptor.size)
    bytes += descriptor.size
    counts.peakBytes = Math.max(counts.peakBytes, bytes)
    return buffer
  }
  const { destroy } = GPUBuffer.prototype
  GPUBuffer.prototype.destroy = function () {
    bytes -= held.get(this) ?? 0
    held.delete(this)
    return destroy.call(this)
  }
  return counts
}
