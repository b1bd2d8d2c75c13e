// The launcher, in a folder of its own with stand-ins for deno, npm, apt-get and the rest of PATH.
import assert from "node:assert/strict";
import { root } from "../imports.ts";

interface Stage {
  folder: string;
  /** Adds a stand-in program to PATH. */
  program(name: string, script: string): void;
  run(args: string[], env?: Record<string, string>): Promise<{ code: number; out: string; err: string }>;
}

const fakeDeno = (version: string) =>
  `#!/bin/sh\ncase $1 in --version) echo "deno ${version} (stable)";; *) echo "cwd=$INIT_CWD"; for a in "$@"; do echo "[$a]"; done; exit 7;; esac\n`;

/** Runs `test` with a launcher that finds only what the test gives it, and a Vulkan driver. */
async function stage(test: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    Deno.mkdirSync(`${folder}/bin`);
    Deno.copyFileSync(`${root}/tiebreak`, `${folder}/tiebreak`);
    const tasks = { train: "deno run x", sample: "deno run x" };
    Deno.writeTextFileSync(`${folder}/deno.json`, JSON.stringify({ imports: { eld: "npm:eld" }, tasks }, null, 2));
    Deno.writeTextFileSync(`${folder}/driver.json`, "{}");
    const tools = "sh cat dirname readlink sed sort head tail rm mkdir mv chmod mktemp id uname ldconfig grep".split(
      " ",
    );
    for (const tool of tools) {
      const path = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"].map((from) => `${from}/${tool}`).find(exists);
      if (path) Deno.symlinkSync(path, `${folder}/bin/${tool}`);
    }
    const program = (name: string, script: string) => {
      if (exists(`${folder}/bin/${name}`)) Deno.removeSync(`${folder}/bin/${name}`);
      Deno.writeTextFileSync(`${folder}/bin/${name}`, script, { mode: 0o755 });
    };
    const run = async (args: string[], env: Record<string, string> = {}) => {
      const output = await new Deno.Command("/bin/sh", {
        args: [`${folder}/tiebreak`, ...args],
        cwd: "/",
        clearEnv: true,
        env: {
          PATH: `${folder}/bin`,
          HOME: folder,
          TMPDIR: folder,
          VK_DRIVER_FILES: `${folder}/driver.json`,
          ...env,
        },
      }).output();
      const decoder = new TextDecoder();
      return { code: output.code, out: decoder.decode(output.stdout), err: decoder.decode(output.stderr) };
    };
    program("ldconfig", "#!/bin/sh\necho libvulkan.so.1\n");
    await test({ folder, program, run });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("tiebreak passes arguments, the user's folder and the exit code of the task", () =>
  stage(async ({ folder, program, run }) => {
    program("deno", fakeDeno("2.9.6"));
    const { code, out, err } = await run(["train", "--data", "a b.csv", "$HOME", "it's", ""]);
    const expected = ["task", "--quiet", "--config", `${folder}/deno.json`, "train", "--data", "a b.csv", "$HOME"];
    assert.equal(out, `cwd=/\n${[...expected, "it's", ""].map((word) => `[${word}]\n`).join("")}`);
    assert.equal(err, "");
    assert.equal(code, 7);
  }));

Deno.test("tiebreak without arguments, and with --help, prints its usage and needs no Deno", () =>
  stage(async ({ run }) => {
    for (const args of [[], ["--help"]]) {
      const { code, out } = await run(args);
      assert.equal(code, 0);
      assert.match(out, /^Usage: \.\/tiebreak <task> \[options\]/);
    }
  }));

Deno.test("tiebreak refuses an unknown task with one line and exit code 2", () =>
  stage(async ({ run }) => {
    for (const name of ["trian", "eld"]) {
      const { code, err } = await run([name]);
      assert.equal(code, 2);
      assert.match(err, new RegExp(`^tiebreak: Cannot run task "${name}".*\n$`));
    }
  }));

Deno.test("tiebreak installs Deno with npm when the one on PATH is too old, once, without install scripts", () =>
  stage(async ({ folder, program, run }) => {
    program("deno", fakeDeno("2.9.5"));
    program(
      "npm",
      `#!/bin/sh
echo "npm $*" >> ${folder}/npm.log
while [ $# -gt 0 ]; do [ "$1" = --prefix ] && prefix=$2; shift; done
mkdir -p "$prefix/node_modules/@deno/linux-x64-glibc"
cat > "$prefix/node_modules/@deno/linux-x64-glibc/deno" <<'END'
${fakeDeno("2.9.6")}END
`,
    );
    const first = await run(["train"]);
    assert.equal(first.code, 7);
    assert.match(first.err, /installing the npm package deno@2\.9\.6 into \.tools/);
    const second = await run(["train"]);
    assert.equal(second.code, 7);
    assert.equal(second.err, "");
    const log = Deno.readTextFileSync(`${folder}/npm.log`);
    assert.equal(log.trim().split("\n").length, 1);
    assert.match(log, /--ignore-scripts/);
    assert.deepEqual([...Deno.readDirSync(`${folder}/.tools`)].map((entry) => entry.name), ["deno-2.9.6"]);
  }));

Deno.test("tiebreak takes a Deno that is newer, also where digits outnumber", () =>
  stage(async ({ program, run }) => {
    for (const version of ["2.10.0", "2.9.10", "3.0.0"]) {
      program("deno", fakeDeno(version));
      assert.equal((await run(["train"], { TIEBREAK_NO_INSTALL: "1" })).code, 7, version);
    }
  }));

Deno.test("tiebreak prints the line to run when Deno is missing and nothing may or can install it", () =>
  stage(async ({ folder, program, run }) => {
    const without = await run(["train"]);
    assert.equal(without.code, 1);
    assert.match(
      without.err,
      /^tiebreak: Cannot find Deno, nor npm to install it with: .*npm install -g deno@2\.9\.6.*\n$/,
    );
    program("npm", `#!/bin/sh\necho > ${folder}/npm-ran\n`);
    const forbidden = await run(["train"], { TIEBREAK_NO_INSTALL: "1" });
    assert.equal(forbidden.code, 1);
    assert.match(forbidden.err, /^tiebreak: Cannot find Deno, and TIEBREAK_NO_INSTALL=1 forbids installing it: .*\n$/);
    assert.ok(!exists(`${folder}/npm-ran`));
    const failing = await run(["train"]);
    assert.equal(failing.code, 1);
    assert.match(failing.err, /Cannot run the Deno in the npm package on this platform/);
    assert.deepEqual([...Deno.readDirSync(`${folder}/.tools`)], [], "no half-installed Deno stays behind");
  }));

Deno.test("tiebreak installs Mesa's driver as root, says so, and only for tasks that use the GPU", () =>
  stage(async ({ folder, program, run }) => {
    program("deno", fakeDeno("2.9.6"));
    program("id", "#!/bin/sh\necho 0\n");
    program("uname", "#!/bin/sh\necho Linux\n");
    program("apt-get", `#!/bin/sh\necho "apt-get $*" >> ${folder}/apt.log\n`);
    program("ldconfig", "#!/bin/sh\n");
    // The loader and drivers of the machine that runs this test may not count: the copy looks nowhere else.
    const launcher = Deno.readTextFileSync(`${folder}/tiebreak`).replaceAll(/\/usr\/|\/etc\b|\/run\//g, "/nowhere/");
    Deno.writeTextFileSync(`${folder}/tiebreak`, launcher);
    assert.equal((await run(["sample"])).err, "");
    assert.equal((await run(["train", "--help"])).err, "");
    const forbidden = await run(["train"], { TIEBREAK_NO_INSTALL: "1" });
    assert.match(forbidden.err, /^tiebreak: No Vulkan driver found, and TIEBREAK_NO_INSTALL=1 forbids.*\n$/);
    assert.equal(forbidden.code, 7, "the task still runs");
    assert.ok(!exists(`${folder}/apt.log`));
    const installing = await run(["train"]);
    assert.match(installing.err, /^tiebreak: No Vulkan driver found: installing mesa-vulkan-drivers and libvulkan1/);
    assert.match(Deno.readTextFileSync(`${folder}/apt.log`), /update\n.*install .*mesa-vulkan-drivers libvulkan1\n$/);
    program("apt-get", "#!/bin/sh\necho 'E: no network'; exit 100\n");
    const failing = await run(["train"]);
    assert.match(failing.err, /\nE: no network\ntiebreak: Cannot install a Vulkan driver with apt-get: .*\n$/);
    assert.equal(failing.code, 7);
    program("id", "#!/bin/sh\necho 1000\n");
    const user = await run(["train"]);
    assert.match(user.err, /sudo apt-get install mesa-vulkan-drivers libvulkan1/);
    assert.equal(user.code, 7);
  }));
