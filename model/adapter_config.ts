// PEFT's adapter_config.json: what of it we compute, what we refuse, and what we write.
import { join } from "node:path";
import { ConfigFields } from "./config_fields.ts";
import { type JsonObject, parseObject } from "./json_text.ts";
import { type LoraForm } from "./lora.ts";
import { type Pairing } from "./tiebreak_entry.ts";

export const adapterConfigFile = "adapter_config.json";
export const adapterFile = "adapter_model.safetensors";

export interface AdapterConfig extends LoraForm {
  /** Its folder. */
  folder: string;
  /** Folder or Hub id of the model that the adapters belong to. */
  base: string;
  revision?: string;
}

/** Switches of LoraConfig that change what is computed; with any other value than these, we would compute it wrongly. */
const plain: Record<string, readonly unknown[]> = {
  peft_type: ["LORA"],
  bias: ["none"],
  use_dora: [false],
  // The others (pissa, olora, corda, loftq, ...) change the base's weights, also where the adapters are loaded.
  init_lora_weights: [true, false, "gaussian", "eva", "orthogonal"],
  use_qalora: [false],
  fan_in_fan_out: [false],
  lora_bias: [false],
  rank_pattern: [{}],
  alpha_pattern: [{}],
  trainable_token_indices: [null],
  target_parameters: [null, []],
  layer_replication: [null],
  megatron_config: [null],
  alora_invocation_tokens: [null],
  arrow_config: [null],
  use_bdlora: [null],
  kasa_config: [null],
  velora_config: [null],
  monteclora_config: [null],
};

/** The folder's adapter_config.json; undefined where it has none. @throws {InputError} with the field that we do not compute */
export async function readAdapterConfig(folder: string): Promise<AdapterConfig | undefined> {
  const path = join(folder, adapterConfigFile);
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
  return parseAdapterConfig(text, folder);
}

/** Checks the text of an adapter_config.json. */
export function parseAdapterConfig(text: string, folder: string): AdapterConfig {
  const path = join(folder, adapterConfigFile);
  const fields = new ConfigFields(path, parseObject(text, `Cannot read ${path}`, "get the file again"));
  for (const [name, allowed] of Object.entries(plain)) {
    const value = fields.get(name);
    if (value === undefined && name !== "peft_type") continue;
    if (!allowed.some((one) => JSON.stringify(one) === JSON.stringify(value))) {
      throw fields.refuse(name, `must be ${JSON.stringify(allowed[0])}`, "merge the adapters with PEFT");
    }
  }
  const base = fields.get("base_model_name_or_path");
  if (typeof base !== "string" || base === "") {
    throw fields.refuse("base_model_name_or_path", "must name the model that the adapters belong to", "write it there");
  }
  const alpha = fields.get("lora_alpha") ?? 8, dropout = fields.get("lora_dropout") ?? 0;
  if (typeof alpha !== "number") throw fields.refuse("lora_alpha", "must be a number");
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout < 1)) {
    throw fields.refuse("lora_dropout", "must be a number from 0 to below 1");
  }
  const revision = fields.get("revision");
  return {
    folder,
    base,
    ...(typeof revision === "string" && { revision }),
    rank: fields.count("r", 8),
    alpha,
    dropout,
    rsLora: fields.get("use_rslora") === true,
  };
}

export interface WrittenAdapterConfig extends LoraForm {
  base: string;
  revision?: string;
  pairing: Pairing;
  /** Ends of module names. */
  targets: readonly string[];
  /** First parts of the names of the head's parameters; joint only. */
  saved: readonly string[];
}

/** As PEFT 0.21.2 writes it, fields with its defaults left out but for those that a reader looks at. */
export function adapterConfigJson(written: WrittenAdapterConfig): JsonObject {
  const { base, revision, pairing, rank, alpha, dropout, rsLora, targets, saved } = written;
  return {
    base_model_name_or_path: base,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: dropout,
    modules_to_save: saved.length > 0 ? [...saved] : null,
    peft_type: "LORA",
    r: rank,
    revision: revision ?? null,
    target_modules: [...targets],
    task_type: pairing === "joint" ? "SEQ_CLS" : "FEATURE_EXTRACTION",
    use_dora: false,
    use_rslora: rsLora,
  };
}

/** The shortest ends of names that match the chosen modules and no others. */
export function targetEnds(chosen: readonly string[], all: readonly string[]): string[] {
  const wanted = new Set(chosen), others = all.filter((name) => !wanted.has(name));
  const ends = chosen.map((name) => {
    const parts = name.split(".");
    for (let first = parts.length - 1; first > 0; first--) {
      const end = parts.slice(first).join(".");
      if (!others.some((other) => other === end || other.endsWith(`.${end}`))) return end;
    }
    return name;
  });
  return [...new Set(ends)].sort();
}
