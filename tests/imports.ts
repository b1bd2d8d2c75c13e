// Reads which files import which, for the runner (which tests need the GPU?) and the house rules (imports go down).
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../", import.meta.url));

/** Every file below `folder` (relative to the root) whose name ends in one of `endings`, sorted. */
export function filesBelow(folder: string, endings: string[]): string[] {
  const found: string[] = [];
  const visit = (path: string) => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const below = path === "." ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!entry.name.startsWith(".") && !["node_modules", "runs"].includes(entry.name)) visit(below);
      } else if (endings.some((ending) => entry.name.endsWith(ending))) found.push(below);
    }
  };
  if (existsSync(join(root, folder))) visit(folder);
  return found.sort();
}

/** The files of this project that `file` imports, static and dynamic, types included; paths relative to the root. */
export function importsOf(file: string): string[] {
  const source = readFileSync(join(root, file), "utf8");
  const found = new Set<string>();
  for (const [, specifier] of source.matchAll(/\b(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g)) {
    found.add(relative(root, normalize(join(root, dirname(file), specifier))));
  }
  return [...found];
}

/** `file` and everything it imports, directly or not. */
export function closure(file: string): Set<string> {
  const seen = new Set([file]);
  for (const next of seen) {
    if (!next.endsWith(".ts") || !existsSync(join(root, next))) continue;
    for (const imported of importsOf(next)) seen.add(imported);
  }
  return seen;
}
