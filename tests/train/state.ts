// An engine's or a checkpoint's state as arrays.
import assert from "node:assert/strict";
import { type EngineState, readStored, type Stored } from "../../train/engine.ts";
import { checkSame } from "../same.ts";

/** A state that is at hand. */
export type Arrays = { [Part in keyof EngineState]: Float32Array<ArrayBuffer> };

/** Reads every part. */
export async function readState({ state }: { state: EngineState }): Promise<Arrays> {
  const parts = Object.entries(state).map(async ([part, stored]: [string, Stored]) => [part, await readStored(stored)]);
  return Object.fromEntries(await Promise.all(parts));
}

/** To the bit; the same parts. */
export function checkSameState(actual: Arrays, expected: Arrays): void {
  assert.deepEqual(Object.keys(actual), Object.keys(expected));
  for (const [part, data] of Object.entries(expected)) checkSame(part, actual[part as keyof Arrays]!, data);
}

/** What an engine takes over, or a checkpoint is written from; in pieces that end anywhere. */
export function stateOf<State extends Partial<Arrays>>(arrays: State): { [Part in keyof State]: Stored } {
  const inPieces = (data: Float32Array<ArrayBuffer>): Stored => ({
    length: data.length,
    async *pieces() {
      for (let at = 0; at < data.length; at += 1001) yield data.slice(at, at + 1001);
    },
  });
  const parts = Object.entries(arrays).map(([part, data]) => [part, inPieces(data!)]);
  return Object.fromEntries(parts);
}
