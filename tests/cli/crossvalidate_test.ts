// Uses the GPU: all folds of a tiny model, finished ones skipped, and predictions for every battle kept.
import assert from "node:assert/strict";
import { inFolder, task } from "./command_line.ts";
import { writeTinyModel } from "./tiny_model.ts";

Deno.test("crossvalidate trains each fold once, keeps what it predicts, and goes on where it stopped", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    await task(["sample", "--out", ".", "--battles", "90", "--test-battles", "20"], folder);
    const shared = ["--data", "train.csv", "--model", "model", "--steps", "3", "--no-tune", "--batch-tokens", "512"];
    const all = ["crossvalidate", "--folds", "3", "--out", "cv", ...shared];

    // One fold by itself is the fold of the cross-validation.
    const one = await task(["train", "--folds", "3", "--fold", "2", "--out", "cv/fold-2", ...shared], folder);
    assert.equal(one.code, 0, one.err);
    const own = Deno.readTextFileSync(`${folder}/cv/fold-2/out_of_fold.csv`);
    const { code, out, err } = await task(all, folder);
    assert.equal(code, 0, err);
    assert.match(err, /fold 2 of 3: cv\/fold-2 is finished\n/);
    assert.equal(Deno.readTextFileSync(`${folder}/cv/fold-2/out_of_fold.csv`), own);
    assert.match(
      out,
      /^fold +battles .*\n1 .*\n2 .*\n3 .*\nall +90 .*\nlog loss over folds: mean [\d.]+, deviation [\d.]+\n/,
    );

    const rows = (file: string) => Deno.readTextFileSync(`${folder}/${file}`).trim().split("\n").slice(1);
    const folds = [1, 2, 3].map((fold) => rows(`cv/fold-${fold}/out_of_fold.csv`));
    assert.deepEqual(folds.flat().sort(), rows("cv/out_of_fold.csv").sort());
    for (const fold of folds) assert.ok(fold.length >= 28 && fold.length <= 32, `${fold.length} battles`);
    const scored = await task(["evaluate", "--data", "train.csv", "--predictions", "cv/out_of_fold.csv"], folder);
    const logLoss = Number(scored.out.match(/log loss +([\d.]+)/)![1]);
    assert.equal(out.match(/^all +90 +([\d.]+)/m)![1], logLoss.toFixed(4));

    // Each fold's run is evaluated on its own fold without being told which battles those are.
    const own2 = await task(["evaluate", "--model", "cv/fold-2", "--no-baselines"], folder);
    assert.equal(out.match(/^2 +\d+ +([\d.]+)/m)![1], Number(own2.out.match(/log loss +([\d.]+)/)![1]).toFixed(4));

    // A fold that was begun goes on; then nothing is left to do.
    Deno.removeSync(`${folder}/cv/fold-3/out_of_fold.csv`);
    const again = await task(all, folder);
    assert.equal(again.code, 0, again.err);
    assert.equal(again.out, out);
    const wrong: [string[], RegExp][] = [
      [[...all, "--lr", "1"], /Cannot resume cv\/fold-1 with --lr 1/],
      [["crossvalidate", "--folds", "3", "--out", "cv", "--data", "valid.csv"], /begun with other data/],
      [["crossvalidate", "--folds", "2", "--out", "cv", ...shared], /with --folds 2: its run\.json says 3/],
      [["crossvalidate", "--data", "train.csv"], /without --out/],
      [["crossvalidate", "--out", "cv"], /without battles/],
      [["train", "--folds", "3", "--out", "x", ...shared], /choose one with --fold/],
      [["train", "--fold", "3", "--out", "x", ...shared], /say of how many/],
      [["train", "--folds", "3", "--fold", "4", "--out", "x", ...shared], /count from 1 to 3/],
      [
        ["train", "--folds", "3", "--fold", "1", "--valid", "valid.csv", "--out", "x", ...shared],
        /leave one of them out/,
      ],
    ];
    for (const [args, message] of wrong) {
      const { code, err } = await task(args, folder);
      assert.equal(code, 2, `${args.join(" ")}: ${err}`);
      assert.match(err, message);
    }
  }));
