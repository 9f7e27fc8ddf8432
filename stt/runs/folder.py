"""Layout of a run folder: the only module that spells out the file names in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stt.errors import InputError

BEST, LAST, SUFFIX = "best", "last", ".ckpt"  # checkpoint names


@dataclass(frozen=True)
class RunFolder:
    """Paths in a run folder; asking for a path neither creates nor reads anything."""

    path: Path

    @classmethod
    def of_checkpoint(cls, checkpoint: Path | str) -> RunFolder | None:
        """Return the run folder that a checkpoint was saved in; None if it is elsewhere."""
        parent = Path(checkpoint).parent
        return cls(parent.parent) if parent.name == "checkpoints" else None

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Checkpoint of the best validation."""
        return self.checkpoints / f"{BEST}{SUFFIX}"

    @property
    def last(self) -> Path:
        """Checkpoint of the last epoch, to resume from."""
        return self.checkpoints / f"{LAST}{SUFFIX}"

    @property
    def config(self) -> Path:
        """The full configuration."""
        return self.path / "config.yaml"

    @property
    def lock(self) -> Path:
        """File that a training locks while it runs in the folder."""
        return self.path / ".lock"

    @property
    def logs(self) -> list[Path]:
        """Metrics of each start of the run, oldest first."""
        files = (self.path / "logs").glob("version_*/metrics.csv")
        versions = {file.parent.name.removeprefix("version_"): file for file in files}
        return [versions[one] for one in sorted(filter(str.isdecimal, versions), key=int)]

    @property
    def transcripts(self) -> Path:
        """Folder of sample transcripts."""
        return self.path / "transcripts"

    @property
    def results(self) -> Path:
        """Test results by domain."""
        return self.path / "test_metrics.json"

    @property
    def decoder_results(self) -> Path:
        """Test results with the configured decoder."""
        return self.path / "test_metrics_lm.json"

    @property
    def wandb_id(self) -> Path:
        """File with the W&B run ID."""
        return self.path / "wandb" / "run_id"

    @property
    def wandb_data(self) -> Path:
        """Where W&B stages files for upload."""
        return self.path / "wandb" / "data"

    @property
    def wandb_offline_runs(self) -> str:
        """Glob pattern for `wandb sync`."""
        return f"{self.path / 'wandb'}/offline-run-*"

    def sample_transcripts(self, step: int) -> Path:
        """Sample transcripts of the validation at a step."""
        return self.transcripts / f"step-{step:07d}.txt"

    def recognized(self, split: str) -> Path:
        """All recognized utterances of a split: `validate` (the last validation) or `test`."""
        return self.path / "recognized" / f"{split}.jsonl"

    def skipped(self, rank: int, num_ranks: int) -> Path:
        """Utterances that a rank skipped in training."""
        return self.path / f"skipped{_rank_suffix(rank, num_ranks)}.csv"

    def predictions(self, rank: int, num_ranks: int) -> Path:
        """Transcripts of a rank."""
        return self.path / f"predictions{_rank_suffix(rank, num_ranks)}.jsonl"

    def check_unused(self) -> None:
        """Refuse to overwrite another run.

        Raises:
            InputError: the folder already holds a run.
        """
        if self.last.exists():
            raise InputError(f"{self.path} already holds a run: use another folder, or resume from {self.last}")


def find_checkpoint(path: Path) -> Path:
    """Return a checkpoint: the path itself if it is a file, the last one of a run folder.

    Raises:
        InputError: the path is neither.
    """
    if path.is_file():
        return path
    last = RunFolder(path).last
    if not last.is_file():
        raise InputError(f"{path}: neither a checkpoint nor a run folder with {last.relative_to(path)}")
    return last


def _rank_suffix(rank: int, num_ranks: int) -> str:
    return f".rank{rank}" if num_ranks > 1 else ""
