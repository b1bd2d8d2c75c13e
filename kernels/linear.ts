// The dense layer y = x W^T + b, W as the checkpoint stores it: [out, in]; b may be absent. With GELU fused where the model
// applies it, or the residual that y is added to, and with the adapters of W where the tape knows some.
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { adaptersBackward, adapterTensors, applyAdapters } from "./adapters.ts";
import { recordDrop } from "./add.ts";
import { addColumnSums } from "./column_sum.ts";
import { activeDropout } from "./dropout.ts";
import { recordGeluBackward } from "./gelu.ts";
import { type GeluForm } from "./gelu_forms.ts";
import { matmul, type Residual } from "./matmul.ts";
import { type Tape } from "./tape.ts";

export interface LinearOptions {
  /** [out, in] */
  weight: Tensor;
  /** [out] */
  bias?: Tensor;
  /** Applies GELU to the result; needs a bias. */
  gelu?: GeluForm;
  /** The result is this [rows, out] plus what the layer gives, some channels of which are dropped first; excludes GELU. */
  residual?: Residual;
}

/** x [rows, in] -> [rows, out]. @throws {ShapeError} if the weight's or bias' shape does not fit */
export function linear(tape: Tape, x: Tensor, { weight, bias, gelu, residual }: LinearOptions): Tensor {
  const [rows, inputs] = shape2(x), [outputs, weightInputs] = shape2(weight);
  const fits = residual === undefined || (!gelu && residual.x.live === x.live &&
    String(residual.x.shape) === String([rows, outputs]));
  if (inputs !== weightInputs || (bias && bias.size !== outputs) || (gelu && !bias) || !fits) {
    throw new ShapeError(
      `Cannot apply weight [${weight.shape}] and ${bias ? `bias [${bias.shape}]` : "no bias"} to [${x.shape}]` +
        (gelu ? " with GELU" : "") + (residual ? ` beside [${residual.x.shape}]` : ""),
    );
  }
  const adapters = tape.adaptersOf(weight);
  const y = tape.output([rows, outputs], x.live, [x, weight, bias, residual?.x, ...adapterTensors(adapters)], "linear");
  const pre = gelu ? tape.activation(y.shape, x.live, "pre") : undefined;
  const applied = tape.sharingTextures(() => {
    const applied = applyAdapters(tape, x, outputs, adapters);
    matmul(tape, "NT", x, weight, { tensor: y, accumulate: 0 }, {
      bias,
      ...(gelu && { gelu: { form: gelu, pre: pre! } }),
      low: applied?.term,
      residual,
    });
    return applied;
  });
  if (gelu) tape.setSlope(y, { form: gelu, pre: pre! });

  /** The gradient of what the layer gives before GELU or the residual. */
  function inner(dy: Tensor): Tensor {
    const drops = activeDropout(residual?.dropout);
    if (!drops && (!gelu || tape.isSloped(y))) return dy;
    const dpre = tape.activation(y.shape, y.live, "dpre"), target = { tensor: dpre, accumulate: 0 as const };
    if (drops) recordDrop(tape, dy, target, drops);
    else recordGeluBackward(tape, gelu!, { x: pre!, dy }, target);
    return dpre;
  }

  tape.onBackward(y, (dy) => {
    const dpre = inner(dy);
    const dx = tape.grad(x), dWeight = tape.grad(weight), dBias = bias && tape.grad(bias);
    tape.sharingTextures(() => {
      const low = adaptersBackward(tape, { x, dy: dpre, dx }, applied);
      const slope = dx && dx.accumulate === 0 ? tape.takeSlope(x) : undefined;
      if (dx) matmul(tape, "NN", dpre, weight, dx, { low, slope });
      if (dWeight) matmul(tape, "TN", dpre, x, dWeight);
      if (dBias) addColumnSums(tape, dpre, dBias.tensor);
    });
    // Last: the next contribution to an adopted dy would change what the products are to receive.
    if (residual && !tape.adoptGrad(residual.x, dy)) recordDrop(tape, dy, tape.grad(residual.x));
  });
  return y;
}
