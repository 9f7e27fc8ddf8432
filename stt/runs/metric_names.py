"""Names of logged metrics: the only module that spells them out.

A metric by domain is `<split>/<metric>/<domain>`; its means over groups of domains have the group in place of the
domain. All names that are read anywhere (by a checkpoint, a panel, a report) are defined here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Split = Literal["validate", "test"]
PREFIX: dict[Split, str] = {"validate": "val", "test": "test"}

MEAN, IN_DOMAIN, OUT_OF_DOMAIN, UNDER_LIMIT, WORST = "mean", "in_domain", "out_of_domain", "under_limit", "worst"
GROUPS = frozenset({MEAN, IN_DOMAIN, OUT_OF_DOMAIN, UNDER_LIMIT, WORST})  # logged like domains
EVERY_DOMAIN = "*"  # stands for all domains in a panel's metric name

VALIDATION_CER = "val/cer"
BEST_CER = f"{VALIDATION_CER}/{MEAN}"  # selects the best checkpoint
GATED_CER = f"{VALIDATION_CER}/{UNDER_LIMIT}"  # the same if no old domain is forgotten, otherwise more than 1
SKIPPED_UTTERANCES = "skipped"  # logged like a metric by domain; without a domain, of all of them
DECODED = "_lm"  # suffix of metrics measured with the configured decoder

FORGETTING = "forgetting/cer"
CURRICULUM = "curriculum"

TRAIN_LOSS, VALIDATION_LOSS = "train/loss", "val/loss"
LEARNING_RATE = "lr/pg1"
SKIPPED, RANK_COST_SPREAD = "data/skipped", "data/rank_cost_spread"
AUDIO_HOURS, PASSES, DEVICE_HOURS = "progress/audio_hours", "progress/passes", "progress/device_hours"
STEP = "trainer/global_step"  # name given by W&B
SPEED, WAITING = "throughput/audio_seconds_per_second", "throughput/waiting_for_data"
CLIP_NORM, CLIP_LIMIT, CLIPPED = "clip/norm", "clip/limit", "clip/share_clipped"
SKIPPED_STEPS, CLIP_TIME = "clip/skipped_steps", "clip/time_share"

AXES = {  # x axes for validation metrics
    "device hours": DEVICE_HOURS,
    "audio hours": AUDIO_HOURS,
    "passes over the data": PASSES,
    "steps": STEP,
}


def domain_metric_name(split: Split, metric: str, domain: str) -> str:
    """Return the name of a metric for a domain or a group of domains."""
    return f"{PREFIX[split]}/{metric}/{domain}"


def utterance_table_name(split: Split) -> str:
    """Return the name of the W&B table of the worst utterances."""
    return f"{PREFIX[split]}/utterances"


def curriculum_metric_name(value: str, domain: str) -> str:
    """Return the name of a curriculum metric for a domain."""
    return f"{CURRICULUM}/{value}/{domain}"


def logged_domains(names: Iterable[str], metric: str) -> list[str]:
    """Return the sorted domains, without groups, that a metric such as `val/cer` was logged for."""
    prefix = f"{metric}/"
    return sorted({name.removeprefix(prefix) for name in names if name.startswith(prefix)} - GROUPS)


def logged_domain_metrics(names: Iterable[str], split: Split) -> list[str]:
    """Return the metrics by domain that were logged for a split, in order; each has a mean."""
    start, end = f"{PREFIX[split]}/", f"/{MEAN}"
    metrics = (name[len(start) : -len(end)] for name in names if name.startswith(start) and name.endswith(end))
    return list(dict.fromkeys(metrics))
