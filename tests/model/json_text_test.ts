// JSON of config.json: whole numbers keep the type that Python reads in them.
import assert from "node:assert/strict";
import { parseObject, stringifyObject } from "../../model/json_text.ts";

Deno.test("stringifyObject() writes whole numbers as parseObject() found them, at any depth and after spreading", () => {
  const text = '{"cutoff":2.0,"count":2,"theta":1e5,"tiny":1e-5,"none":null,"deep":{"factor":-4.0,"list":[1.0,1,2.5]}}';
  const { count: _, ...kept } = parseObject(text, "Cannot read x", "");
  assert.equal(
    stringifyObject({ ...kept, cutoff: 3, added: 5 }).replaceAll(/\s/g, ""),
    '{"cutoff":3.0,"theta":100000.0,"tiny":0.00001,"none":null,"deep":{"factor":-4.0,"list":[1.0,1,2.5]},"added":5}',
  );
  assert.equal(kept.cutoff, 2);
});
