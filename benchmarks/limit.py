"""Time of an answer against the time that its model needs: in process, over HTTP, remembered.

    python benchmarks/limit.py --questions 200

Every way is asked the same questions in the same run, one after the other for each question, in
an order that changes. The ruler is ``SentenceTransformer.encode_query`` of the same model; the
product's own encoder stands beside it. Writes ``limit.json``.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import http.client
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import measuring

RULER = "sentence-transformers encode_query"
ENCODER = "the product's encoder"
AT_ONCE = "repeated at once, over HTTP"
WARM_UP = 8
"""Questions asked of every way before the clock runs; they are not among those that count."""


class Remembered:
    """An encoder that has seen the questions: what is left is the search without the model."""

    def __init__(self, encoder: Any, reader: bool) -> None:
        self._encoder = encoder
        self._known: dict[str, Any] = {}
        # The reader is used with the model that it was trained with, and with no other.
        identity = encoder.identity
        self.identity = identity if reader else replace(identity, sha256="0" * 64)

    def encode_questions(self, texts: Sequence[str]) -> list[Any]:
        """What the encoder made of them the first time."""
        missing = [text for text in texts if text not in self._known]
        if missing:
            self._known |= dict(zip(missing, self._encoder.encode_questions(missing), strict=True))
        return [self._known[text] for text in texts]


class Client:
    """One connection to a server that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, question: str) -> bytes:
        """The body of the answer; asked again if the server has closed an idle connection."""
        try:
            return self._asked(question)
        except ConnectionError:
            self._connection.close()
            return self._asked(question)

    def _asked(self, question: str) -> bytes:
        body = json.dumps({"question": question}).encode()
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/api/v1/ask", body, headers)
        response = self._connection.getresponse()
        read = response.read()
        assert response.status == 200, read
        return read


class Engine:
    """The server's engine in this process: the queue, the model's thread and the memory."""

    def __init__(self, searcher: Any) -> None:
        from tryghed_search.engine import Engine as Real
        from tryghed_search.metrics import Metrics

        self._searcher = searcher
        self._loop = asyncio.new_event_loop()
        self._engine = Real(Metrics())

    def ask(self, question: Any) -> Any:
        """The answer, from memory if it was asked before."""
        work = functools.partial(self._searcher.ask, question)
        return self._loop.run_until_complete(self._engine.run(question, work))

    def close(self) -> None:
        """Stop the thread and the loop."""
        self._engine.close()
        self._loop.close()


def ways(
    index: Path, client: Client
) -> tuple[dict[str, Callable[[str], object]], Callable[[], None]]:
    """Each way to put a question, and what ends them. "repeated" ones follow the first asking."""
    from sentence_transformers import SentenceTransformer

    from tryghed_search import settings, store
    from tryghed_search.loading import Loader
    from tryghed_search.passages import Question
    from tryghed_search.search import Searcher

    loader = Loader(settings.load(index=index))
    _, searcher = loader.load()
    _, contents = store.load(index, loader.encoder.identity)
    plain = SentenceTransformer(
        str(measuring.model_folder()), device="cpu", model_kwargs={"dtype": "float32"}
    )
    read = Searcher(contents, Remembered(loader.encoder, reader=True))
    unread = Searcher(contents, Remembered(loader.encoder, reader=False))
    engine = Engine(searcher)
    return {
        RULER: plain.encode_query,
        ENCODER: lambda text: loader.encoder.encode_questions([text]),
        "in process": lambda text: searcher.ask(Question(text)),
        "over HTTP": client.ask,
        AT_ONCE: client.ask,
        "repeated later, over HTTP": client.ask,
        "repeated later, in process": lambda text: engine.ask(Question(text)),
        "search without encoder": lambda text: read.ask(Question(text)),
        "search without encoder and reader": lambda text: unread.ask(Question(text)),
    }, engine.close


def measure(index: Path, count: int) -> dict[str, Any]:
    """Seconds of every question in every way, and what they come to."""
    texts = measuring.questions(count + WARM_UP)
    with measuring.server(index) as (port, process):
        client = Client(port)
        asked, close = ways(index, client)
        later = [name for name in asked if name.startswith("repeated later")]
        first = [name for name in asked if name not in {AT_ONCE, *later}]
        seconds: dict[str, list[float]] = {name: [] for name in asked}
        gc.collect()
        for number, text in enumerate(texts):
            for name in asked:  # in this process, the remembered ones are made here
                if name.startswith("search") or name == "repeated later, in process":
                    asked[name](text)
            turn = number % len(first)
            order = [*first[turn:], *first[:turn], *later]
            order.insert(order.index("over HTTP") + 1, AT_ONCE)
            for name in order:
                began = time.perf_counter()
                asked[name](text)
                seconds[name].append(time.perf_counter() - began)
        memory = measuring.peak_memory_mb(process)
        close()
    counted = {name: values[WARM_UP:] for name, values in seconds.items()}
    return {
        "questions": len(counted[RULER]),
        "server_peak_mb": memory,
        "ways": {
            name: {
                "median_ms": measuring.median_ms(values),
                "p95_ms": measuring.quantile_ms(values, 0.95),
                "ratio": measuring.ratio(values, counted[RULER]),
                "ratio_to_own_encoder": measuring.ratio(values, counted[ENCODER]),
            }
            for name, values in counted.items()
        },
    }


def main() -> None:
    """Measure and save."""
    options = measuring.arguments(__doc__, questions=200).parse_args()
    on = measuring.machine()
    with measuring.index_folder(options.index) as index:
        measuring.save(options.out, "limit", on, measure(index, options.questions))


if __name__ == "__main__":
    main()
