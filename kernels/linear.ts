// The dense layer y = x W^T + b, W as the checkpoint stores it: [out, in]; b may be absent. With GELU fused where the model
// applies it, and with the adapters of W where the tape knows some.
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { adaptersBackward, adapterTensors, applyAdapters } from "./adapters.ts";
import { addColumnSums } from "./column_sum.ts";
import { recordGeluBackward } from "./gelu.ts";
import { type GeluForm } from "./gelu_forms.ts";
import { matmul } from "./matmul.ts";
import { type Tape } from "./tape.ts";

export interface LinearOptions {
  /** [out, in] */
  weight: Tensor;
  /** [out] */
  bias?: Tensor;
  /** Applies GELU to the result; needs a bias. */
  gelu?: GeluForm;
}

/** x [rows, in] -> [rows, out]. @throws {ShapeError} if the weight's or bias' shape does not fit */
export function linear(tape: Tape, x: Tensor, { weight, bias, gelu }: LinearOptions): Tensor {
  const [rows, inputs] = shape2(x), [outputs, weightInputs] = shape2(weight);
  if (inputs !== weightInputs || (bias && bias.size !== outputs) || (gelu && !bias)) {
    throw new ShapeError(
      `Cannot apply weight [${weight.shape}] and ${bias ? `bias [${bias.shape}]` : "no bias"} to [${x.shape}]` +
        (gelu ? " with GELU" : ""),
    );
  }
  const adapters = tape.adaptersOf(weight);
  const y = tape.output([rows, outputs], x.live, [x, weight, bias, ...adapterTensors(adapters)], "linear");
  const pre = gelu ? tape.activation(y.shape, x.live, "pre") : undefined;
  const applied = tape.sharingTextures(() => {
    const applied = applyAdapters(tape, x, outputs, adapters);
    matmul(tape, "NT", x, weight, { tensor: y, accumulate: 0 }, {
      bias,
      ...(gelu && { gelu: { form: gelu, pre: pre! } }),
      low: applied?.term,
    });
    return applied;
  });

  tape.onBackward(y, (dy) => {
    const dpre = gelu ? tape.activation(y.shape, y.live, "dpre") : dy;
    if (gelu) recordGeluBackward(tape, gelu, { x: pre!, dy }, { tensor: dpre, accumulate: 0 });
    const dx = tape.grad(x), dWeight = tape.grad(weight), dBias = bias && tape.grad(bias);
    tape.sharingTextures(() => {
      const low = adaptersBackward(tape, { x, dy: dpre, dx }, applied);
      if (dx) matmul(tape, "NN", dpre, weight, dx, { low });
      if (dWeight) matmul(tape, "TN", dpre, x, dWeight);
      if (dBias) addColumnSums(tape, dpre, dBias.tensor);
    });
  });
  return y;
}
