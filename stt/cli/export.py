"""The command `stt export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stt.cli.decoder_options import Alpha, BeamWidth, Beta, DecoderFile, HotWords, LanguageModel, decoder_options

app = typer.Typer()


@app.command()
def export(
    checkpoint: Path,
    out: Annotated[Path, typer.Argument(help="folder to create")],
    export_format: Annotated[str, typer.Option("--format", help="onnx, onnx-int8 or sherpa-onnx")] = "onnx",
    check: Annotated[
        Path | None, typer.Option(help="manifest of audio on which the export is compared with the checkpoint")
    ] = None,
    max_difference: Annotated[
        float | None, typer.Option(help="largest difference of log_probs (default: 0.01; int8: none)", min=0.0)
    ] = None,
    max_cer_loss: Annotated[
        float, typer.Option(help="points of CER, in %, that may be lost on the audio of --check", min=0.0)
    ] = 0.3,
    allow_slower: Annotated[
        bool, typer.Option("--allow-slower", help="export int8 even if float32 is faster on this machine")
    ] = False,
    license_name: Annotated[str, typer.Option("--license", help="licence of the weights, for the model card")] = "",
    decoder: DecoderFile = None,
    lm: LanguageModel = None,
    alpha: Alpha = None,
    beta: Beta = None,
    beam_width: BeamWidth = None,
    hot_word: HotWords = None,
) -> None:
    """Export a checkpoint for ONNX Runtime (`stt transcribe` runs it without torch) or sherpa-onnx (phones, browsers).

    The export is compared with the checkpoint first; if it is over a limit, nothing is written. A decoder configuration
    and a language model go along.
    """
    from stt.inference.export import Limits  # imported here to keep --help fast
    from stt.inference.export import export as write_export

    options = decoder_options(decoder, lm, alpha, beta, beam_width, hot_word, None)
    limits = Limits(max_difference, max_cer_loss / 100, allow_slower)
    figures = write_export(checkpoint, out, export_format, check, options, limits, license_name).check
    print(f"written to {out}: log_probs differ by at most {figures['max_difference']:.2g}")
    if figures["cer_export"] is None:
        print("no error rate was measured: --check names real audio")
    else:
        print(
            f"CER on {figures['utterances']} of {figures['available_utterances']} utterances: "
            f"{figures['cer_export']:.2%}, of the checkpoint {figures['cer_checkpoint']:.2%}"
        )
    speed = ", ".join(f"{name} {value:g}" for name, value in figures["speed"].items())
    print(f"audio seconds per core-second: {speed}")
