import numpy as np

from stt.sampling.curriculum.label_errors import could_be_cleared, find_label_errors, label_error_scores

RNG = np.random.default_rng(0)


def arrays(score: list[float], observations: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(score, np.float16), np.array(observations, np.uint8)


def test_a_wrong_label_is_doubted_like_a_random_one_and_a_right_one_is_not() -> None:
    right, wrong = RNG.gamma(2, 0.2, 300), RNG.lognormal(np.log(4), 0.2, 20)
    random = RNG.lognormal(np.log(4), 0.2, 320)
    found = label_error_scores(np.concatenate([right, wrong]).astype(np.float32), random.astype(np.float32))
    assert np.median(found[:300]) < 0.15
    assert 0.9 < np.median(found[300:]) < 1.1


def test_nothing_is_doubted_before_right_and_random_labels_come_apart() -> None:
    losses, random = RNG.normal(3.0, 0.3, 100), RNG.normal(3.5, 0.3, 100)
    assert np.isnan(label_error_scores(losses.astype(np.float32), random.astype(np.float32))).all()
    assert np.isnan(label_error_scores(losses.astype(np.float32), np.full(100, np.nan, np.float32))).all()


def test_a_loss_that_is_not_known_leaves_its_doubt_unknown() -> None:
    found = label_error_scores(np.array([0.1, np.nan, 0.1], np.float32), np.array([5.0, 5.0, np.nan], np.float32))
    assert np.isnan(found).tolist() == [False, True, False]


def test_a_single_look_must_say_more_than_many() -> None:
    score, observations = arrays([0.7, 0.7, 0.9, 0.9, 0.3, 0, 0, 0, 0], [1, 5, 1, 0, 9, 1, 1, 1, 1])
    assert np.flatnonzero(find_label_errors(score, observations)).tolist() == [1, 2]


def test_never_more_than_half_of_a_domain_is_quarantined() -> None:
    label_errors = find_label_errors(*arrays([1.0, 0.9, 1.1, 1.2], [3] * 4))
    assert np.flatnonzero(label_errors).tolist() == [2, 3]
    assert not find_label_errors(*arrays([1.0], [9])).any()


def test_what_one_good_look_would_clear_is_told_from_what_it_would_not() -> None:
    score, observations = arrays([0.8, 1.1, 1.4, 0.8, 1.1], [1, 1, 1, 2, 2])
    assert could_be_cleared(score, observations).tolist() == [True, True, False, True, False]
