/** What an adapter is, and whether it is hardware. */

/** The limits that kernels and tensors meet; a device has the least of all adapters' unless asked for more. */
const limitNames = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
] as const

const featureNames = ['shader-f16', 'subgroups'] as const

export interface AdapterReport {
  /** Names as the implementation gives them, those that are not empty: vendor, architecture, device, description. */
  readonly names: readonly string[]
  /** It computes on the processor: slower than device 'cpu'. */
  readonly software: boolean
  /** The limits that matter here. */
  readonly limits: Readonly<Record<(typeof limitNames)[number], number>>
  /** Of the features that kernels use, those it has. */
  readonly features: readonly (typeof featureNames)[number][]
}

/** What the software implementations of Vulkan, Direct3D and OpenGL call themselves. */
const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|basic render|\bwarp\b|\bsoftware\b/i

export function reportAdapter(adapter: GPUAdapter): AdapterReport {
  const { info } = adapter
  const names = [info.vendor, info.architecture, info.device, info.description].filter((name) => name !== '')
  return {
    names,
    software: info.isFallbackAdapter || softwareNames.test(names.join(' ')),
    limits: Object.fromEntries(limitNames.map((name) => [name, adapter.limits[name]])) as AdapterReport['limits'],
    features: featureNames.filter((name) => adapter.features.has(name)),
  }
}

/** The name that tells most, and that it is software where it is. */
export function describeAdapter({ names, software }: AdapterReport): string {
  return `${names.at(-1) ?? 'unnamed adapter'}${software ? ' (software)' : ''}`
}
