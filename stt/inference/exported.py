"""An exported recognizer: the network in ONNX Runtime, everything else as with a checkpoint, and no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from stt.audio.io import Waveform
from stt.audio.source import AudioSource
from stt.decoding.decoder import Decoder
from stt.decoding.options import BeamOptions, DecoderOptions
from stt.errors import InputError, reason
from stt.files import file_hash
from stt.inference.folder import LANGUAGE_MODEL, MODEL, TOKENIZER, Description, read_description
from stt.recognition.acoustic_model import Lengths, LogProbs
from stt.recognition.transcriber import Transcriber
from stt.recognition.transcript import Transcript
from stt.text.normalize import get_normalizer
from stt.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

# That the network is given at once: of `small`, 50 s took 1.5 times as long per second, and 260 MB.
BATCH_SECONDS = 30.0
INPUTS = {"waveforms": ("tensor(float)", 2), "lengths": ("tensor(int64)", 1)}  # type and dimensions
OUTPUTS = {"log_probs": ("tensor(float)", 3), "frames": ("tensor(int64)", 1)}


class ExportedRecognizer:
    """Speech recognizer from the folder that `stt export` wrote, for inference on the CPU.

    Example:
        >>> import stt
        >>> recognizer = stt.load("exported")
        >>> recognizer.sample_rate, recognizer.train_domains
        (8000, ['narration'])
        >>> recognizer.transcribe("speech.wav").text
        'a bad cab'
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, description: Description, tokenizer: Tokenizer, folder: Path
    ) -> None:
        """Assemble the parts; `folder` is that of the language model, if there is one."""
        self.description = description
        self.tokenizer = tokenizer
        self.normalizer = get_normalizer(description.normalizer)
        self.train_domains = list(description.train_domains)
        self.utterance_seconds = description.utterance_seconds
        self._session = session
        self._folder = folder

    @classmethod
    def load(cls, folder: Path | str, threads: int | None = None) -> ExportedRecognizer:
        """Load a folder that `stt export` wrote; no code in it is executed.

        Args:
            folder: of an export with features in the graph.
            threads: CPU threads of the network; None: one per core.

        Raises:
            InputError: the folder is no export, is damaged, of another format version, or its network is another.
        """
        folder = Path(folder)
        description = read_description(folder)
        tokenizer = Tokenizer.load(folder / TOKENIZER)
        path = folder / MODEL
        if not path.is_file():
            raise InputError(f"{path} is missing: the export is not complete")
        if file_hash(path) != description.sha256:
            raise InputError(f"{path} is damaged, its checksum does not match: copy it again")
        session = open_session(path, threads)
        _check_shape(path, session, tokenizer.vocab_size)
        return cls(session, description, tokenizer, folder)

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, Hz."""
        return self.description.sample_rate

    @property
    def threads(self) -> int:
        """CPU threads of the network; 0: one per core."""
        return int(self._session.get_session_options().intra_op_num_threads)

    @property
    def frame_samples(self) -> int:
        """Number of samples from one output frame to the next."""
        return self.description.frame_samples

    @property
    def frame_seconds(self) -> float:
        """Duration of an output frame, seconds."""
        return self.frame_samples / self.sample_rate

    @property
    def decoder_options(self) -> DecoderOptions:
        """The decoder that travels along; greedy if there is none.

        Raises:
            InputError: its options are invalid.
        """
        if self.description.beam is None:
            return DecoderOptions()
        beam = dict(self.description.beam)
        if beam.get("lm") is not None:  # whatever the file says: nothing outside the folder is read
            beam["lm"] = str(self._folder / LANGUAGE_MODEL)
        try:
            return DecoderOptions(beam=BeamOptions(**beam))
        except (InputError, TypeError) as error:
            raise InputError(f"{self._folder}: the options of its beam search are invalid ({error})") from error

    def compute(self, waveforms: Waveform, lengths: Lengths) -> tuple[LogProbs, Lengths]:
        """Map waveforms (batch, sample), zero after `lengths` (batch,), to log_probs (batch, frame, vocab) and frames.

        Raises:
            InputError: ONNX Runtime cannot run the network on them.
        """
        path, hop = self._folder / MODEL, self.frame_samples
        size = max(1, int(BATCH_SECONDS * self.sample_rate) // max(1, waveforms.shape[1]))
        parts = [
            compute_waveforms(self._session, path, hop, waveforms[i : i + size], lengths[i : i + size])
            for i in range(0, len(waveforms), size)
        ]
        log_probs, frames = zip(*parts, strict=True)
        return np.concatenate(log_probs), np.concatenate(frames)

    def transcribe(
        self,
        source: AudioSource | Path | str | npt.NDArray[np.floating[Any]] | Tensor,
        sample_rate: float | None = None,
        decoder: Decoder | None = None,
    ) -> Transcript:
        """Transcribe a recording of any length, as `Recognizer.transcribe` does.

        Args:
            source: a file, URL, byte range or waveform (sample,) in [-1, 1].
            sample_rate: sample rate of the waveform, Hz; ignored for files.
            decoder: decoder to use; None: the one that travels along.

        Raises:
            InputError: the recording or the waveform cannot be transcribed.
        """
        return Transcriber(self, decoder).transcribe(source, sample_rate)


def compute_waveforms(
    session: onnxruntime.InferenceSession, path: Path, hop: int, waveforms: Waveform, lengths: Lengths
) -> tuple[LogProbs, Lengths]:
    """Run a network on waveforms (batch, sample); `hop` samples are padded to at least, for a frame of features.

    Raises:
        InputError: ONNX Runtime cannot run the network, which is that of `path`.
    """
    missing = max(0, hop - waveforms.shape[1])
    padded = np.pad(waveforms, ((0, 0), (0, missing))) if missing else waveforms
    try:
        log_probs, frames = session.run(list(OUTPUTS), {"waveforms": padded, "lengths": np.asarray(lengths, np.int64)})
    except Exception as error:  # of a file that may contain anything
        raise InputError(f"{path}: the network cannot be run ({reason(error)})") from error
    return log_probs, frames


def open_session(path: Path, threads: int | None) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU.

    Raises:
        InputError: ONNX Runtime cannot read it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0  # 0: one per core
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors, which are raised as well
    # Windows differ in length: an arena would keep a block for the longest of every size.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of a file that may contain anything
        raise InputError(f"{path}: ONNX Runtime cannot read it ({reason(error)})") from error


def _check_shape(path: Path, session: onnxruntime.InferenceSession, vocab_size: int) -> None:
    """Check that the network maps waveforms and lengths to log_probs over the tokenizer's pieces and frames.

    Raises:
        InputError: it does not.
    """
    for expected, found in ((INPUTS, session.get_inputs()), (OUTPUTS, session.get_outputs())):
        given = {one.name: (one.type, len(one.shape)) for one in found}
        if given != expected:
            names = ", ".join(f"{name} {kind} of {size} dimensions" for name, (kind, size) in given.items())
            raise InputError(f"{path}: not a network of this project: it has {names}, not {', '.join(expected)}")
    size = session.get_outputs()[0].shape[-1]
    if isinstance(size, int) and size != vocab_size:
        raise InputError(f"{path}: a network with {size} classes, but the tokenizer has {vocab_size} pieces")
