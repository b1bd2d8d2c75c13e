// Reads single fields of a config.json with Hugging Face's defaults, each refusal naming file, field, value and wanted value.
import { InputError } from "../errors.ts";
import type { JsonObject } from "./json_text.ts";

/** The fields of one config.json; an absent field takes the default, `null` too unless it has a meaning of its own. */
export class ConfigFields {
  constructor(readonly path: string, readonly raw: JsonObject) {}

  has(name: string): boolean {
    return Object.hasOwn(this.raw, name) && this.raw[name] !== null;
  }

  get(name: string): unknown {
    return this.has(name) ? this.raw[name] : undefined;
  }

  /** A whole number from `min` (default 1). */
  count(name: string, fallback: number, min = 1): number {
    const value = this.get(name) ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= min) return value as number;
    throw this.refuse(name, `must be a whole number from ${min}`);
  }

  /** A number in [0, 1): dropout. */
  probability(name: string, fallback: number): number {
    const value = this.get(name) ?? fallback;
    if (typeof value === "number" && value >= 0 && value < 1) return value;
    throw this.refuse(name, "must be a number from 0 to below 1");
  }

  positive(name: string, fallback: number): number {
    const value = this.get(name) ?? fallback;
    if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
    throw this.refuse(name, "must be a number above 0");
  }

  /** A switch. */
  flag(name: string, fallback: boolean): boolean {
    const value = this.get(name) ?? fallback;
    if (typeof value === "boolean") return value;
    throw this.refuse(name, "must be true or false");
  }

  /** One of `choices`; `fallback` need not be among them. */
  choice<T extends string>(name: string, fallback: T, choices: readonly T[]): T {
    const value = this.get(name) ?? fallback;
    if (choices.includes(value as T)) return value as T;
    throw this.refuse(name, `must be ${choices.map((choice) => `"${choice}"`).join(" or ")}`);
  }

  /** Refuses a switch that changes the mathematics in a way we do not compute. */
  mustBeOff(name: string): void {
    const value = this.get(name);
    if (value !== undefined && value !== false) throw this.refuse(name, "must be false");
  }

  /** `Cannot read model/config.json: hidden_size is "x", must be …: use another model` */
  refuse(name: string, wanted: string, advice = "use another model or correct the file"): InputError {
    return new InputError(
      `Cannot read ${this.path}: ${name} is ${JSON.stringify(this.raw[name])}, ${wanted}: ${advice}`,
    );
  }
}
