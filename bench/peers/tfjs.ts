// TensorFlow.js on its WebGPU backend, as its guide uses it: tidy() round what is computed, data() to read it.
//   deno run -A --no-config --lock=bench/peers/peers.lock --frozen bench/peers/tfjs.ts
// deno-lint-ignore-file no-explicit-any -- the library's types would have to be in the project's own lock file
import { type Cases, normal, serve } from "./serve.ts";

// Not spelled out in the imports, or the project's own lock file would hold them too.
const whole = "npm:@tensorflow/tfjs@4.22.0", backend = "npm:@tensorflow/tfjs-backend-webgpu@4.22.0";
const tf: any = await import(whole);
await import(backend);
await tf.setBackend("webgpu");
await tf.ready();

const matrix = (rows: number, columns: number, seed: number, scale = 1) =>
  tf.tensor2d(normal(rows * columns, seed, scale), [rows, columns]);

async function readAll(tensors: any[]): Promise<void> {
  await Promise.all(tensors.map((tensor) => tensor.data()));
  tf.dispose(tensors);
}

const cases: Cases = {
  // deno-lint-ignore require-await -- the cases of other libraries wait
  async products({ T, inputs, outputs }) {
    const x = matrix(T, inputs, 1), w = matrix(inputs, outputs, 2), dy = matrix(T, outputs, 3);
    return () =>
      readAll(tf.tidy(() => [
        tf.matMul(x, w),
        tf.matMul(dy, w, false, true),
        tf.matMul(x, dy, true, false),
      ]));
  },
  // deno-lint-ignore require-await -- as above
  async block({ T, W, F }) {
    const parameters = [
      matrix(T, W, 1),
      matrix(W, F, 2, 0.05),
      tf.zeros([F]),
      matrix(F, W, 3, 0.05),
      tf.zeros([W]),
      tf.ones([W]),
      tf.zeros([W]),
    ];
    const dy = matrix(T, W, 4);
    const block = (x: any, w1: any, b1: any, w2: any, b2: any, gain: any, bias: any) => {
      const pre = tf.add(tf.matMul(x, w1), b1);
      const gelu = tf.mul(tf.mul(pre, 0.5), tf.add(tf.erf(tf.mul(pre, Math.SQRT1_2)), 1));
      const h = tf.add(tf.matMul(gelu, w2), b2);
      const { mean, variance } = tf.moments(h, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(h, mean), tf.rsqrt(tf.add(variance, 1e-12))), gain), bias);
    };
    return () => readAll(tf.tidy(() => tf.grads(block)(parameters, dy)));
  },
};

await serve(cases);
