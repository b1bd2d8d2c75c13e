// A dense weight that one binding of the adapter does not hold, as parts of its rows, each a tensor over a region of its buffer, or of its buffers.
import { ShapeError } from "../errors.ts";
import { elementBytes, type RowPart, shape2, SplitTensor, Tensor } from "../gpu/tensor.ts";
import { QuantisedTensor } from "./quantised.ts";
import { type Tape } from "./tape.ts";

/** Parts begin at multiples of so many rows: of 4n f16, 256 bytes, at which bindings begin; and of texels. */
const ALIGN_ROWS = 32;

/** The weight, in as few parts as may be bound. @throws {ShapeError} if one binding does not hold 32 rows */
export function partsOfWeight(tape: Tape, weight: Tensor): RowPart[] {
  if (weight instanceof SplitTensor) return partsOfEach(weight, (rows) => partsOfWeight(tape, rows));
  const { recorder, schedules } = tape;
  const { maxStorageBufferBindingSize } = recorder.gpu.limits;
  // Values of fewer bits become floats in scratch memory on their way to a texture. A binding of codes may begin up to 255 bytes before them.
  const [bytes, limit] = schedules.texture
    ? [weight.size * 4, maxStorageBufferBindingSize]
    : weight instanceof QuantisedTensor
    ? [weight.size / weight.storage.layout.perWord * 4, maxStorageBufferBindingSize - 255]
    : [weight.bytes, maxStorageBufferBindingSize];
  if (bytes <= limit || weight.planned) return [{ firstRow: 0, rows: weight }];
  const [N, K] = shape2(weight), most = Math.floor(limit / (bytes / N) / ALIGN_ROWS) * ALIGN_ROWS;
  if (most === 0) throw new ShapeError(`Cannot bind ${ALIGN_ROWS} rows of ${weight.label} [${weight.shape}] at once`);
  return Array.from({ length: Math.ceil(N / most) }, (_, i) => {
    const firstRow = i * most, shape = [Math.min(most, N - firstRow), K];
    return { firstRow, rows: rowsOf(weight, firstRow, shape) };
  });
}

/** Of the rows in each buffer their own parts. */
export function partsOfEach({ parts }: SplitTensor, partsOf: (rows: Tensor) => RowPart[]): RowPart[] {
  return parts.flatMap(({ firstRow, rows }) =>
    partsOf(rows).map((part) => ({ firstRow: firstRow + part.firstRow, rows: part.rows }))
  );
}

function rowsOf(weight: Tensor, firstRow: number, shape: readonly number[]): Tensor {
  const label = `${weight.label} from row ${firstRow}`;
  if (weight instanceof QuantisedTensor) {
    return new QuantisedTensor(shape, weight.storage, weight.firstRow + firstRow, label);
  }
  const { dtype, region } = weight, rowBytes = shape[1] * elementBytes(dtype);
  const place = { buffer: region!.buffer, offset: region!.offset + firstRow * rowBytes, size: shape[0] * rowBytes };
  return new Tensor(shape, { label, dtype }, place);
}
