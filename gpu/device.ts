// The door to WebGPU: chooses an adapter, asks for all it offers, and makes every late or silent error loud.
import { GpuError } from "../errors.ts";

/** What a run should say about the machine it ran on; written to run.json and bench rows. */
export interface AdapterReport {
  /** As the driver names itself, for instance "llvmpipe (LLVM 15.0.6, 256 bits)". */
  name: string;
  /** True for Mesa's CPU adapters and other software rasterizers. */
  isCpu: boolean;
  /** Set when the machine's set-up costs speed or features; one line telling what to do. */
  warning?: string;
  features: string[];
  /** Whatever else the adapter tells of itself: vendor, architecture, device. */
  driver: string;
}

/** An open device. Whoever opened it calls `dispose()`; everything made from it dies with it. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly report: AdapterReport;
  readonly limits: GPUSupportedLimits;
  /** Throws the first error WebGPU reported since the device was opened. Call it after each wait for the GPU. */
  check(): void;
  dispose(): void;
}

/** Reads the adapter's own words. Mesa's CPU Vulkan driver calls itself llvmpipe too, but only it offers shader-f16. */
function describe(adapter: GPUAdapter): AdapterReport {
  const { vendor, architecture, device, description } = adapter.info;
  const name = description || [vendor, architecture, device].filter(Boolean).join(" ") || "unnamed adapter";
  const isCpu = adapter.info.isFallbackAdapter === true || /llvmpipe|lavapipe|swiftshader|software/i.test(name);
  const features = [...adapter.features].sort();
  const driver = [vendor, architecture, device].filter(Boolean).join(" ");
  const report: AdapterReport = { name, isCpu, features, driver };
  if (isCpu && !adapter.features.has("shader-f16")) {
    report.warning =
      "No Vulkan driver was found and Deno fell back to OpenGL: install mesa-vulkan-drivers and libvulkan1";
  }
  return report;
}

/**
 * Opens the adapter that Deno prefers, with every limit and feature it offers.
 *
 * @throws {GpuError} if there is no adapter or it refuses a device
 */
export async function openGpu(): Promise<Gpu> {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new GpuError(
      "Cannot find a GPU adapter: install a Vulkan driver (on Debian: apt-get install mesa-vulkan-drivers libvulkan1)",
    );
  }
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  const report = describe(adapter);
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({
      requiredLimits: limits,
      requiredFeatures: report.features as GPUFeatureName[],
    });
  } catch (cause) {
    throw new GpuError(`Cannot open adapter "${report.name}": ${(cause as Error).message}`, { cause });
  }

  let failure: string | undefined;
  let disposed = false;
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    failure ??= (event as GPUUncapturedErrorEvent).error.message;
  });
  device.lost.then((info) => {
    if (!disposed) failure ??= `the device was lost (${info.reason}): ${info.message}`;
  });
  return {
    device,
    report,
    limits: device.limits,
    check() {
      if (failure !== undefined) throw new GpuError(`WebGPU failed on "${report.name}": ${failure}`);
    },
    dispose() {
      disposed = true;
      device.destroy();
    },
  };
}
