"""Tracking overhead: time spent on W&B and on recording utterances, as a share of the training time.

Uses digit strings (imported by `make fsdd`) and the size tiny: the smaller the network, the larger the share.

    make fsdd && python benchmarks/tracking.py --out docs/results/tracking.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wandb
from common import ROOT, write_report

import stt.cli.train
from stt.training.callbacks import OutputSummary, Transcripts, WandbMetadata
from stt.training.tracking.wandb_logger import TolerantWandbLogger

TIMED_METHODS = {
    TolerantWandbLogger: ("log_metrics", "log_hyperparams", "finalize"),
    WandbMetadata: ("setup", "on_fit_start", "on_fit_end"),
    Transcripts: ("update", "finish"),
    OutputSummary: ("on_fit_end",),
}


def main() -> None:
    """Train with timers and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/tracking"))
    parser.add_argument("--out", type=Path, default=Path("docs/results/tracking.json"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("options", nargs="*", help="more options for train.py, after --")
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    timers = Timers()
    for kind, names in TIMED_METHODS.items():
        for name in names:
            setattr(kind, name, timers.wrap(getattr(kind, name), f"{kind.__name__}.{name}"))
    for name in ("init", "finish"):
        setattr(wandb, name, timers.wrap(getattr(wandb, name), f"wandb.{name}"))
    configs = [f"--config={ROOT}/configs/{name}.yaml" for name in ("model/tiny", "data/fsdd")]
    options = [f"--run={args.work}", f"--trainer.max_steps={args.steps}", "--trainer.enable_progress_bar=false"]
    began = time.perf_counter()
    stt.cli.train.main(["fit", *configs, *options, *args.options])
    total = time.perf_counter() - began
    results = {
        "steps": args.steps,
        "seconds": round(total, 1),
        "share": sum(timers.seconds.values()) / total,
        "shares": {name: seconds / total for name, seconds in timers.seconds.most_common()},
    }
    print(json.dumps(results))
    write_report(args.out, results)


class Timers:
    """Accumulates the time spent in functions; nested calls are counted once."""

    def __init__(self) -> None:
        """Start with no time."""
        self.seconds: Counter[str] = Counter()
        self._running = False

    def wrap(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Wrap a function with a timer."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._running:
                return function(*args, **kwargs)
            self._running = True
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._running = False
                self.seconds[name] += time.perf_counter() - began  # type: ignore[assignment]

        return timed


if __name__ == "__main__":
    main()
