"""Where a run keeps what it leaves behind: the one place that knows the names in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stt.errors import InputError

BEST, LAST, ENDING = "best", "last", ".ckpt"  # of the checkpoints


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run; nothing is made or read by asking where something is."""

    path: Path

    @classmethod
    def of_checkpoint(cls, checkpoint: Path | str) -> RunFolder | None:
        """Give the folder that a checkpoint was written into by its run; None where it lies elsewhere."""
        parent = Path(checkpoint).parent
        return cls(parent.parent) if parent.name == "checkpoints" else None

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Checkpoint of the best validation."""
        return self.checkpoints / f"{BEST}{ENDING}"

    @property
    def last(self) -> Path:
        """Checkpoint of the last epoch, to resume from."""
        return self.checkpoints / f"{LAST}{ENDING}"

    @property
    def config(self) -> Path:
        """The whole configuration."""
        return self.path / "config.yaml"

    @property
    def logs(self) -> list[Path]:
        """The metrics of each start, oldest first."""
        found = (self.path / "logs").glob("version_*/metrics.csv")
        return sorted(found, key=lambda path: int(path.parent.name.removeprefix("version_")))

    @property
    def transcripts(self) -> Path:
        """Folder of the samples to read."""
        return self.path / "transcripts"

    @property
    def results(self) -> Path:
        """Results of the test, by domain."""
        return self.path / "test_metrics.json"

    @property
    def decoder_results(self) -> Path:
        """Results of the test with the decoder of the configuration."""
        return self.path / "test_metrics_lm.json"

    @property
    def wandb_id(self) -> Path:
        """File with the identifier under which W&B knows the run."""
        return self.path / "wandb" / "run_id"

    @property
    def wandb_data(self) -> Path:
        """Where W&B keeps what is not uploaded yet."""
        return self.path / "wandb" / "data"

    @property
    def wandb_offline_runs(self) -> str:
        """Pattern of what `wandb sync` takes."""
        return f"{self.path / 'wandb'}/offline-run-*"

    def sample_transcripts(self, step: int) -> Path:
        """Samples to read, of the validation at a step."""
        return self.transcripts / f"step-{step:07d}.txt"

    def recognized(self, split: str) -> Path:
        """Every utterance of a split, as recognized: `validate` (the last validation) or `test`."""
        return self.path / "recognized" / f"{split}.jsonl"

    def skipped(self, rank: int, num_ranks: int) -> Path:
        """What a rank could not train on."""
        return self.path / f"skipped{_of_rank(rank, num_ranks)}.csv"

    def predictions(self, rank: int, num_ranks: int) -> Path:
        """What a rank has transcribed."""
        return self.path / f"predictions{_of_rank(rank, num_ranks)}.jsonl"

    def check_unused(self) -> None:
        """See to it that a new training does not write over another one.

        Raises:
            InputError: the folder already holds a run.
        """
        if self.last.exists():
            raise InputError(f"{self.path} already holds a run: give another folder, or resume from {self.last}")


def _of_rank(rank: int, num_ranks: int) -> str:
    return f".rank{rank}" if num_ranks > 1 else ""
