"""Callbacks that a configuration can use."""

from stt.training.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from stt.training.callbacks.clipping import GradientClipping, PercentileClipping
from stt.training.callbacks.config import PythonConfig, SaveConfig
from stt.training.callbacks.configured_decoder import ConfiguredDecoder
from stt.training.callbacks.curriculum_feedback import CurriculumFeedback
from stt.training.callbacks.domain_metrics import DomainMetrics
from stt.training.callbacks.forgetting import ForgettingGate
from stt.training.callbacks.freezing import Freezing
from stt.training.callbacks.output_summary import OutputSummary
from stt.training.callbacks.predictions import Predictions
from stt.training.callbacks.progress_bar import TrainingProgressBar
from stt.training.callbacks.rank_agreement import RankAgreement
from stt.training.callbacks.skipped import SkippedReport
from stt.training.callbacks.step_profiler import StepProfiler
from stt.training.callbacks.throughput import Throughput
from stt.training.callbacks.transcripts import Transcripts
from stt.training.callbacks.wandb_metadata import WandbMetadata
from stt.training.callbacks.warm_start import WarmStart

__all__ = [
    "BestCheckpoint",
    "ConfiguredDecoder",
    "CurriculumFeedback",
    "DomainMetrics",
    "ForgettingGate",
    "Freezing",
    "GradientClipping",
    "LastCheckpoint",
    "OutputSummary",
    "PercentileClipping",
    "Predictions",
    "PythonConfig",
    "RankAgreement",
    "SaveConfig",
    "SkippedReport",
    "StepProfiler",
    "Throughput",
    "TrainingProgressBar",
    "Transcripts",
    "WandbMetadata",
    "WarmStart",
]
