from collections.abc import Callable
from pathlib import Path

import numpy as np
import peer_networks
import peers
import pytest
import torch
from peer_formats import Run, difference
from peer_networks import Network, Peer, citrinet_blocks, quartznet_blocks, with_torch_export
from peers import Variant, measure, prepare, summarize
from torch import nn


def linear() -> Network:
    return with_torch_export(nn.Linear(3, 2), (torch.ones(1, 3),), time_axis=0)


def refuse() -> Network:
    raise RuntimeError("its package is not installed")


def reverse(network: Network, folder: Path) -> Run:
    return lambda: np.asarray(network.module(*network.inputs).detach().numpy()[:, ::-1])


def fail(network: Network, folder: Path) -> Run:
    raise ValueError("cannot be exported")


def variant(name: str, form: str, *cpu: float) -> Variant:
    return Variant(
        Peer(name, "mine", linear), form, lambda: np.zeros(1), 0.0, [np.array([one, 2 * one]) for one in cpu]
    )


def test_quartznet_and_citrinet_have_their_published_depths_and_strides() -> None:
    quartznet, citrinet = quartznet_blocks(), citrinet_blocks()
    assert sum(block["repeat"] == 5 for block in quartznet) == 15
    assert len(citrinet) == 23
    for blocks, stride in ((quartznet, 2), (citrinet, 8)):
        assert np.prod([block["stride"][0] for block in blocks]) == stride
        assert all(len(block["kernel"]) == 1 and block["kernel"][0] % 2 for block in blocks)


def test_what_cannot_be_built_or_run_is_named_with_the_reason_and_the_rest_is_measured(tmp_path: Path) -> None:
    both = [Peer("good", "mine", linear), Peer("bad", "other", refuse)]
    variants, parameters, failed = prepare(both, {"reversed": reverse, "exported": fail}, tmp_path)
    assert [(one.peer.name, one.form) for one in variants] == [("good", "reversed")]
    assert parameters == {"good": 8}
    assert set(failed) == {"bad", "good, exported"}
    assert "its package is not installed" in failed["bad"]
    assert "cannot be exported" in failed["good, exported"]
    assert variants[0].difference > 0.01  # the outputs are compared with those of PyTorch


def test_every_round_measures_every_variant_once_in_another_order() -> None:
    ran: list[str] = []

    def note(name: str) -> Callable[[], np.ndarray]:
        def run() -> np.ndarray:
            ran.append(name)
            return np.zeros(1)

        return run

    names = list("abcdefgh")
    variants = [Variant(Peer(name, "mine", linear), "form", note(name), 0.0) for name in names]
    measure(variants, 5)
    rounds = [ran[i : i + len(names)] for i in range(0, len(ran), len(names))]
    assert [sorted(one) for one in rounds] == [names] * 5
    assert len({tuple(one) for one in rounds}) > 1
    assert all(len(one.seconds) == 5 for one in variants)


def test_networks_are_compared_in_the_best_format_of_each_and_format_by_format() -> None:
    variants = [variant("small", "a", 1.0, 0.5, 9.0), variant("small", "b", 0.25)]
    variants += [variant("other", "a", 2.0), variant("other", "c", 1.5)]
    report = summarize(variants, {"small": 27_000_000, "other": 1_200_000})
    small, other = report["small"], report["other"]
    assert small["formats"]["a"]["audio_seconds_per_core_second"] == peers.SECONDS / 1.0
    assert small["formats"]["a"]["audio_seconds_per_wall_second"] == peers.SECONDS / 2.0
    assert (small["best_format"], other["best_format"]) == ("b", "c")
    assert (other["million_parameters"], other["small_to_it_in_the_best_formats"]) == (1.2, 6.0)
    assert other["small_to_it"] == {"a": 2.0}
    rows = [line.strip("| ").split(" | ") for line in peers.table(report, ["a", "b", "c"]).splitlines()]
    assert rows[2] == ["small", "mine", "27.0", "15", "**60**", "-", "1.0"]
    assert rows[3] == ["other", "mine", "1.2", "7.5", "-", "**10**", "6.0"]


def test_the_difference_of_outputs_is_relative_and_of_other_shapes_not_a_number() -> None:
    reference = np.full((2, 3), 2.0, np.float32)
    assert difference(1.1 * reference, reference) == pytest.approx(0.1, rel=1e-4)
    assert np.isnan(difference(reference[:1], reference))


def test_the_head_has_the_size_of_subword_networks() -> None:
    assert peer_networks.tokenizer().vocab_size == peer_networks.PIECES
