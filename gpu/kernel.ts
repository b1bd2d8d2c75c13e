// A kernel is WGSL text plus what its declarations say: binding numbers, access and the fields of its uniforms.
import { GpuError } from "../errors.ts";

export type Access = "read" | "write" | "texture" | "uniform";

export interface Binding {
  name: string;
  index: number;
  access: Access;
}

/** Scalar fields of a uniform struct, in order; vectors and nesting are not used in this project's uniforms. */
export type UniformField = { name: string; type: "u32" | "f32" };

/** WGSL source with its reflected declarations. Make one per source text, at module level: pipelines are cached by it. */
export interface Kernel {
  readonly label: string;
  readonly code: string;
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly structs: ReadonlyMap<string, UniformField[]>;
}

const BINDING =
  /@group\(0\)\s*@binding\((\d+)\)\s*var\s*(?:<\s*(uniform|storage)\s*(?:,\s*(read|read_write))?\s*>)?\s*(\w+)\s*:\s*([^;]+);/g;
const STRUCT = /struct\s+(\w+)\s*\{([^}]*)\}/g;
const FIELD = /(\w+)\s*:\s*([\w<>]+)\s*,?/g;

/** Reads the declarations of `code`. @throws {GpuError} if a binding is declared in a form this project does not use */
export function kernel(label: string, code: string): Kernel {
  const bindings = new Map<string, Binding>();
  const plain = code.replace(/\/\/[^\n]*/g, "");
  for (const [, index, space, mode, name, type] of plain.matchAll(BINDING)) {
    const access: Access | undefined = type.startsWith("texture_storage_2d<rgba32float, read>")
      ? "texture"
      : space === "uniform"
      ? "uniform"
      : space === "storage"
      ? (mode === "read_write" ? "write" : "read")
      : undefined;
    if (!access) throw new GpuError(`Cannot read kernel ${label}: binding ${name} has an unknown form`);
    bindings.set(name, { name, index: Number(index), access });
  }
  const structs = new Map<string, UniformField[]>();
  for (const [, name, body] of plain.matchAll(STRUCT)) {
    const fields = [...body.matchAll(FIELD)].map(([, field, type]) => ({ name: field, type: type as "u32" | "f32" }));
    structs.set(name, fields);
  }
  return { label, code, bindings, structs };
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
