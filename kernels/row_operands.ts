// Operands that a kernel reads by row and texel, `x_at(row, i)`, or, of one row, `gain_at(i)`: storage buffers, or textures on
// adapters whose texels cost less than storage loads (Mesa's CPU adapter: 2 against 18 ns, copies included little more).
import { type TextureOperand } from "../gpu/recorder.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { type Kernel } from "../gpu/kernel.ts";
import { stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

/** A kernel in two forms; its `source` calls NAME_at(row, i), or NAME_at(i) for a vector, and has rows of `size.W` floats. */
export interface RowKernel {
  /** The form of buffers, for entry points that read no such operand. */
  plain: Kernel;
  /** Operands as the kernel's form wants them, and the form: textures where the schedule has them and all operands fit. */
  take<Name extends string>(
    tape: Tape,
    operands: Record<Name, Tensor>,
  ): { kernel: Kernel; read: Record<Name, Tensor | TextureOperand> };
}

export interface RowBindings {
  /** Of each operand [rows, columns] of the source: its number and the alias of its elements. */
  rows: Readonly<Record<string, readonly [index: number, alias: string]>>;
  /** Of each operand [columns], a parameter in f32: its number. @default {none} */
  vectors?: Readonly<Record<string, number>>;
  /** Field of `size` that holds the columns of a row. @default {"W"} */
  columns?: string;
}

/** @param bindings that are declared here, in front of `source` */
export function rowKernel(
  label: string,
  source: string,
  { rows, vectors = {}, columns = "W" }: RowBindings,
): RowKernel {
  const make = (
    declareRows: (name: string, binding: string, alias: string) => string,
    declareVector: (name: string, binding: string) => string,
  ) => {
    const declared = [
      ...Object.entries(rows).map(([name, [index, alias]]) => declareRows(name, `@group(0) @binding(${index})`, alias)),
      ...Object.entries(vectors).map(([name, index]) => declareVector(name, `@group(0) @binding(${index})`)),
    ];
    return stepKernel(label, declared.join("") + source);
  };
  const buffers = make(
    (name, binding, alias) => `
alias ${alias} = vec4f;
${binding} var<storage, read> ${name}: array<${alias}>;
fn ${name}_at(row: u32, i: u32) -> vec4f { return vec4f(${name}[row * (size.${columns} / 4u) + i]); }
`,
    (name, binding) => `
${binding} var<storage, read> ${name}: array<vec4f>;
fn ${name}_at(i: u32) -> vec4f { return ${name}[i]; }
`,
  );
  const textures = make(
    (name, binding) => `
${binding} var ${name}: texture_storage_2d<rgba32float, read>;
fn ${name}_at(row: u32, i: u32) -> vec4f { return textureLoad(${name}, vec2u(i, row)); }
`,
    (name, binding) => `
${binding} var ${name}: texture_storage_2d<rgba32float, read>;
fn ${name}_at(i: u32) -> vec4f { return textureLoad(${name}, vec2u(i, 0u)); }
`,
  );
  return {
    plain: buffers,
    take<Name extends string>(tape: Tape, operands: Record<Name, Tensor>) {
      const entries = Object.entries<Tensor>(operands);
      const fits = tape.schedules.texture !== null &&
        entries.every(([, tensor]) => tensor.dtype === "f32" && tape.recorder.texturable(tensor));
      if (!fits) return { kernel: buffers, read: operands };
      const read = Object.fromEntries(entries.map(([name, tensor]) => [name, tape.texture(tensor)]));
      return { kernel: textures, read: read as Record<Name, TextureOperand> };
    },
  };
}
