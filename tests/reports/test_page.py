import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from stt.cli.main import main as stt


def write(out: Path, *runs: Path) -> Path:
    with pytest.raises(SystemExit) as stopped:
        stt(["report", *map(str, runs), "--out", str(out)])
    assert stopped.value.code == 0
    return out


@pytest.fixture(scope="module")
def one(steered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("one") / "report.html", steered)


@pytest.fixture(scope="module")
def two(steered: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("two") / "report.html", steered, trained)


def open_page(browser: WebDriver, page: Path) -> WebDriver:
    browser.get(page.as_uri())
    complete = "return [...document.images].every(i => i.complete) && document.readyState === 'complete'"
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(complete))
    return browser


def rows(browser: WebDriver, table: str) -> list[list[str]]:
    body = "document.querySelector(arguments[0]).tBodies[0]"
    script = f"return [...{body}.rows].map(row => [...row.cells].map(cell => cell.textContent.trim()))"
    return browser.execute_script(script, table)


def test_the_page_is_self_contained(one: Path) -> None:
    text = one.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)
    assert "undefined" not in text.lower()


def test_plots_tables_and_audio_load_without_script_errors(browser: WebDriver, one: Path) -> None:
    open_page(browser, one)
    sizes = browser.execute_script("return [...document.images].map(i => [i.alt, i.naturalWidth, i.naturalHeight])")
    assert all(width > 100 and height > 100 for _, width, height in sizes), sizes
    alt_texts = " ".join(alt for alt, *_ in sizes)
    for text in (
        "by domain over device hours",
        "curriculum",
        "gradients",
        "easier",
        "level range",
        "confusion",
        "waiting",
    ):
        assert text in alt_texts, text
    domains = rows(browser, "#by-domain")
    assert [row[0] for row in domains] == ["high", "low", "mean", "in domain"]
    assert all(float(cell) >= 0 for cell in domains[0][1:])
    assert len(rows(browser, "#generalization")) == 4
    assert len(rows(browser, ".worst")) == 10
    assert browser.execute_script("return document.querySelectorAll('.confusions').length") == 2
    state = "return [...document.querySelectorAll('audio')].map(a => a.error ? a.error.message : a.duration)"
    WebDriverWait(browser, 20).until(lambda driver: None not in driver.execute_script(state))
    durations = browser.execute_script(state)
    assert len(durations) == 10
    assert all(isinstance(seconds, int | float) and seconds > 0.5 for seconds in durations)
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def test_axis_order_and_filter_can_be_selected(browser: WebDriver, one: Path) -> None:
    open_page(browser, one)
    visible = "return [...document.querySelectorAll('img.curve')].filter(i => !i.hidden).map(i => i.alt)"
    assert browser.execute_script(visible) == ["validation CER by domain over device hours"]
    browser.find_element(By.CSS_SELECTOR, "input[value='steps']").click()
    browser.find_element(By.CSS_SELECTOR, "input[value='wer']").click()
    assert browser.execute_script(visible) == ["validation WER by domain over steps"]
    head = browser.find_elements(By.CSS_SELECTOR, "#by-domain th")[3]
    for sign in (-1, 1):
        head.click()
        domains = rows(browser, "#by-domain")
        cers = [sign * float(row[3]) for row in domains[:2]]
        assert cers == sorted(cers)
        assert [row[0] for row in domains[2:]] == ["mean", "in domain"]  # means stay at the bottom
    browser.find_element(By.CSS_SELECTOR, "select option:nth-child(3)").click()
    shown = (
        "return [...document.querySelectorAll('.worst tbody tr')].filter(r => !r.hidden).map(r => r.cells[0].innerText)"
    )
    assert browser.execute_script(shown) == ["low"] * 5
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_runs_are_compared_and_an_untested_one_shows_its_validation(
    browser: WebDriver,
    two: Path,
    steered: Path,
    trained: Path,
) -> None:
    open_page(browser, two)
    assert [row[0] for row in rows(browser, "#runs")] == [steered.name, trained.name]
    assert len(browser.find_elements(By.CSS_SELECTOR, ".worst")) == 2
    assert (
        "of the last validation" in browser.find_element(By.ID, "errors-2").find_element(By.XPATH, "following::p").text
    )
    assert len(rows(browser, "#generalization")[0]) == 5
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_missing_audio_is_reported(browser: WebDriver, steered: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(steered, tmp_path / "moved", ignore=shutil.ignore_patterns("wandb"))
    kept = moved / "recognized" / "test.jsonl"
    kept.write_text(kept.read_text().replace(".wav", ".gone.wav"))
    open_page(browser, write(tmp_path / "report.html", moved))
    assert {row[4] for row in rows(browser, ".worst")} == {"file missing"}
    assert browser.find_elements(By.TAG_NAME, "audio") == []


def test_an_incomplete_run_is_named_in_the_error(steered: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    bare = shutil.copytree(steered, tmp_path / "bare", ignore=shutil.ignore_patterns("wandb", "recognized"))
    message = fails(stt, ["report", str(bare), "--out", str(tmp_path / "x.html")])
    assert "validate or test the run" in message
    assert not (tmp_path / "x.html").exists()
    message = fails(stt, ["report", str(tmp_path / "nothing"), "--out", str(tmp_path / "x.html")])
    assert "neither a checkpoint nor a run folder" in message
