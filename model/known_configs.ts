// The shapes of a few models by their Hub id, so that `memory` can tell what they need without fetching them. Only what decides
// memory is here: not enough to load a model.
import { type JsonObject } from "./json_text.ts";

/** config.json of each, in part. */
export const knownConfigs: Readonly<Record<string, JsonObject>> = {
  "google/gemma-2-9b": {
    model_type: "gemma2",
    vocab_size: 256000,
    hidden_size: 3584,
    intermediate_size: 14336,
    num_hidden_layers: 42,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 256,
    max_position_embeddings: 8192,
  },
  "meta-llama/Llama-3.1-8B": {
    model_type: "llama",
    vocab_size: 128256,
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    max_position_embeddings: 131072,
    rope_theta: 500000,
  },
  "Qwen/Qwen2.5-7B": {
    model_type: "qwen2",
    vocab_size: 152064,
    hidden_size: 3584,
    intermediate_size: 18944,
    num_hidden_layers: 28,
    num_attention_heads: 28,
    num_key_value_heads: 4,
    max_position_embeddings: 131072,
    rope_theta: 1000000,
  },
  "sentence-transformers/all-MiniLM-L6-v2": {
    model_type: "bert",
    vocab_size: 30522,
    hidden_size: 384,
    intermediate_size: 1536,
    num_hidden_layers: 6,
    num_attention_heads: 12,
    max_position_embeddings: 512,
    type_vocab_size: 2,
  },
};
