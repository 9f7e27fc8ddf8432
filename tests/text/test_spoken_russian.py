import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt.corpus.ingest import ingest
from stt.corpus.row import Row
from stt.text.normalize import get_normalizer
from tests.conftest import ROOT

NORMALIZE = get_normalizer("russian-2")
PLAIN = get_normalizer("russian-1")
ALPHABET = re.compile("(?:[а-я]+(?: [а-я]+)*)?")
# A line is a category, a text, how it is read, and why it is not read so where it is not.
TEXTS = [
    line.split("\t") for line in (Path(__file__).parent / "russian_texts.tsv").read_text(encoding="utf-8").splitlines()
]
PROSE = [
    "Привет! Как дела? Всё хорошо.",
    "Мама мыла раму, а папа читал газету.",
    "Он вошёл в комнату, снял пальто и сел у окна.",
    "«Куда ты идёшь?» — спросила она тихо.",
    "Где-то вдали кто-то играл на гармони...",
    "Осень наступила рано, листья уже пожелтели.",
    "Извините, вы не подскажете, как пройти к вокзалу?",
    "Ну, хм, я даже не знаю. Гм. Наверное, да.",
    "США, РФ и ЕС подписали соглашение.",
    "Мы ждали тебя. А ты не пришёл. И вот он я.",
    "Жили-были дед да баба.",
    "Это был он. Я. Мы все.",
    "Приходи ко мне (если сможешь), и не опаздывай.",
    "Он знал: её не вернуть; но ждал — и ждал долго.",
    "В доме было тихо. В саду пели птицы. К вечеру похолодало.",
    "Да нет. Ты с ума сошла? О чём ты говоришь?",
    "Первый раз в первый класс, с вторым томом под мышкой.",
    "Купил хлеб.Пришёл домой",
    "Ура!!! Мы победили?!",
    "об'ект и вoдa",
]
REJECTED = [
    ("слушай radio 5 минут", "foreign letters"),
    ("iPhone 15", "foreign letters"),
    ("C++", "symbol +"),
    ("тег #1", "symbol #"),
    ("R&B 5", "symbol &"),
    ("пишите на a@b.ru", "symbol @"),
    ("x^2", "symbol ^"),
    ("5 − 6", "symbol −"),
    ("12345678901234567890", "long number"),
    ("работает 24/7", "stroke between numbers"),
    ("в 2020/21 году", "stroke between numbers"),
    ("01/02/2020", "symbol /"),
    ("1.500 рублей", "full stop before three digits"),
    ("Л. Н. Толстой родился в 1828 году.", "initials"),
    ("т. ч. р. д.", "abbreviation"),
    ("дім 5", "foreign letters"),
    ("你好 5", "foreign letters"),
    ("5 кг. " * 400, "more than 2,000 characters to read out"),
]
NOTATION = """5 5-й 1-го A XIX II № % $ € °C 10:30 3,5 1/2 15.05.2021 ½ − + - – . , г. т.е. ул. тел. кг км/ч в на с до
от век мая року\u0301 Пётр руб. млн 1 000 +7 (495) ( ) [ ] « » : ; ! … _ * & # @ = < > ~ ^ | \\ http:// ё Й x x2 м² ¼ ⅳ
① ٣ ² 𝟓 00 007 ° 123-45-67 р. р проф. нет 2-3 \u200b""".split()


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        pytest.param(
            text,
            spoken,
            marks=[pytest.mark.xfail(strict=True, reason=reason[0])] if reason else [],
            id=f"{kind}: {text}",
        )
        for kind, text, spoken, *reason in TEXTS
    ],
)
def test_a_text_is_read_as_it_is_spoken(text: str, spoken: str) -> None:
    result = NORMALIZE(text)
    assert result.text == spoken
    assert not result.rejected


def test_few_texts_are_known_to_be_read_wrongly() -> None:
    assert sum(len(row) == 4 for row in TEXTS) <= len(TEXTS) / 10


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_normalized_as_by_russian_1(text: str) -> None:
    assert NORMALIZE(text) == PLAIN(text)


@pytest.mark.parametrize(
    "text", [*PROSE, *(spoken for _, _, spoken, *_ in TEXTS), "и т д", "ул ленина д пять", "xix век"]
)
def test_words_alone_stay_as_they_are(text: str) -> None:
    words = PLAIN(text).text
    assert NORMALIZE(words).text == words
    assert not NORMALIZE(words).changed


