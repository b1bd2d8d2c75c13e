// A kernel is WGSL text plus what its declarations say: binding numbers, access and the fields of its uniforms.
import { GpuError } from "../errors.ts";

export type Access = "read" | "write" | "texture" | "uniform";

export interface Binding {
  name: string;
  index: number;
  access: Access;
  /** The alias of its elements, where the kernel can also have them in f16. */
  alias?: string;
}

/** Scalar fields of a uniform struct, in order; vectors and nesting are not used in this project's uniforms. */
export type UniformField = { name: string; type: "u32" | "f32" };

/** WGSL source with its reflected declarations. Make one per source text, at module level: pipelines are cached by it. */
export interface Kernel {
  readonly label: string;
  readonly code: string;
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly structs: ReadonlyMap<string, UniformField[]>;
  /** Names declared as `alias X = vec4f;` or `= f32;`: elements that `withHalf` can put into f16. */
  readonly aliases: ReadonlySet<string>;
}

const BINDING =
  /@group\(0\)\s*@binding\((\d+)\)\s*var\s*(?:<\s*(uniform|storage)\s*(?:,\s*(read|read_write))?\s*>)?\s*(\w+)\s*:\s*([^;]+);/g;
const ALIAS = /\balias\s+(\w+)\s*=\s*(f32|vec4f)\s*;/g;
const STRUCT = /struct\s+(\w+)\s*\{([^}]*)\}/g;
const FIELD = /(\w+)\s*:\s*([\w<>]+)\s*,?/g;

/** Reads the declarations of `code`. @throws {GpuError} if a binding is declared in a form this project does not use */
export function kernel(label: string, code: string): Kernel {
  const bindings = new Map<string, Binding>();
  const plain = code.replace(/\/\/[^\n]*/g, "");
  const aliases = new Set([...plain.matchAll(ALIAS)].map(([, alias]) => alias));
  for (const [, index, space, mode, name, type] of plain.matchAll(BINDING)) {
    const access: Access | undefined = type.startsWith("texture_storage_2d<rgba32float, read>")
      ? "texture"
      : space === "uniform"
      ? "uniform"
      : space === "storage"
      ? (mode === "read_write" ? "write" : "read")
      : undefined;
    if (!access) throw new GpuError(`Cannot read kernel ${label}: binding ${name} has an unknown form`);
    const alias = type.match(/^array<(\w+)>$/)?.[1];
    bindings.set(name, { name, index: Number(index), access, ...(alias && aliases.has(alias) && { alias }) });
  }
  const structs = new Map<string, UniformField[]>();
  for (const [, name, body] of plain.matchAll(STRUCT)) {
    const fields = [...body.matchAll(FIELD)].map(([, field, type]) => ({ name: field, type: type as "u32" | "f32" }));
    structs.set(name, fields);
  }
  return { label, code, bindings, structs, aliases };
}

const halfTypes: Readonly<Record<string, string>> = { f32: "f16", vec4f: "vec4<f16>" };
const halves = new WeakMap<Kernel, Map<string, Kernel>>();

/**
 * The kernel with some of its aliases in f16. Its code loads as `vec4f(x[i])` and stores as `X(v)`, so that nothing else changes.
 *
 * @throws {GpuError} if the kernel declares no such alias
 */
export function withHalf(of: Kernel, aliases: readonly string[]): Kernel {
  if (aliases.length === 0) return of;
  const key = [...aliases].sort().join();
  const known = halves.get(of) ?? new Map<string, Kernel>();
  halves.set(of, known);
  let half = known.get(key);
  if (!half) {
    const unknown = aliases.find((alias) => !of.aliases.has(alias));
    if (unknown) throw new GpuError(`Cannot store ${unknown} of kernel ${of.label} in f16: it declares no such alias`);
    const code = of.code.replace(
      ALIAS,
      (whole, alias, type) => aliases.includes(alias) ? `alias ${alias} = ${halfTypes[type]};` : whole,
    );
    known.set(key, half = kernel(of.label, `enable f16;\n${code}`));
  }
  return half;
}

/** Packs `values` as the scalar struct `name` of a kernel lies in a uniform buffer. @throws {GpuError} on a missing or unknown field */
export function packUniform(
  fields: readonly UniformField[],
  values: Readonly<Record<string, number>>,
  where: string,
): ArrayBuffer {
  const bytes = new ArrayBuffer(Math.ceil(fields.length / 4) * 16);
  const view = new DataView(bytes);
  const known = new Set(fields.map((f) => f.name));
  for (const name in values) {
    if (!known.has(name)) throw new GpuError(`Cannot record ${where}: its uniform has no field "${name}"`);
  }
  fields.forEach(({ name, type }, i) => {
    const value = values[name];
    if (value === undefined) throw new GpuError(`Cannot record ${where}: uniform field "${name}" has no value`);
    if (type === "u32") view.setUint32(i * 4, value, true);
    else view.setFloat32(i * 4, value, true);
  });
  return bytes;
}
