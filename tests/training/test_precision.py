import pytest
import torch

from stt.training.precision import default_precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ([], "32-true"),
        ([(6, 1)], "32-true"),  # GTX 1080 Ti
        ([(7, 0)], "16-mixed"),  # V100
        ([(7, 5)], "16-mixed"),  # T4, RTX 2080 Ti
        ([(8, 6)], "bf16-mixed"),
        ([(12, 0)], "bf16-mixed"),
        ([(8, 6), (7, 5)], "16-mixed"),  # the slower one decides
    ],
)
def test_the_compute_capability_decides_the_precision(
    capabilities: list[tuple[int, int]], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)  # as cards before Ampere say
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda i=0: capabilities[i])
    assert default_precision() == precision
