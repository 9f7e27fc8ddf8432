import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from stt.corpus.manifest import read_manifest, write_manifest
from stt.corpus.report import Report
from stt.corpus.sharding.job import Job
from stt.errors import InputError
from tests.corpus.engines import corpus


@pytest.fixture
def job(tmp_path: Path) -> Job:
    manifest = read_manifest(corpus(tmp_path, 4))
    return Job("test", 1, {"size": 3}, manifest, tmp_path / "out.parquet")


def test_another_input_version_or_option_has_another_work_folder(job: Job, tmp_path: Path) -> None:
    jobs = [job, dataclasses.replace(job, version=2), dataclasses.replace(job, options={"size": 4})]
    jobs.append(dataclasses.replace(job, name="other"))
    keep = np.array([True, False, True, True])
    jobs.append(dataclasses.replace(job, manifest=job.manifest.filter(keep)))
    corrected = job.manifest.table.to_pylist()
    corrected[0]["mine"] = 7  # a column that the fingerprint of a manifest does not see
    write_manifest(pa.Table.from_pylist(corrected), tmp_path / "n.parquet", "plain-1")
    jobs.append(dataclasses.replace(job, manifest=read_manifest(tmp_path / "n.parquet")))
    assert len({one.work_folder for one in jobs}) == len(jobs)
    again = dataclasses.replace(job, manifest=read_manifest(job.manifest.path))
    assert again.work_folder == job.work_folder


def test_options_on_which_no_shard_depends_share_the_work_folder_and_not_the_result(job: Job) -> None:
    one = dataclasses.replace(job, options={"size": 3, "limit": 1}, afterwards=["limit"])
    other = dataclasses.replace(one, options={"size": 3, "limit": 2})
    assert one.work_folder == other.work_folder
    assert one.work_folder != dataclasses.replace(one, options={"size": 4, "limit": 1}).work_folder
    assert one.key != other.key
    write_manifest(job.manifest.table, job.result, "plain-1", one.step(job.manifest.table, Report()))
    assert one.finished()
    assert not other.finished()


def test_the_work_folder_stays_if_the_work_fails_and_goes_if_it_succeeds(job: Job) -> None:
    with pytest.raises(FileNotFoundError), job.folder() as folder:
        (folder / "missing").read_text()
    assert folder.is_dir()
    with job.folder() as folder:
        pass
    assert not folder.exists()


def test_two_processes_do_not_work_on_the_same(job: Job) -> None:
    again = dataclasses.replace(job, name=job.name)
    with job.folder(), pytest.raises(InputError, match="another process is working on it already"), again.folder():
        pass


def test_a_file_system_without_locks_is_named(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(InputError, match="no file can be locked there"), job.folder():
        pass


def test_work_of_other_options_is_named(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    other = dataclasses.replace(job, options={"size": 4})
    with pytest.raises(KeyError), other.folder():
        raise KeyError
    with job.folder():
        assert f"{other.work_folder} is of an unfinished command" in caplog.text


def test_a_finished_step_is_recognized_by_its_record(job: Job) -> None:
    assert not job.finished()
    job.result.write_text("no manifest")
    assert not job.finished()
    write_manifest(job.manifest.table, job.result, "plain-1")
    assert not job.finished()
    write_manifest(job.manifest.table, job.result, "plain-1", job.step(job.manifest.table, Report()))
    job.work_folder.mkdir()  # killed after the last write
    assert job.finished()
    assert not job.work_folder.exists()
    assert not dataclasses.replace(job, version=2).finished()
