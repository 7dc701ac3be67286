"""The model's one thread: bounded, never asked twice for the same, and free again when left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coroutines import run
from tryghed_search.engine import Engine
from tryghed_search.errors import BusyError
from tryghed_search.metrics import Metrics


class Model:
    """Work that counts its calls and waits until it may go on."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.threads: set[str] = set()
        self.go = threading.Event()
        self.started = threading.Event()

    def work(self, name: str) -> Callable[[], str]:
        def run() -> str:
            self.calls.append(name)
            self.threads.add(threading.current_thread().name)
            self.started.set()
            assert self.go.wait(30)
            return name.upper()

        return run


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.go.set()


def sample(metrics: Metrics, name: str) -> float:
    lines = metrics.text().decode().splitlines()
    return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(name)))


async def started(model: Model) -> None:
    assert await asyncio.to_thread(model.started.wait, 30)


def test_equal_work_in_progress_is_done_once_and_each_gets_the_result(model: Model) -> None:
    metrics = Metrics()

    async def test() -> None:
        engine = Engine(metrics)
        asking = [asyncio.ensure_future(engine.run("a", model.work("a"))) for _ in range(20)]
        await started(model)
        assert engine.length == 1
        model.go.set()
        assert await asyncio.gather(*asking) == ["A"] * 20
        assert engine.length == 0
        assert await engine.run("a", model.work("a")) == "A"
        engine.close()

    run(test)
    assert model.calls == ["a"]
    assert sample(metrics, 'tryghed_asked_total{source="model"}') == 1
    assert sample(metrics, 'tryghed_asked_total{source="company"}') == 19
    assert sample(metrics, 'tryghed_asked_total{source="memory"}') == 1
    assert sample(metrics, "tryghed_queue_length") == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_threads_than_given_ever_work(model: Model, threads: int) -> None:
    model.go.set()

    async def test() -> None:
        engine = Engine(Metrics(), threads=threads)
        await asyncio.gather(*(engine.run(n, model.work(str(n))) for n in range(50)))
        engine.close()

    run(test)
    assert len(model.calls) == 50
    assert 1 <= len(model.threads) <= threads


def test_a_full_queue_refuses_what_is_new_but_not_what_is_in_it(model: Model) -> None:
    metrics = Metrics()

    async def test() -> None:
        engine = Engine(metrics, queue=3)
        asking = [asyncio.ensure_future(engine.run(n, model.work(str(n)))) for n in range(3)]
        await started(model)
        assert sample(metrics, "tryghed_queue_length") == 3
        with pytest.raises(BusyError):
            await engine.run("new", model.work("new"))
        asking.append(asyncio.ensure_future(engine.run(2, model.work("2"))))
        model.go.set()
        assert await asyncio.gather(*asking) == ["0", "1", "2", "2"]
        assert await engine.run("new", model.work("new")) == "NEW"
        engine.close()

    run(test)
    assert model.calls == ["0", "1", "2", "new"]
    assert sample(metrics, 'tryghed_requests_limited_total{limit="queue"}') == 1


def test_who_leaves_gives_up_a_place_in_the_queue(model: Model) -> None:
    async def test() -> None:
        engine = Engine(Metrics(), queue=2)
        first = asyncio.ensure_future(engine.run("first", model.work("first")))
        await started(model)
        second = asyncio.ensure_future(engine.run("second", model.work("second")))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await engine.run("third", model.work("third"))
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        third = asyncio.ensure_future(engine.run("third", model.work("third")))
        await asyncio.sleep(0)
        model.go.set()
        assert await asyncio.gather(first, third) == ["FIRST", "THIRD"]
        engine.close()

    run(test)
    assert model.calls == ["first", "third"], "the second was never asked"


def test_who_leaves_does_not_take_the_answer_from_others(model: Model) -> None:
    async def test() -> None:
        engine = Engine(Metrics())
        busy = asyncio.ensure_future(engine.run("busy", model.work("busy")))
        await started(model)
        one, other = (asyncio.ensure_future(engine.run("q", model.work("q"))) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.sleep(0)
        model.go.set()
        assert await other == "Q"
        assert await busy == "BUSY"
        engine.close()

    run(test)


def test_work_that_all_have_left_is_finished_and_remembered(model: Model) -> None:
    async def test() -> None:
        engine = Engine(Metrics())
        asking = asyncio.ensure_future(engine.run("q", model.work("q")))
        await started(model)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert engine.length == 1, "the thread is still at it"
        model.go.set()
        while engine.length:
            await asyncio.sleep(0.01)
        assert await engine.run("q", model.work("q")) == "Q"
        engine.close()

    run(test)
    assert model.calls == ["q"]


def test_who_has_waited_too_long_is_told_and_the_place_is_free(model: Model) -> None:
    metrics = Metrics()

    async def test() -> None:
        engine = Engine(metrics, seconds=0.05)
        first = asyncio.ensure_future(engine.run("first", model.work("first")))
        await started(model)
        with pytest.raises(BusyError):
            await engine.run("second", model.work("second"))
        with pytest.raises(BusyError):
            await first
        assert engine.length == 1
        model.go.set()
        while engine.length:
            await asyncio.sleep(0.01)
        engine.close()

    run(test)
    assert model.calls == ["first"]
    assert sample(metrics, 'tryghed_requests_limited_total{limit="time"}') == 2


def test_failures_are_told_to_each_and_not_remembered() -> None:
    calls = []

    def fails() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise TimeoutError("of its own")
        return "done"

    async def test() -> None:
        engine = Engine(Metrics())
        told = await asyncio.gather(*(engine.run("q", fails) for _ in range(3)),
                                    return_exceptions=True)  # fmt: skip
        assert [str(error) for error in told] == ["of its own"] * 3
        assert await engine.run("q", fails) == "done"
        engine.close()

    run(test)


def test_a_new_index_makes_all_be_forgotten_also_what_is_in_progress(model: Model) -> None:
    async def test() -> None:
        engine = Engine(Metrics())
        asking = asyncio.ensure_future(engine.run("q", model.work("q")))
        await started(model)
        engine.forget()
        model.go.set()
        assert await asking == "Q"
        assert await engine.run("q", model.work("again")) == "AGAIN"
        engine.forget()
        assert await engine.run("q", model.work("third")) == "THIRD"
        engine.close()

    run(test)


@settings(max_examples=60, deadline=None)
@given(
    most=st.integers(0, 4),
    asked=st.lists(st.integers(0, 6) | st.just(None), max_size=40),
)
def test_what_is_remembered_is_what_a_plain_model_of_it_says(
    most: int, asked: list[int | None]
) -> None:
    """Against a list in the order of use, of which the last ``most`` are kept."""
    worked: list[int] = []

    def work(n: int) -> Callable[[], int]:
        def do() -> int:
            worked.append(n)
            return -n

        return do

    async def test() -> None:
        engine = Engine(Metrics(), answers=most)
        kept: list[int] = []
        for n in asked:
            if n is None:
                engine.forget()
                kept.clear()
                continue
            before = len(worked)
            assert await engine.run(n, work(n)) == -n
            assert (len(worked) == before) == (n in kept)
            if n in kept:
                kept.remove(n)
            kept.append(n)
            del kept[: max(0, len(kept) - most)]
        engine.close()

    run(test)
