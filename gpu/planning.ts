// A Gpu without memory: whatever is recorded on it can be planned and measured, and nothing is allocated or run.
import { type AdapterReport, type Gpu } from "./device.ts";

/** What planning asks of an adapter. */
export interface PlannedAdapter {
  report: AdapterReport;
  limits: Pick<
    GPUSupportedLimits,
    "maxStorageBufferBindingSize" | "maxBufferSize" | "maxTextureDimension2D" | "maxComputeWorkgroupsPerDimension"
  >;
}

/** A GPU nobody measured: as NVIDIA's and AMD's offer them through Vulkan, one buffer below 4 GiB, one binding below 2 GiB. */
export const usualGpu: PlannedAdapter = {
  report: { name: "a usual GPU", isCpu: false, features: [], driver: "" },
  limits: {
    maxStorageBufferBindingSize: 2 ** 31 - 4,
    maxBufferSize: 2 ** 32 - 4,
    maxTextureDimension2D: 16384,
    maxComputeWorkgroupsPerDimension: 65535,
  },
};

/** Its buffers have sizes and no bytes; uploads go nowhere. Everything else of its device is missing on purpose. */
export function planningGpu({ report, limits }: PlannedAdapter): Gpu {
  const device = {
    createBuffer: ({ label = "", size }: GPUBufferDescriptor) => ({ label, size, destroy: () => {} }),
    queue: { writeBuffer: () => {}, submit: () => {} },
  };
  return {
    device: device as unknown as GPUDevice,
    report,
    limits: limits as GPUSupportedLimits,
    check: () => {},
    dispose: () => {},
  };
}
