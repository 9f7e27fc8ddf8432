"""GPU measurements: training speed and step profile of `small`, and the ablation study on read sentences.

    make speechocean762-corpus && python benchmarks/gpu.py --out docs/results/gpu.json

Interrupted parts are resumed; `--parts speed` takes a few minutes, `--parts ablation` eight times `--seconds` plus
validation.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from common import ROOT, output_of, write_report

CORPUS = "configs/data/speechocean762.yaml"
GPU = f"--config={ROOT}/configs/presets/gpu.yaml"


def main() -> None:
    """Run the measurements and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/gpu.json"))
    parser.add_argument("--parts", nargs="+", choices=["speed", "ablation"], default=["speed", "ablation"])
    parser.add_argument("--seconds", type=float, default=600.0, help="budget of each variant of the ablation")
    args = parser.parse_args()
    results: dict[str, Any] = json.loads(args.out.read_text()) if args.out.exists() else {}
    if "speed" in args.parts:
        results["speed"] = speed(args.work)
    if "ablation" in args.parts:
        results["ablation"] = ablation(args.work, args.seconds)
    write_report(args.out, results)


def speed(work: Path) -> Any:
    """Train `small` in bf16, compiled and not, with three batch sizes."""
    sizes = [f"--batch-seconds={seconds}" for seconds in (300, 600, 1200)]
    options = ["--compile", "--precision=bf16-mixed", "--steps=40", "--warmup=15", f"--out={work}/bench"]
    configs = [f"--config={ROOT}/{CORPUS}", f"--config={ROOT}/configs/model/small.yaml", GPU]
    return json.loads(output_of("-m", "stt", "bench", "train", *sizes, *options, *configs, "--data.num_workers=14"))


def ablation(work: Path, seconds: float) -> Any:
    """Train every variant for `seconds`, and compare them."""
    out = work / "ablation"
    budget = [f"--data={ROOT}/{CORPUS}", f"--out={out}", f"--seconds={seconds}"]
    output_of(f"{ROOT}/benchmarks/ablation.py", "run", *budget, GPU, "--data.max_batch_seconds=160")
    output_of(f"{ROOT}/benchmarks/ablation.py", "report", str(out))
    return json.loads((out / "ablation.json").read_text())


if __name__ == "__main__":
    main()
