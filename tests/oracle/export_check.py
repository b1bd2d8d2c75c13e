"""Does a run folder give the same probabilities in transformers as `deno task submit` wrote?

python tests/oracle/export_check.py RUN TOKENS.jsonl SUBMISSION.csv [--tolerance 1e-4]

TOKENS.jsonl comes from `deno task tokenize` on the submission's data. Submissions made with --swap-average are not
comparable. Ends with code 1 if the largest difference is above the tolerance.
"""
import argparse
import csv
import sys

import torch
from runs import load_judge, read_battles

COLUMNS = ["winner_model_a", "winner_model_b", "winner_tie"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("tokens")
    parser.add_argument("submission")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()

    judge, battles = load_judge(options.run), read_battles(options.tokens)
    with open(options.submission, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if [row["id"] for row in rows] != [battle["id"] for battle in battles]:
        sys.exit(f"Cannot compare: ids of {options.submission} are not those of {options.tokens}, in that order")
    ours = torch.tensor([[float(row[column]) for column in COLUMNS] for row in rows], dtype=torch.float64)
    with torch.no_grad():
        theirs = torch.stack([judge(battle).double().softmax(-1) for battle in battles])
    difference = (ours - theirs).abs()
    worst = int(difference.max(1).values.argmax())
    largest = float(difference.max())
    print(f"{type(judge).__name__}, {len(rows)} battles: largest difference of a probability {largest:.2e}"
          f" (id {rows[worst]['id']}), mean {float(difference.mean()):.2e};"
          f" rows spread by {float(theirs.std(0).max()):.2e} over the battles")
    sys.exit(0 if largest <= options.tolerance else 1)


if __name__ == "__main__":
    main()
