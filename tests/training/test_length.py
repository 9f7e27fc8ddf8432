import pytest
from lightning import Trainer

from stt.training.length import num_batches


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_steps": 1000}, 1000),
        ({"max_steps": 100, "accumulate_grad_batches": 2}, 200),
        ({"max_steps": 100, "accumulate_grad_batches": 64}, 25 * 200),  # four steps an epoch, of 64, 64, 64 and 8
        ({"max_steps": 3, "accumulate_grad_batches": 64}, 3 * 64),
        ({"max_epochs": 3}, 600),
        ({"max_epochs": 3, "limit_train_batches": 7}, 21),
        ({"max_epochs": 3, "limit_train_batches": 0.5}, 300),
        ({"max_epochs": 3, "max_steps": 100}, 100),
        ({"max_epochs": 1, "max_steps": 1000}, 200),
        ({"max_epochs": -1}, None),
    ],
)
def test_the_length_is_what_a_training_consumes(options: dict[str, int], expected: int | None) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, **options)
    assert num_batches(trainer, 200) == expected
