// The forward kernel of attention with textures.
import { type AttentionForm, begin, dots, mask } from "./attention_texture_code.ts";
import { bias, nearColumns } from "./attention_texture_relative.ts";
import { times } from "./texture_code.ts";

/** Four keys at a time share one growth of the running maximum: it costs an eighth of the products, not a half. */
export function forwardCode(form: AttentionForm, rows: number): string {
  const { head4, bounded } = form;
  const eachKey = (line: (j: number) => string) => times(4, line);
  const eachRow = (line: (r: number) => string) => times(rows, line);
  const eachTexel = (line: (d: number) => string) => times(head4, line);
  // Of distances first - (key + 3) to first + rows - 1 - key.
  const near = nearColumns(form, { distances: rows + 3, query: "first", key: "key + 3u" });
  const live = (r: number) => bounded ? `keys >= vec4u(from${r}) & keys < vec4u(past${r})` : "live";
  return `
alias Y = vec4f;
@group(0) @binding(2) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec4f>;
${begin(rows, form, "head")}
  let q = head * ${head4}u;
  let channel = head * 65536u;
  ${
    eachRow((r) => `
  let base${r} = row_base(row${r});
  var top${r} = -1e30;
  var total${r} = 0.0;
  ${bounded ? `let from${r} = first_key(row${r}, start);\nlet past${r} = past_key(row${r}, end);` : ""}
  ${
      eachTexel((d) => `
  let q${r}_${d} = textureLoad(qkv, vec2u(q + ${d}u, row${r})) * size.scale;
  var sum${r}_${d} = vec4f();`)
    }`)
  }
  let past = ${bounded ? `past${rows - 1}` : "end"};
  for (var key = ${bounded ? "from0" : "start"}; key < past; key += 4u) {
    let position = key - start;
    ${near.declare}
    ${eachRow((r) => `var s${r} = vec4f();`)}
    ${
    eachKey((j) => `
    let key${j} = min(key + ${j}u, past - 1u);
    {
      ${eachTexel((d) => `let k${d} = textureLoad(qkv, vec2u(k + ${d}u, key${j}));`)}
      ${
      eachRow((r) => {
        const at = near.at(r + 3 - j), pair = { query: `row${r}`, key: `key${j}`, at };
        return `s${r}[${j}] = cap_score(${dots(head4, `q${r}_`, "k")}${bias(form, pair)});`;
      })
    }
    }`)
  }
    let keys = vec4u(key) + vec4u(0u, 1u, 2u, 3u);
    let live = keys < vec4u(past);
    ${
    // Below the first maximum, so that keys nobody sees weigh nothing even before a key that is seen.
    eachRow((r) => `
    {
      s${r} = select(vec4f(-2e30), s${r}, ${live(r)});
      let top = max(max(max(s${r}.x, s${r}.y), max(s${r}.z, s${r}.w)), top${r});
      let shrink = exp(top${r} - top);
      top${r} = top;
      s${r} = exp(s${r} - top);
      total${r} = total${r} * shrink + (s${r}.x + s${r}.y + s${r}.z + s${r}.w);
      ${eachKey((j) => `s${r}[${j}] *= ${mask(`base${r}`, `channel + position + ${j}u`)};`)}
      ${eachTexel((d) => `sum${r}_${d} *= shrink;`)}
    }`)}
    ${
    eachKey((j) => `
    {
      ${
      eachTexel((d) => `
      let v${d} = textureLoad(qkv, vec2u(v + ${d}u, key${j}));
      ${eachRow((r) => `sum${r}_${d} += s${r}[${j}] * v${d};`)}`)
    }
    }`)
  }
  }
  ${
    eachRow((r) => `
  if (first + ${r}u < block.y) {
    ${eachTexel((d) => `y[(row${r} * size.heads + head) * ${head4}u + ${d}u] = Y(sum${r}_${d} / total${r});`)}
    let lse = top${r} + log(total${r});
    stats[row${r} * stats_width() + head] = vec4f(lse, 0.0, f32(base${r} >> 16u), f32(base${r} & 0xffffu));
  }`)
  }
}
`;
}
