"""Callbacks that a config can name."""

from stt.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from stt.callbacks.clipping import GradientClipping, PercentileClipping
from stt.callbacks.configured_decoder import ConfiguredDecoder
from stt.callbacks.curriculum_feedback import CurriculumFeedback
from stt.callbacks.domain_metrics import DomainMetrics
from stt.callbacks.forgetting import ForgettingGate
from stt.callbacks.freezing import Freezing
from stt.callbacks.left_out import LeftOutReport
from stt.callbacks.predictions import Predictions
from stt.callbacks.python_config import PythonConfig
from stt.callbacks.rank_agreement import RankAgreement
from stt.callbacks.save_config import SaveConfig
from stt.callbacks.step_times import StepTimes
from stt.callbacks.summary import Summary
from stt.callbacks.throughput import Throughput
from stt.callbacks.training_bar import TrainingBar
from stt.callbacks.transcripts import Transcripts
from stt.callbacks.wandb_record import WandbRecord
from stt.callbacks.warm_start import WarmStart

__all__ = [
    "BestCheckpoint",
    "ConfiguredDecoder",
    "CurriculumFeedback",
    "DomainMetrics",
    "ForgettingGate",
    "Freezing",
    "GradientClipping",
    "LastCheckpoint",
    "LeftOutReport",
    "PercentileClipping",
    "Predictions",
    "PythonConfig",
    "RankAgreement",
    "SaveConfig",
    "StepTimes",
    "Summary",
    "Throughput",
    "TrainingBar",
    "Transcripts",
    "WandbRecord",
    "WarmStart",
]
