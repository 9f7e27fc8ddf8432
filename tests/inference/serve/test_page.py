import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import RATE, spoken_in_tones
from tests.inference.serve.conftest import Open, flac

pytestmark = pytest.mark.slow
TEXT = "ab cad e"


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A headless browser whose microphone hears tones, and whose downloads are in a folder."""
    chrome, driver = (
        next(filter(None, map(shutil.which, names)), None)
        for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))
    )
    if not (chrome and driver):
        pytest.skip("no headless browser: install chromium and chromedriver (apt install chromium chromium-driver)")
    soundfile.write(tmp_path / "microphone.wav", spoken_in_tones(f"{TEXT}    " * 3), RATE, subtype="PCM_16")
    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=900,800"),
        *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
        f"--use-file-for-fake-audio-capture={tmp_path / 'microphone.wav'}",
        "--autoplay-policy=no-user-gesture-required",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path / "downloads")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    session = webdriver.Chrome(options=options, service=Service(driver))
    yield session
    session.quit()


def words(browser: webdriver.Chrome) -> list[list[str]]:
    """Wait for a transcript; return its words with their times as they are shown."""
    said = browser.find_element(By.ID, "status")
    WebDriverWait(browser, 60).until(lambda _: " words in " in said.text, said.text)
    return [word.text.split("\n") for word in browser.find_elements(By.CSS_SELECTOR, "#words button")]


def errors(browser: webdriver.Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_file_is_transcribed_played_from_a_word_and_saved_as_subtitles(
    browser: webdriver.Chrome, open_service: Open, tmp_path: Path
) -> None:
    (tmp_path / "speech.flac").write_bytes(flac(TEXT))
    with open_service() as address:
        browser.get(address)
        browser.find_element(By.ID, "file").send_keys(str(tmp_path / "speech.flac"))
        found = words(browser)
        assert [word for word, _ in found] == TEXT.split()
        assert all(re.fullmatch(r"0:0\d\.\d", shown) for _, shown in found)
        position = "return document.getElementById('player').currentTime"
        browser.find_elements(By.CSS_SELECTOR, "#words button")[1].click()
        WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(position) >= 0.7)
        browser.find_element(By.ID, "srt").click()
        saved = tmp_path / "downloads" / "speech.srt"
        WebDriverWait(browser, 20).until(lambda _: saved.is_file())
        assert browser.execute_script("return [stamp(52.99955), stamp(3599.9996)]") == ["00:00:53,000", "01:00:00,000"]
        assert re.fullmatch(r"1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\nab cad e\n\n", saved.read_text())
        assert errors(browser) == []


def test_the_microphone_is_transcribed(browser: webdriver.Chrome, open_service: Open) -> None:
    with open_service() as address:
        browser.get(address)
        record = browser.find_element(By.ID, "record")
        record.click()
        WebDriverWait(browser, 20).until(lambda _: record.get_attribute("aria-pressed") == "true")
        time.sleep(5)
        record.click()
        assert {"ab", "cad", "e"} & {word for word, _ in words(browser)}
        assert record.text == "Record"
        assert errors(browser) == []


def test_a_token_is_asked_for_and_errors_are_shown(
    browser: webdriver.Chrome, open_service: Open, tmp_path: Path
) -> None:
    (tmp_path / "speech.flac").write_bytes(flac(TEXT))
    (tmp_path / "notes.txt").write_text("nothing")
    with open_service(token="secret") as address:
        browser.get(address)
        token, said = browser.find_element(By.ID, "token"), browser.find_element(By.ID, "status")
        assert not token.is_displayed()
        browser.find_element(By.ID, "file").send_keys(str(tmp_path / "speech.flac"))
        WebDriverWait(browser, 20).until(lambda _: token.is_displayed())
        token.send_keys("secret\n")
        assert [word for word, _ in words(browser)] == TEXT.split()
        assert not token.is_displayed()
        browser.find_element(By.ID, "file").send_keys(str(tmp_path / "notes.txt"))
        WebDriverWait(browser, 20).until(lambda _: "notes.txt: not a readable audio file" in said.text)
        assert not browser.find_element(By.ID, "result").is_displayed()