@pytest.mark.parametrize("corpus", ["ivr_prompts/ru/dev", "commonvoice_20/ru/train", "commonvoice_20/ru/dev"])
def test_real_transcripts_are_normalized_as_by_russian_1(corpus: str, real_speech: Path) -> None:
    for line in (real_speech / corpus / "text").read_text(encoding="utf-8").splitlines():
        text = line.partition(" ")[2]
        assert NORMALIZE(text).text == PLAIN(text).text
        assert not NORMALIZE(text).rejected


@pytest.mark.parametrize(("text", "kind"), REJECTED)
def test_what_cannot_be_read_with_certainty_is_rejected(text: str, kind: str) -> None:
    assert kind in NORMALIZE(text).rejected


@pytest.mark.parametrize("sign", "%‰$€£¥₽№&+=@°§#<>^~/\\*|≈≠≤≥∞√×÷±−→∑₴₸")
@pytest.mark.parametrize("text", ["слово {} слово", "цена {}5 сегодня", "рост 5{} сегодня", "5 {} 6"])
def test_a_sign_is_read_or_rejected_but_never_lost(sign: str, text: str) -> None:
    result = NORMALIZE(text.format(sign))
    without = NORMALIZE(text.format(" ")).text
    assert result.rejected or result.text != without


def test_changes_are_counted_by_kind() -> None:
    changed = NORMALIZE("Пётр I купил 5 кг за $7 в 10:30 и 15.05.2021 на ул. Мира, 3, это 3,5 и 1/2.").changed
    assert changed == Counter(
        {
            "ё to е": 1,
            "Roman numeral": 1,
            "number with a unit or an ending": 1,
            "sign": 1,
            "time or score": 1,
            "date": 1,
            "abbreviation": 1,
            "number": 1,
            "decimal": 1,
            "fraction": 1,
            "punctuation": 3,
        }
    )


def test_a_word_that_the_library_drops_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    from ru_normalizr import Normalizer

    monkeypatch.setattr(Normalizer, "normalize", lambda self, text: text.replace("сегодня ", "").replace("5", "пять"))
    assert "text that was lost" in NORMALIZE("сегодня у нас 5 гостей").rejected


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.builds(
            str.join, st.sampled_from(["", " "]), st.lists(st.sampled_from(NOTATION) | st.text(max_size=3), max_size=10)
        ),
    )
)
def test_any_text_gives_words_of_the_alphabet_or_is_rejected_and_stays_so(text: str) -> None:
    result = NORMALIZE(text)
    assert result.rejected or ALPHABET.fullmatch(result.text)
    assert NORMALIZE(result.text).text == result.text


def test_the_import_reports_what_was_changed_and_refused(tones: Path, tmp_path: Path) -> None:
    audio = tones.parent / "0.wav"
    texts = ["Дом 5, 3 кг, 1 000 руб.", "просто слова", "№ 7", "слушай radio"]
    rows = [Row(str(i), audio, text, "d") for i, text in enumerate(texts)]
    report = ingest(rows, tmp_path / "m.parquet", NORMALIZE, skip_bad=True)
    lines = list(report.lines())
    assert "normalizer: 2 of 3 texts changed" in lines
    assert "normalizer: number: 1 times" in lines
    assert "normalizer: number with a unit or an ending: 2 times" in lines
    assert "normalizer: sign: 1 times" in lines
    assert any(line.startswith("text with foreign letters: 1 rows (3)") for line in lines)


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, tones: Path) -> None:
    (tmp_path / "a.csv").write_text(f"audio,text\n{tones.parent / '0.wav'},дом 5\n", encoding="utf-8")
    hidden = "import sys; sys.modules.update(dict.fromkeys(['ru_normalizr', 'pymorphy3']))\n"
    requires = "import stt.errors; stt.errors.requires = lambda name: ['ru-normalizr<2; extra == \"train\"', "
    requires += "'pymorphy3<3; extra == \"train\"']\n"  # as in pyproject.toml, wherever the package was installed from
    words = "from stt.text.normalize import get_normalizer as n; print(n('russian-2')('просто слова').text)\n"
    arguments = ["corpus", "import", "table", str(tmp_path / "a.csv"), "--out", str(tmp_path / "a.parquet")]
    arguments += ["--domain", "d", "--normalizer", "russian-2"]
    code = f"{hidden}{requires}{words}from stt.cli.main import main; main({arguments})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.stdout == "просто слова\n"
    assert done.returncode == 2
    assert "comes with the extra 'train'" in done.stderr
    assert "Traceback" not in done.stderr
