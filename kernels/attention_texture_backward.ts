// The two backward kernels of attention with textures: one for dq, one for dk and dv.
import { type AttentionForm, begin, dots, mask } from "./attention_texture_code.ts";
import { bias, nearColumns, ownedRows } from "./attention_texture_relative.ts";
import { times } from "./texture_code.ts";

const gradientSource = `
@group(0) @binding(4) var dy: texture_storage_2d<rgba32float, read>;
alias DQKV = vec4f;
@group(0) @binding(5) var<storage, read_write> dqkv: array<DQKV>;

fn store(place: u32, value: vec4f) {
  var v = value;
  if (size.accumulate != 0u) { v += vec4f(dqkv[place]); }
  dqkv[place] = DQKV(v);
}
`;

/** Where `bounded`, a pair outside of the row's bounds gets an exponent that gives 0: its own could overflow. */
function exponent(bounded: boolean, value: string, other: string, r: number): string {
  return bounded ? `select(-1e30, ${value}, ${other} >= from${r} && ${other} < past${r})` : value;
}

export function backwardQCode(form: AttentionForm, rows: number): string {
  const { head4, bounded } = form;
  const eachRow = (line: (r: number) => string) => times(rows, line);
  const eachTexel = (line: (d: number) => string) => times(head4, line);
  const near = nearColumns(form, { distances: rows, query: "first", key: "key" }), relative = ownedRows(form, "query");
  return `
@group(0) @binding(2) var y: texture_storage_2d<rgba32float, read>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec4f>;
${gradientSource}${begin(rows, form, "head")}
  let q = head * ${head4}u;
  let channel = head * 65536u;
  ${
    eachRow((r) => `
  let base${r} = row_base(row${r});
  let place${r} = row${r} * stats_width() + head;
  let lse${r} = stats[place${r}].x;
  var delta${r} = 0.0;
  ${bounded ? `let from${r} = first_key(row${r}, start);\nlet past${r} = past_key(row${r}, end);` : ""}
  ${
      eachTexel((d) => `
  let q${r}_${d} = textureLoad(qkv, vec2u(q + ${d}u, row${r})) * size.scale;
  let dy${r}_${d} = textureLoad(dy, vec2u(q + ${d}u, row${r}));
  delta${r} += dot(dy${r}_${d}, textureLoad(y, vec2u(q + ${d}u, row${r})));
  var dq${r}_${d} = vec4f();`)
    }
  ${relative.open(r)}`)
  }
  for (var key = ${bounded ? "from0" : "start"}; key < ${bounded ? `past${rows - 1}` : "end"}; key++) {
    let position = key - start;
    ${near.declare}
    ${
    eachTexel((d) => `
    let k${d} = textureLoad(qkv, vec2u(k + ${d}u, key));
    let v${d} = textureLoad(qkv, vec2u(v + ${d}u, key));`)
  }
    ${
    eachRow((r) => `
    {
      let s = cap_score(${dots(head4, `q${r}_`, "k")}${bias(form, { query: `row${r}`, key: "key", at: near.at(r) })});
      let p = exp(${exponent(bounded, `s - lse${r}`, "key", r)});
      let ds = p * ((${dots(head4, `dy${r}_`, "v")}) * ${
      mask(`base${r}`, "channel + position")
    } - delta${r}) * cap_slope(s);
      ${relative.add(r, near.at(r))}
      ${eachTexel((d) => `dq${r}_${d} += ds * k${d};`)}
    }`)
  }
  }
  ${
    eachRow((r) => `
  if (first + ${r}u < block.y) {
    stats[place${r}].y = delta${r};
    ${relative.close(r)}
    ${eachTexel((d) => `store(row${r} * qkv_width() + q + ${d}u, dq${r}_${d} * size.scale);`)}
  }`)
  }
}
`;
}

export function backwardKVCode(form: AttentionForm, rows: number): string {
  const { head4, bounded, grouped } = form;
  const eachRow = (line: (r: number) => string) => times(rows, line);
  const eachTexel = (line: (d: number) => string) => times(head4, line);
  // Distances fall along the keys.
  const near = nearColumns(form, { distances: rows, query: "query", key: `(first + ${rows - 1}u)` });
  const at = (r: number) => near.at(rows - 1 - r), relative = ownedRows(form, "key");
  return `
@group(0) @binding(3) var stats: texture_storage_2d<rgba32float, read>;
${gradientSource}${begin(rows, form, "key_head")}
  let position = first - start;
  ${
    eachRow((r) => `
  ${bounded ? `let from${r} = first_query(row${r}, start);\nlet past${r} = past_query(row${r}, end);` : ""}
  ${
      eachTexel((d) => `
  let k${r}_${d} = textureLoad(qkv, vec2u(k + ${d}u, row${r})) * size.scale;
  let v${r}_${d} = textureLoad(qkv, vec2u(v + ${d}u, row${r}));
  var dk${r}_${d} = vec4f();
  var dv${r}_${d} = vec4f();`)
    }
  ${relative.open(r)}`)
  }
  ${
    grouped
      ? "for (var head = key_head * sharing; head < (key_head + 1u) * sharing; head++) {"
      : "{\nlet head = key_head;"
  }
  let q = head * ${head4}u;
  let channel = head * 65536u;
  for (var query = ${bounded ? "from0" : "start"}; query < ${bounded ? `past${rows - 1}` : "end"}; query++) {
    let stat = textureLoad(stats, vec2u(head, query));
    let base = (u32(stat.z) << 16u) | u32(stat.w);
    ${near.declare}
    ${
    eachTexel((d) => `
    let q${d} = textureLoad(qkv, vec2u(q + ${d}u, query));
    let dy${d} = textureLoad(dy, vec2u(q + ${d}u, query));`)
  }
    ${
    eachRow((r) => `
    {
      let s = cap_score(${dots(head4, `k${r}_`, "q")}${bias(form, { query: "query", key: `row${r}`, at: at(r) })});
      let p = exp(${exponent(bounded, "s - stat.x", "query", r)});
      let weight = p * ${mask("base", `channel + position + ${r}u`)};
      let ds = (weight * (${dots(head4, `v${r}_`, "dy")}) - p * stat.y) * cap_slope(s);
      ${relative.add(r, at(r))}
      ${eachTexel((d) => `dv${r}_${d} += weight * dy${d};`)}
      ${eachTexel((d) => `dk${r}_${d} += ds * q${d};`)}
    }`)
  }
  }
  }
  ${
    eachRow((r) => `
  if (first + ${r}u < block.y) {
    let place = row${r} * qkv_width();
    ${relative.close(r)}
    ${eachTexel((d) => `store(place + k + ${d}u, dk${r}_${d} * size.scale);`)}
    ${eachTexel((d) => `store(place + v + ${d}u, dv${r}_${d});`)}
  }`)
  }
}
`;
}
