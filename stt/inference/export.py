"""Export a checkpoint to a folder for ONNX Runtime or sherpa-onnx, compared with the checkpoint before it is used."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stt.corpus.manifest import Manifest, read_manifest
from stt.decoding.options import DecoderOptions
from stt.errors import InputError, missing_extra
from stt.files import atomic_folder, file_hash
from stt.inference.card import write_card
from stt.inference.check import Compute, Sample, compare, samples_of, speeds
from stt.inference.folder import (
    FORMAT_VERSION,
    FORMATS,
    INT8,
    LANGUAGE_MODEL,
    MODEL,
    SHERPA,
    TOKENIZER,
    Description,
)
from stt.inference.threads import limited_threads
from stt.recognition.decoders import build_decoder
from stt.recognition.recognizer import Recognizer

MAX_DIFFERENCE = 0.01  # of log_probs, for float32; in int8 those of unlikely pieces may be anything


@dataclass(frozen=True)
class Limits:
    """What an export may lose, and cost."""

    max_difference: float | None = None  # of log_probs; None: 0.01 for float32, none for int8
    max_cer_loss: float = 0.003  # share of characters, where error rates can be measured
    allow_slower: bool = False  # int8 where float32 is faster on this machine


def export(
    checkpoint: Path | str,
    out: Path | str,
    export_format: str = "onnx",
    check: Manifest | Path | str | None = None,
    decoder: DecoderOptions | None = None,
    limits: Limits | None = None,
    license_name: str = "",
) -> Description:
    """Export a checkpoint to a new folder, which appears only if the export passes its check.

    Args:
        checkpoint: of a training, or written by `Recognizer.save`.
        out: folder to create.
        export_format: `onnx` or `onnx-int8` (waveforms in), or `sherpa-onnx` (log-mel energies in).
        check: manifest of audio on which export and checkpoint are compared, at most some 30 minutes of it; None:
            generated audio, without error rates.
        decoder: a beam search whose options and language model go along; None: greedy decoding.
        limits: above which the export fails; None: the defaults.
        license_name: licence of the weights, for the model card.

    Returns:
        The description in the folder, with the figures of the check.

    Raises:
        InputError: the folder exists, the checkpoint cannot be read or exported, or the export is over a limit.
        MissingExtraError: the extra `export` is not installed.
    """
    if export_format not in FORMATS:
        raise InputError(f"unknown format {export_format!r} of an export: choose one of {', '.join(FORMATS)}")
    out, limits = Path(out), limits or Limits()
    if os.path.lexists(out):
        raise InputError(f"{out} exists already, choose another folder or delete it")
    recognizer = Recognizer.load(checkpoint)
    manifest = read_manifest(check) if isinstance(check, Path | str) else check
    samples = samples_of(recognizer, manifest)
    with atomic_folder(out) as folder, limited_threads(1):  # speeds are per core
        beam = _bring_decoder(folder, decoder or DecoderOptions(), recognizer)
        try:
            figures = _write_network(folder, recognizer, export_format, samples, limits)
            figures["available_utterances"] = len(manifest) if manifest else 0
        except ModuleNotFoundError as error:
            raise missing_extra(error) from error
        parts = recognizer.description()
        description = Description(
            format_version=FORMAT_VERSION,
            format=export_format,
            sample_rate=recognizer.sample_rate,
            frame_samples=recognizer.frame_samples,
            normalizer=recognizer.normalizer.name,
            features=parts["features"],
            encoder=parts["encoder"],
            train_domains=recognizer.train_domains,
            utterance_seconds=recognizer.utterance_seconds,
            beam=beam,
            sha256=file_hash(folder / MODEL),
            check=figures,
        )
        description.write(folder)
        (folder / TOKENIZER).write_bytes(recognizer.tokenizer.model)
        write_card(folder, description, Path(checkpoint), license_name)
    return description


def _write_network(
    folder: Path, recognizer: Recognizer, export_format: str, samples: list[Sample], limits: Limits
) -> dict[str, Any]:
    """Write the network and return the figures of its check.

    Raises:
        InputError: the network cannot be exported, or is over a limit.
    """
    from stt.inference import graph  # these need the extra `export`
    from stt.inference.exported import open_session

    path = folder / MODEL
    computes: dict[str, Compute] = {"checkpoint": recognizer.compute}
    reference: Compute = recognizer.compute
    if export_format == SHERPA:
        from stt.inference.sherpa import compute_energies, compute_whole_frames, write_sherpa

        write_sherpa(recognizer, folder)
        reference = compute_whole_frames(recognizer)
        computes["export"] = compute_energies(recognizer, open_session(path, 1))
    elif export_format == INT8:
        from stt.inference.quantization import quantize

        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            graph.write_waveform_graph(recognizer, Path(temporary) / "float32.onnx")
            computes["onnx"] = _computes(Path(temporary) / "float32.onnx", recognizer)
            graph.write_waveform_graph(graph.with_products(recognizer), Path(temporary) / "products.onnx")
            quantize(Path(temporary) / "products.onnx", path)
        computes["export"] = _computes(path, recognizer)
    else:
        graph.write_waveform_graph(recognizer, path)
        computes["export"] = _computes(path, recognizer)
    figures = compare(reference, computes["export"], recognizer, samples)
    if reference is not recognizer.compute:
        figures["cer_checkpoint"] = compare(recognizer.compute, recognizer.compute, recognizer, samples)[
            "cer_checkpoint"
        ]
    _check_loss(figures, export_format, limits)
    figures["speed"] = speeds(computes, recognizer.sample_rate, samples)
    _check_speed(figures["speed"], limits)
    return figures


def _check_loss(figures: dict[str, Any], export_format: str, limits: Limits) -> None:
    limit = limits.max_difference
    if limit is None and export_format != INT8:
        limit = MAX_DIFFERENCE
    if limit is not None and not figures["max_difference"] <= limit:
        raise InputError(
            f"the log_probs of the export differ from those of the checkpoint by up to "
            f"{figures['max_difference']:.2g}, more than the limit of {limit:g}"
        )
    before, after = figures["cer_checkpoint"], figures["cer_export"]
    if before is not None and not after - before <= limits.max_cer_loss:
        raise InputError(
            f"the export has a CER of {after:.2%}, the checkpoint {before:.2%}: "
            f"more than the limit of {100 * limits.max_cer_loss:g} points is lost"
        )


def _check_speed(speed: dict[str, float], limits: Limits) -> None:
    if "onnx" in speed and speed["export"] <= speed["onnx"] and not limits.allow_slower:
        raise InputError(
            f"int8 is not faster on this machine: {speed['export']:g} audio seconds per core-second, float32 "
            f"{speed['onnx']:g}; export with --format onnx, or with --allow-slower for another machine"
        )


def _computes(path: Path, recognizer: Recognizer) -> Compute:
    """Return the function from waveforms to log_probs of a graph that is not in a complete folder yet."""
    from stt.inference.exported import compute_waveforms, open_session

    session = open_session(path, threads=1)
    return lambda waveforms, lengths: compute_waveforms(session, path, recognizer.frame_samples, waveforms, lengths)


def _bring_decoder(folder: Path, decoder: DecoderOptions, recognizer: Recognizer) -> dict[str, Any] | None:
    """Copy the language model into the folder, and return the options of the beam search.

    Raises:
        InputError: the decoder does not fit the recognizer, or is one that cannot go along.
    """
    if decoder.custom or decoder.postprocessor:
        raise InputError("only a beam search and its language model go along with an export, no other decoder")
    beam = decoder.beam
    if beam is None:
        return None
    build_decoder(decoder, recognizer.tokenizer, recognizer.normalizer.name)
    if beam.lm is not None:
        shutil.copyfile(beam.lm, folder / LANGUAGE_MODEL)
        shutil.copyfile(f"{beam.lm}.json", folder / f"{LANGUAGE_MODEL}.json")
        beam = replace(beam, lm=LANGUAGE_MODEL)
    return asdict(beam)
