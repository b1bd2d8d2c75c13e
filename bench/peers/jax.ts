// jax-js on WebGPU, as its README uses it: jit() of whole functions, `.ref` where a value is used again, data() to read it.
//   deno run -A --no-config --lock=bench/peers/peers.lock --frozen bench/peers/jax.ts
// deno-lint-ignore-file no-explicit-any -- the library's types would have to be in the project's own lock file
import { type Cases, normal, serve } from "./serve.ts";

const packageName = "npm:@jax-js/jax@0.1.25"; // not spelled out in the import: see tfjs.ts
const { init, defaultDevice, numpy: np, nn, jit, grad }: any = await import(packageName);
if (!(await init("webgpu")).includes("webgpu")) throw new Error("jax-js finds no WebGPU");
defaultDevice("webgpu");

const matrix = (rows: number, columns: number, seed: number, scale = 1) =>
  np.array(normal(rows * columns, seed, scale)).reshape([rows, columns]);

/** data() consumes an array: its memory is freed, and nothing that leads to it can be cancelled. */
async function readAll(arrays: any[]): Promise<void> {
  await Promise.all(arrays.map((array) => array.data()));
}

const cases: Cases = {
  // deno-lint-ignore require-await -- the cases of other libraries wait
  async products({ T, inputs, outputs }) {
    const x = matrix(T, inputs, 1), w = matrix(inputs, outputs, 2), dy = matrix(T, outputs, 3);
    const products = jit((x: any, w: any, dy: any) => [
      np.matmul(x.ref, w.ref),
      np.matmul(dy.ref, np.transpose(w)),
      np.matmul(np.transpose(x), dy),
    ]);
    return () => readAll(products(x.ref, w.ref, dy.ref));
  },
  // deno-lint-ignore require-await -- as above
  async block({ T, W, F }) {
    const parameters = [
      matrix(T, W, 1),
      matrix(W, F, 2, 0.05),
      np.zeros([F]),
      matrix(F, W, 3, 0.05),
      np.zeros([W]),
      np.ones([W]),
      np.zeros([W]),
    ];
    const dy = matrix(T, W, 4);
    const loss = (x: any, w1: any, b1: any, w2: any, b2: any, gain: any, bias: any, dy: any) => {
      const gelu = nn.gelu(np.matmul(x, w1).add(b1), { approximate: false });
      const h = np.matmul(gelu, w2).add(b2);
      return np.sum(nn.standardize(h, -1).mul(gain).add(bias).mul(dy));
    };
    const gradients = jit(grad(loss, { argnums: [0, 1, 2, 3, 4, 5, 6] }));
    return () => readAll(gradients(...parameters.map((value) => value.ref), dy.ref));
  },
};

await serve(cases);
