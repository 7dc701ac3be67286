from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tryghed_search.ranking import (
    ALONE,
    PARTS_LEFT_OUT,
    Scores,
    Weights,
    best_per_group,
    best_two_per_group,
    fuse,
    min_max,
    order,
)

finite = hnp.arrays(
    np.float32, st.integers(1, 30), elements=st.floats(-50, 50, width=32, allow_nan=False)
)


def scores(**given: list[float]) -> Scores:
    flat = [0.0] * len(next(iter(given.values())))
    names = ("dense", "sentence", "late", "words", "grams", "asked")
    return Scores(**{name: np.array(given.get(name, flat), np.float32) for name in names})


@given(finite)
def test_min_max_runs_from_zero_to_one_and_keeps_the_order(values: np.ndarray) -> None:
    scaled = min_max(values)
    assert scaled.min() >= 0
    assert scaled.max() <= 1
    for i in np.argsort(values)[:-1]:
        assert (scaled[values > values[i]] >= scaled[i]).all()


def test_scores_that_are_all_alike_say_nothing() -> None:
    assert min_max(np.array([3, 3, 3], np.float32)).tolist() == [0, 0, 0]


def test_a_kind_that_says_nothing_draws_no_passage_down() -> None:
    weights = Weights(dense=1, sentence=0, late=9, words=0, grams=0, asked=0)
    fused = fuse(scores(dense=[0.2, 0.8]), weights)
    assert fused.tolist() == [0.0, 1.0]


def test_fused_scores_are_the_weighted_mean_of_the_kinds() -> None:
    weights = Weights(dense=1, sentence=0, late=3, words=0, grams=0, asked=0)
    fused = fuse(scores(dense=[0, 1, 0.5], late=[4, 0, 2]), weights)
    assert fused.tolist() == pytest.approx([0.75, 0.25, 0.5])


def test_the_best_of_each_group_counts_and_an_empty_group_gets_the_floor() -> None:
    best = best_per_group(np.array([0.1, 0.9, 0.4], np.float32), np.array([0, 0, 2]), 3, floor=-1.0)
    assert best.tolist() == pytest.approx([0.9, -1.0, 0.4])


@pytest.mark.parametrize(
    ("values", "groups", "best"),
    [
        ([0.1, 0.9, 0.4, 0.5, 0.8], [0, 0, 2, 0, 2], [0.7, -1.0, 0.6]),
        ([0.25, 0.5, 0.75], [2, 1, 0], [0.75, 0.5, 0.25]),
        ([0.5, 0.5, 0.5, 0.1], [1, 1, 1, 1], [-1.0, 0.5, -1.0]),
        ([-0.5, -0.25, -1.0], [0, 0, 2], [-0.375, -1.0, -1.0]),
        ([], [], [-1.0, -1.0, -1.0]),
    ],
    ids=["two of three", "one each", "equals", "below zero", "none"],
)
def test_the_two_best_of_each_group_count_and_one_alone_counts_for_itself(
    values: list[float], groups: list[int], best: list[float]
) -> None:
    found = best_two_per_group(
        np.array(values, np.float32), np.array(groups, np.int64), 3, floor=-1.0
    )
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(best)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(-100, 100)), max_size=60))
def test_the_mean_of_the_two_best_is_what_a_plain_count_gives(
    rows: list[tuple[int, int]],
) -> None:
    """Whatever the order of the rows, and however many are equal."""
    values = np.array([value for _, value in rows], np.float32)
    groups = np.array([group for group, _ in rows], np.int64)
    expected = []
    for group in range(7):
        own = sorted((value for g, value in rows if g == group), reverse=True)[:2]
        expected.append(sum(own) / len(own) if own else -101.0)
    assert best_two_per_group(values, groups, 7, floor=-101.0).tolist() == expected


def test_each_kind_of_score_belongs_to_one_part_that_can_be_left_out() -> None:
    whole = asdict(Weights())
    left_out = []
    for weights in PARTS_LEFT_OUT.values():
        changed = {kind for kind, weight in asdict(weights).items() if weight != whole[kind]}
        assert changed
        assert all(asdict(weights)[kind] == 0 for kind in changed)
        left_out += changed
    assert sorted(left_out) == sorted(whole)
    assert all(weight > 0 for weight in whole.values())


def test_what_the_product_is_measured_against_is_one_kind_of_score() -> None:
    for name, weights in ALONE.items():
        counting = [kind for kind, weight in asdict(weights).items() if weight > 0]
        assert counting == [{"dense": "dense", "bm25": "words"}[name]]


def test_equals_stand_in_the_reports_order_and_what_is_not_allowed_is_left_out() -> None:
    ranked = order(np.array([0.5, 0.9, 0.5, 0.9], np.float32), np.array([True, True, True, False]))
    assert ranked == [1, 0, 2]


def test_a_passage_of_which_a_kind_has_nothing_is_judged_by_the_others() -> None:
    dense = np.array([0.9, 0.5, 0.1], np.float32)
    asked = np.array([np.nan, 0.8, 0.2], np.float32)
    nothing = np.zeros(3, np.float32)
    scores = Scores(dense, nothing, nothing, nothing, nothing, asked)
    fused = fuse(scores, Weights(dense=1, sentence=1, late=1, words=1, grams=1, asked=3))
    assert fused.tolist() == pytest.approx([1.0, (0.5 + 3) / 4, 0.0])
