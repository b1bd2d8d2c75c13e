// Comparison of long arrays to the bit.
import assert from "node:assert/strict";

/**
 * Says where two arrays differ first. `deepEqual` works out the difference of whole arrays before it says anything: of some 100,000
 * values that took minutes and 24 GB, until the system killed it.
 */
export function checkSame(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length, `${what}: another length`);
  const at = Array.from(expected).findIndex((value, i) => !Object.is(actual[i], value));
  assert.equal(at, -1, `${what}: value ${at} is ${actual[at]}, expected ${expected[at]}`);
}
