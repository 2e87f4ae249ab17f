"""``python -m fuzz``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fuzz import campaign, oracle, targets
from fuzz.model import Finding


def main(words: list[str]) -> int:
    """Run what is asked for; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", metavar="TARGET", help="may be repeated")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), metavar="FOLDER")
    parser.add_argument("--replay", type=Path, action="append", metavar="FILE")
    parser.add_argument("--list", action="store_true", help="names of the targets")
    asked = parser.parse_args(words)
    known = targets.every()
    if asked.list:
        print("\n".join(known))
        return 0
    if asked.replay:
        return max(_replay(path) for path in asked.replay)
    if unknown := set(asked.only or ()) - known.keys():
        parser.error(f"no target {', '.join(sorted(unknown))}; --list gives them")
    chosen = [known[name] for name in asked.only or known]
    seconds = asked.minutes * 60
    outcomes = campaign.run(chosen, seconds=seconds, seed=asked.seed, folder=asked.findings)
    runs, found = sum(each.runs for each in outcomes), sum(len(o.findings) for o in outcomes)
    print(f"{runs:,} inputs, {found} findings, seed {asked.seed}")
    return 1 if found else 0


def _replay(path: Path) -> int:
    name, data = campaign.read_finding(path)
    told: list[Finding] = []
    target = targets.every()[name]
    with target.open() as run:
        word = oracle.Oracle(target, run, told.append)(data)
    for finding in told:
        print(f"{path}: {finding.what} {finding.place} {finding.detail}\n  {finding.data!r}")
    if not told:
        print(f"{path}: nothing is wrong ({word})")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
