import pytest

from stt.corpus.row import domain_of
from stt.errors import InputError

FIELDS = {"age.group": "adult", "gender": "f", "year": 1999, "region": None}


@pytest.mark.parametrize(
    ("template", "domain"),
    [
        ("{age.group}_{gender}", "adult_f"),
        ("{year}", "1999"),
        ("plain", "plain"),
        ("{{x}}", "{x}"),
        ("{region}", ""),
        ("in {region}", ""),
    ],
)
def test_a_template_is_filled_with_fields(template: str, domain: str) -> None:
    assert domain_of(template, FIELDS, "t.csv:2") == domain


@pytest.mark.parametrize(
    "template", ["{gender.__class__}", "{gender[0]}", "{gender!r}", "{year:>999999999}", "{}", "{0}", "{planet}"]
)
def test_a_template_reaches_fields_only(template: str) -> None:
    with pytest.raises(
        InputError, match=r"t\.csv:2: cannot fill the domain template .* available fields: age\.group, gender"
    ):
        domain_of(template, FIELDS, "t.csv:2")


@pytest.mark.parametrize("template", ["{", "}", "{gender"])
def test_a_malformed_template_is_named(template: str) -> None:
    with pytest.raises(InputError, match="invalid domain template"):
        domain_of(template, FIELDS, "t.csv:2")
