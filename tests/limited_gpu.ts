// An adapter of lower limits than the one at hand: so small that tiny models must be split, and as strict as WebGPU.
import { type Gpu } from "../gpu/device.ts";

/** Bytes. @default the adapter's own */
export interface LoweredLimits {
  /** Of one binding. */
  binding?: number;
  /** Of one buffer. */
  buffer?: number;
}

/** The same device with lower limits, which throws where it is asked for a larger buffer or binding. */
export function limitedGpu(gpu: Gpu, { binding, buffer }: LoweredLimits): Gpu {
  const { maxTextureDimension2D, maxComputeWorkgroupsPerDimension } = gpu.limits;
  const limits = {
    maxTextureDimension2D,
    maxComputeWorkgroupsPerDimension,
    maxStorageBufferBindingSize: binding ?? gpu.limits.maxStorageBufferBindingSize,
    maxBufferSize: buffer ?? gpu.limits.maxBufferSize,
  };
  const refuse = (what: string, bytes: number, limit: number) => {
    if (bytes > limit) throw new RangeError(`${what} of ${bytes} bytes, where ${limit} are allowed`);
  };
  const device = new Proxy(gpu.device, {
    get(device, name) {
      if (name === "createBuffer") {
        return (at: GPUBufferDescriptor) => {
          refuse(`buffer "${at.label}"`, at.size, limits.maxBufferSize);
          return device.createBuffer(at);
        };
      }
      if (name === "createBindGroup") {
        return (at: GPUBindGroupDescriptor) => {
          for (const { resource } of at.entries) {
            const size = "buffer" in resource ? resource.size ?? 0 : 0;
            refuse(`binding of ${at.label}`, size, limits.maxStorageBufferBindingSize);
          }
          return device.createBindGroup(at);
        };
      }
      const value = Reflect.get(device, name, device);
      return typeof value === "function" ? value.bind(device) : value;
    },
  });
  return { ...gpu, device, limits: limits as GPUSupportedLimits };
}
