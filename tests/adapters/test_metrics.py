"""Metrics in pieces: what is kept is the same however the text is cut, and nothing that comes can break or fill anything."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.kubernetes import metrics
from bot.adapters.kubernetes.metrics import Metrics

WANTED = {"requests_total": ("verb", "code"), "up": (), "wait_bucket": ("le",)}
TEXT = rb"""# HELP requests_total How many. requests_total{verb="GET"} 1000
# TYPE requests_total counter
requests_total{verb="GET",resource="pods",code="200"} 10
requests_total{verb="GET",resource="nodes",code="200"} 5
requests_total{code="500",verb="GET",resource="a\"b\\c{}, =\n"} 1e+00 1795187138000
requests_total_of_others{verb="GET",code="200"} 99
not_requests_total 99
up 1
wait_bucket{le="0.5"} 3
wait_bucket{le="+Inf"} 4
"""
KEPT = {
    "requests_total": {("GET", "200"): 15.0, ("GET", "500"): 1.0},
    "up": {(): 1.0},
    "wait_bucket": {("0.5",): 3.0, ("+Inf",): 4.0},
}


def read(*pieces: bytes, wanted: dict[str, tuple[str, ...]] | None = None) -> Metrics:
    taken = Metrics(WANTED if wanted is None else wanted)
    for piece in pieces:
        taken.feed(piece)
    taken.end()
    return taken


def test_wanted_families_are_summed_over_the_labels_nobody_asked_for() -> None:
    assert read(TEXT).samples == KEPT


@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=12))
def test_it_does_not_matter_where_the_text_is_cut(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(TEXT)]
    assert read(*(TEXT[a:b] for a, b in pairwise(ends))).samples == KEPT


def test_a_last_line_without_an_end_counts() -> None:
    assert read(b"up 1").samples == {"up": {(): 1.0}}


def test_labels_with_quotes_and_backslashes_are_what_they_were() -> None:
    taken = read(rb'named{name="a\"b\\c"} 2', wanted={"named": ("name",)})
    assert taken.samples == {"named": {('a"b\\c',): 2.0}}


def test_numbers_that_are_none_are_left_out() -> None:
    assert read(b"up NaN\nup\nup x\nup 1 2 3\nup{\nup} 1\n").samples == {}


def test_infinity_is_a_number() -> None:
    assert math.isinf(read(b"up +Inf").samples["up"][()])


def test_a_line_without_an_end_does_not_fill_the_memory_and_the_next_one_is_read() -> None:
    taken = read(*([b"up{x=" + b"x" * 5000] * 20), b"\nup 3\n")
    assert taken.samples == {"up": {(): 3.0}}
    assert taken.size > 100_000


def test_series_are_bounded() -> None:
    lines = b"".join(b'named{name="%d"} 1\n' % number for number in range(metrics.MAX_SERIES + 50))
    taken = read(lines, wanted={"named": ("name",)})
    assert (len(taken.samples["named"]), taken.complete) == (metrics.MAX_SERIES, False)


@settings(max_examples=300)
@given(pieces=st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(TEXT.splitlines(keepends=True))), max_size=20))
def test_whatever_comes_every_kept_value_is_a_number_under_wanted_labels(pieces: list[bytes]) -> None:
    samples = read(*pieces).samples
    assert samples.keys() <= WANTED.keys()
    for family, values in samples.items():
        assert all(len(key) == len(WANTED[family]) and not math.isnan(value) for key, value in values.items())


@given(
    values=st.dictionaries(
        st.tuples(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=10), st.integers(0, 9)),
        st.integers(-(10**9), 10**9),
        max_size=20,
    )
)
def test_what_a_server_writes_comes_back(values: dict[tuple[str, int], int]) -> None:
    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"')

    lines = [f'named{{name="{quoted(name)}",other="{other}"}} {value}' for (name, other), value in values.items()]
    sums: dict[tuple[str, ...], float] = {}
    for (name, _), value in values.items():
        sums[(name,)] = sums.get((name,), 0.0) + value
    taken = read("\n".join(lines).encode(), wanted={"named": ("name",)})
    assert taken.samples.get("named", {}) == sums
