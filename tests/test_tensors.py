import pytest
import torch

from stt.tensors import HostCopy


def test_a_host_tensor_is_not_copied() -> None:
    tensor = torch.arange(5)
    assert HostCopy(tensor).read() is tensor


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_copy_has_the_values_from_when_it_was_started() -> None:
    tensor = torch.arange(1000, device="cuda")
    copy = HostCopy(tensor)
    tensor.zero_()
    assert torch.equal(copy.read(), torch.arange(1000))
