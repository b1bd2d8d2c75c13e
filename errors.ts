// The errors a user can meet. Their class tells the exit code: main.ts turns InputError and UsageError into 2,
// anything else into 1. Messages begin with the action, name file, row or tensor, and end with what to do.

/** The user's bytes are wrong: a CSV cell, a tensor header, a config value. Exit code 2. */
export class InputError extends Error {
  override name = "InputError";
  readonly exitCode = 2;
}

/** The user's words are wrong: a flag, a combination of flags, an output folder that holds a run. Exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
  readonly exitCode = 2;
}

/** Two tensors do not fit together: a mistake in our own code, found at record time. */
export class ShapeError extends Error {
  override name = "ShapeError";
}

/** WebGPU refused or lost something. Exit code 1. */
export class GpuError extends Error {
  override name = "GpuError";
  readonly exitCode = 1;
}
