"""How metrics are called in logs: the one place that spells their names.

A metric by domain is `<split>/<metric>/<domain>`, beside it stand its means over groups of domains. All names that are
read anywhere (by a checkpoint, a panel, a report) stand here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Split = Literal["validate", "test"]
PREFIX: dict[Split, str] = {"validate": "val", "test": "test"}

MEAN, IN_DOMAIN, OUT_OF_DOMAIN, UNDER_LIMIT, WORST = "mean", "in_domain", "out_of_domain", "under_limit", "worst"
GROUPS = frozenset({MEAN, IN_DOMAIN, OUT_OF_DOMAIN, UNDER_LIMIT, WORST})  # logged beside the domains
EVERY_DOMAIN = "*"  # stands for the domains in the name of a panel's metric

VALIDATION_CER = "val/cer"
BEST_CER = f"{VALIDATION_CER}/{MEAN}"  # what the best checkpoint is best in
GATED_CER = f"{VALIDATION_CER}/{UNDER_LIMIT}"  # the same where no old domain is forgotten, else more than 1
DECODED = "_lm"  # ends the name of a metric that was measured with the decoder of the configuration

FORGETTING = "forgetting/cer"
CURRICULUM = "curriculum"

TRAIN_LOSS, VALIDATION_LOSS = "train/loss", "val/loss"
LEARNING_RATE = "lr/pg1"
SKIPPED, RANK_COST_SPREAD = "data/skipped", "data/rank_cost_spread"
AUDIO_HOURS, PASSES, DEVICE_HOURS = "progress/audio_hours", "progress/passes", "progress/device_hours"
STEP = "trainer/global_step"  # W&B's
SPEED, WAITING = "throughput/audio_seconds_per_second", "throughput/waiting_for_data"
CLIP_NORM, CLIP_LIMIT, CLIPPED = "clip/norm", "clip/limit", "clip/share_clipped"
SKIPPED_STEPS, CLIP_TIME = "clip/skipped_steps", "clip/time_share"

AXES = {  # that validations can be drawn over
    "device hours": DEVICE_HOURS,
    "audio hours": AUDIO_HOURS,
    "passes over the data": PASSES,
    "steps": STEP,
}


def domain_metric_name(split: Split, metric: str, domain: str) -> str:
    """Name of a metric of a domain, or of a group of domains."""
    return f"{PREFIX[split]}/{metric}/{domain}"


def utterance_table_name(split: Split) -> str:
    """Name of the table of the worst utterances at W&B."""
    return f"{PREFIX[split]}/utterances"


def curriculum_metric_name(value: str, domain: str) -> str:
    """Name of what the curriculum has to say of a domain."""
    return f"{CURRICULUM}/{value}/{domain}"


def logged_domains(names: Iterable[str], metric: str) -> list[str]:
    """Domains that a metric, such as `val/cer`, was logged for, sorted; groups are none."""
    prefix = f"{metric}/"
    return sorted({name.removeprefix(prefix) for name in names if name.startswith(prefix)} - GROUPS)


def logged_domain_metrics(names: Iterable[str], split: Split) -> list[str]:
    """Metrics by domain that were logged for a split, in the order in which they come: each has a mean."""
    start, end = f"{PREFIX[split]}/", f"/{MEAN}"
    found = (name[len(start) : -len(end)] for name in names if name.startswith(start) and name.endswith(end))
    return list(dict.fromkeys(found))
