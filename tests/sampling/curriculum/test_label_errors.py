import numpy as np

from stt.sampling.curriculum.label_errors import find_label_errors, is_clearable, label_error_scores
from stt.sampling.observations import Observations

RNG = np.random.default_rng(0)


def arrays(score: list[float], observations: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(score, np.float16), np.array(observations, np.uint8)


MEAN_CER = 0.1  # of the domain


def observed(losses: np.ndarray, random_losses: np.ndarray, cers: np.ndarray | float = MEAN_CER) -> Observations:
    columns = [np.broadcast_to(cers, len(losses)), losses, random_losses, np.ones(len(losses))]
    return Observations(np.arange(len(losses)), np.stack(columns, axis=1).astype(np.float32))


def test_a_label_error_scores_like_a_random_label_and_a_clean_label_does_not() -> None:
    clean, wrong = RNG.gamma(2, 0.2, 300), RNG.lognormal(np.log(4), 0.2, 20)
    random = RNG.lognormal(np.log(4), 0.2, 320)
    found = label_error_scores(observed(np.concatenate([clean, wrong]), random), MEAN_CER)
    assert np.median(found[:300]) < 0.15
    assert 0.9 < np.median(found[300:]) < 1.1


def test_labels_are_not_scored_by_a_network_that_recognizes_little() -> None:
    losses, random = RNG.gamma(2, 0.2, 100), RNG.lognormal(np.log(4), 0.2, 100)
    assert np.isnan(label_error_scores(observed(losses, random, cers=0.35), MEAN_CER)).all()
    assert np.isfinite(label_error_scores(observed(losses, random, cers=0.25), MEAN_CER)).all()
    assert np.isnan(label_error_scores(observed(losses, np.full(100, np.nan)), MEAN_CER)).all()


def test_an_unknown_loss_gives_an_unknown_score() -> None:
    found = label_error_scores(observed(np.array([0.1, np.nan, 0.1]), np.array([5.0, 5.0, np.nan])), MEAN_CER)
    assert np.isnan(found).tolist() == [False, True, False]


def test_a_text_that_lacks_half_of_what_is_spoken_scores_like_a_random_label_though_its_loss_is_low() -> None:
    cers = np.array([0.0, 0.1, 0.28, 0.6, 2.0])
    found = label_error_scores(observed(np.full(5, 0.5), np.full(5, 5.0), cers), mean_cer=0.2)
    np.testing.assert_allclose(found, [0.1, 0.1, 0.1, 0.5, 1.0], rtol=1e-5)
    assert label_error_scores(observed(np.full(5, 0.5), np.full(5, 5.0), cers), mean_cer=1.0).max() < 0.2


def test_a_single_observation_needs_a_higher_score_than_many() -> None:
    score, observations = arrays([0.7, 0.7, 0.9, 0.9, 0.3, 0, 0, 0, 0], [1, 5, 1, 0, 9, 1, 1, 1, 1])
    assert np.flatnonzero(find_label_errors(score, observations)).tolist() == [1, 2]


def test_never_more_than_half_of_a_domain_is_quarantined() -> None:
    label_errors = find_label_errors(*arrays([1.0, 0.9, 1.1, 1.2], [3] * 4))
    assert np.flatnonzero(label_errors).tolist() == [2, 3]
    assert not find_label_errors(*arrays([1.0], [9])).any()


def test_label_errors_that_one_good_observation_would_clear_are_recognized() -> None:
    score, observations = arrays([0.8, 1.1, 1.4, 0.8, 1.1], [1, 1, 1, 2, 2])
    assert is_clearable(score, observations).tolist() == [True, True, False, True, False]
