import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stt.cli.main import main as stt
from stt.training.tracking.panels import SECTIONS, Panel, sections_for
from tests.training.tracking.offline_run import offline_runs


def panels_in(content: Any) -> Iterator[dict[str, Any]]:
    """All panels in the content that is sent, at any depth."""
    if isinstance(content, dict):
        if "viewType" in content:
            yield content
        for value in content.values():
            yield from panels_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from panels_in(value)


def test_no_panel_is_empty(steered: Path, tmp_path: Path) -> None:
    out = tmp_path / "board.json"
    with pytest.raises(SystemExit):
        stt(["dashboard", "push", "p", "--run", str(steered), "--dry-run", str(out)])
    (run,) = offline_runs(steered)
    logged = {name.split("._type")[0] for name in run.metrics}
    sent = json.loads(out.read_text())
    for kind in ("workspace", "report"):
        panels = list(panels_in(sent[kind]))
        assert len(panels) >= 20
        for panel in panels:
            if panel["viewType"] == "Weave":
                continue
            names = [*panel["config"]["metrics"], panel["config"].get("xAxis", "trainer/global_step")]
            assert len(names) > 1
            assert set(names) <= logged, panel
        tables = [json.dumps(panel) for panel in panels if panel["viewType"] == "Weave"]
        assert any("val/utterances" in table for table in tables)
        assert any("test/utterances" in table for table in tables)
    titles = [section["name"] for section in sent["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]]
    assert titles == ["error rates by domain", "convergence", "curriculum", "gradients", "throughput", "utterances"]


def test_panels_list_domains_but_not_their_means() -> None:
    logged = ["val/cer/radio", "val/cer/mean", "val/cer/under_limit", "progress/device_hours"]
    panels = {panel.title: panel for section in sections_for(logged) for panel in section.panels}
    assert panels["CER by domain"].metrics == ("val/cer/radio",)
    assert "mean CER over steps" not in panels  # the steps were not logged
    assert sections_for([]) == ()


def test_panel_titles_are_unique() -> None:
    panels: list[Panel] = [panel for section in SECTIONS for panel in section.panels]
    assert len({panel.title for panel in panels}) == len(panels)


@pytest.mark.parametrize("options", [[], ["--run", "RUN"]])
def test_without_a_login_the_error_names_the_option_to_use(
    options: list[str], steered: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    error = fails(stt, ["dashboard", "push", "p", *(str(steered) if o == "RUN" else o for o in options)])
    assert ("--dry-run" in error) == bool(options)
    assert ("--run" in error) == (not options)
