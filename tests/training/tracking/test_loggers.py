from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger

from stt.training.tracking.loggers import run_id, run_loggers, wandb_offline
from stt.training.tracking.wandb_logger import TolerantWandbLogger


@pytest.fixture
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


def test_without_a_login_wandb_stays_offline(no_login: Path) -> None:
    assert wandb_offline()
    no_login.write_text("machine example.com login user password secret\n")
    assert wandb_offline()
    no_login.write_text("not a netrc at all {{{")
    assert wandb_offline()


def test_a_login_or_a_chosen_mode_is_respected(no_login: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_login.write_text("machine api.wandb.ai login user password secret\n")
    assert not wandb_offline()
    no_login.unlink()
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    assert not wandb_offline()
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_MODE", "online")
    assert not wandb_offline()


def test_disabling_wandb_leaves_the_csv_log_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"offline": [CSVLogger, TolerantWandbLogger], "disabled": [CSVLogger]}
    for mode, expected in kinds.items():
        monkeypatch.setenv("WANDB_MODE", mode)
        assert [type(logger) for logger in run_loggers(tmp_path, "stt")] == expected


def test_concurrent_starts_in_a_folder_share_one_run_id(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(run_id, [tmp_path / "run"] * 64))
    assert len(ids) == 1
    assert run_id(tmp_path / "run") in ids
    assert run_id(tmp_path / "other") not in ids
    assert [path.name for path in (tmp_path / "run" / "wandb").iterdir()] == ["run_id"]
