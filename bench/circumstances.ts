// Under which circumstances figures arose: adapter, driver, Deno, commit, date. Written into every line of JSON.
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { type AdapterReport, type Gpu } from "../gpu/device.ts";

export interface Circumstances {
  adapter: string;
  /** As far as this system tells; Deno's WebGPU does not. */
  driver: string;
  cores: number;
  deno: string;
  /** First 7 digits; empty outside of a checkout. */
  commit: string;
  date: string;
}

export async function circumstances({ report }: Gpu): Promise<Circumstances> {
  return {
    adapter: report.name,
    driver: await driver(report),
    cores: navigator.hardwareConcurrency,
    deno: Deno.version.deno,
    commit: await commit(),
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Where systems tell a driver's version, and how to read it there. */
const driverSources: { path: string; pattern: RegExp; name: string; cpu: boolean }[] = [
  { path: "/proc/driver/nvidia/version", pattern: /NVRM version:.*?(\d+\.\d+(?:\.\d+)?)/, name: "NVIDIA", cpu: false },
  {
    path: "/var/lib/dpkg/status",
    pattern: /^Package: mesa-vulkan-drivers\n(?:.+\n)*?Version: (.+)$/m,
    name: "Mesa",
    cpu: true,
  },
];

async function driver(report: AdapterReport): Promise<string> {
  for (const { path, pattern, name, cpu } of driverSources) {
    if (report.isCpu !== cpu) continue;
    const version = (await textOf(path))?.match(pattern)?.[1];
    if (version) return `${name} ${version}`;
  }
  return report.driver || "unknown";
}

/** Reads .git itself: no right to run programs is needed. */
async function commit(): Promise<string> {
  const git = join(fileURLToPath(new URL("../", import.meta.url)), ".git");
  const head = (await textOf(join(git, "HEAD")))?.trim();
  const branch = head?.match(/^ref: (.+)$/)?.[1];
  if (branch === undefined) return head?.slice(0, 7) ?? "";
  const loose = await textOf(join(git, branch));
  const packed = (await textOf(join(git, "packed-refs")))?.split("\n").find((line) => line.endsWith(` ${branch}`));
  return (loose ?? packed ?? "").slice(0, 7);
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return undefined;
  }
}
