// onnxruntime-web with its WebGPU provider on Deno's own navigator.gpu, as its documentation uses it.
//   deno run -A --no-config --lock=bench/peers/peers.lock --frozen bench/peers/onnx.ts
// deno-lint-ignore-file no-explicit-any -- the library's types would have to be in the project's own lock file
import { bertOnnx } from "./onnx_bert.ts";
import { type Cases, serve } from "./serve.ts";

const packageName = "npm:onnxruntime-web@1.30.0/webgpu"; // not spelled out in the import: see tfjs.ts
const ort: any = await import(packageName);
ort.env.logLevel = "error";

const cases: Cases = {
  async predict({ segments, length, layers, W, heads, F, vocabulary, positions }) {
    const file = bertOnnx({ layers, W, heads, F, vocabulary, positions });
    const session = await ort.InferenceSession.create(file, {
      executionProviders: ["webgpu"],
      graphOptimizationLevel: "all",
    });
    const input = (valueAt: (i: number) => number) =>
      new ort.Tensor("int64", BigInt64Array.from({ length: segments * length }, (_, i) => BigInt(valueAt(i))), [
        segments,
        length,
      ]);
    const feeds = {
      input_ids: input((i) => (i * 7919 + 13) % vocabulary),
      attention_mask: input(() => 1),
      token_type_ids: input(() => 0),
    };
    return async () => {
      const { last_hidden_state: state } = await session.run(feeds);
      const values: Float32Array = await state.getData();
      if (!Number.isFinite(values[values.length - 1])) throw new Error("the last hidden state is not finite");
      state.dispose();
    };
  },
};

await serve(cases);
