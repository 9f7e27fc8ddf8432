"""Overhead of the curriculum: time for observations and planning windows, as a share of the time of training steps.

Strings of digits (imported by `make fsdd`), model size tiny: the smaller the network, the larger the share.

    make fsdd && python benchmarks/observing.py --out docs/results/observing.json
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path

from common import ROOT, call, write_report


def main() -> None:
    """Train a few windows with Lightning's profiler and summarize."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/observing"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/observing.json"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("options", nargs="*", help="further options for train.py, after --")
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    configs = [f"--config={ROOT}/configs/{name}.yaml" for name in ("model/tiny", "data/fsdd")]
    options = ["--data.sampler=CurriculumSampler", "--data.test=null", "--trainer.enable_progress_bar=false"]
    options += ["--trainer.profiler=SimpleProfiler", f"--trainer.profiler.dirpath={args.work}"]
    options += ["--trainer.profiler.filename=profile", f"--run={args.work}/run", f"--trainer.max_steps={args.steps}"]
    call(str(ROOT / "train.py"), "fit", *configs, *options, *args.options)
    seconds = profile((args.work / "fit-profile.txt").read_text())
    steps = seconds["run_training_batch"]
    feedback = sum(value for name, value in seconds.items() if name.startswith("[Callback]CurriculumFeedback."))
    results = {"steps": args.steps, "share_of_a_step": feedback / steps}
    print(json.dumps(results))
    write_report(args.out, results)


def profile(report: str) -> dict[str, float]:
    """Return the total seconds of every action in a SimpleProfiler report."""
    lines = re.findall(r"^\|\s+(\S.*?)\s+\|\s+[\d.e+-]+\s+\|\s+\d+\s+\|\s+([\d.e+-]+)\s+\|", report, re.MULTILINE)
    return {name: float(total) for name, total in lines}


if __name__ == "__main__":
    main()
