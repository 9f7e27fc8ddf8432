from tracking import TIMED_METHODS


def test_what_is_timed_exists() -> None:
    assert not [(kind, name) for kind, names in TIMED_METHODS.items() for name in names if not hasattr(kind, name)]
