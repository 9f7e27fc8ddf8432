import pytest
import torch

from stt.tensors import HostCopy


def test_on_the_host_nothing_is_copied() -> None:
    tensor = torch.arange(5)
    assert HostCopy(tensor).read() is tensor


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_copy_is_what_the_tensor_was_when_it_was_made() -> None:
    tensor = torch.arange(1000, device="cuda")
    copy = HostCopy(tensor)
    tensor.zero_()
    assert torch.equal(copy.read(), torch.arange(1000))
