import torch

from stt.audio.normalization import over_windows


def test_windows_are_those_of_a_plain_loop() -> None:
    features = torch.randn(1, 50, 3) * 4 - 9
    found = over_windows(features, torch.tensor([47]), 20)
    for frame in range(47):
        start = min(max(0, frame - 10), 27)
        window = features[0, start : start + 20]
        expected = (features[0, frame] - window.mean(0)) / (window.std(0, correction=0) + 1e-2)
        torch.testing.assert_close(found[0, frame], expected, atol=1e-4, rtol=1e-4)
