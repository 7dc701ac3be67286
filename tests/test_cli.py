"""The command: its help, its answers, and one line on standard error for all that can go wrong."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.conftest import command, make_cross_encoder
from tryghed_search import build, cli, ranking
from tryghed_search.embedding import Encoder
from tryghed_search.reranking import Reranker

REPORTS = Path(__file__).parent / "reports"
COMMANDS = {
    "ingest": ["--index", "--model"],
    "ask": ["--json", "--limit", "--kind", "--municipality", "--audience", "--history", "--index"],
    "serve": ["--host", "--port", "--root-path", "--index", "--workers"],
    "check": ["--json", "--index", "--model"],
    "evaluate": ["--json", "--misses", "--ablation", "--corpus", "--queries", "--qrels", "--index"],
}
LAMPS = "Hvor mange flere børn gik til skole?"


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def failure(self) -> str:
        """The one line on standard error, checked for being one and for being all there is."""
        assert self.out == ""
        assert self.err.startswith("tryghed-search: ")
        assert self.err.count("\n") == 1
        assert self.err.endswith("\n")
        assert "Traceback" not in self.err
        return self.err


Run = Callable[..., Ran]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Run]:
    """Runs the command in this process, in an empty folder, with the small report and model."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("TRYGHED_REPORTS", str(REPORTS))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["tryghed-search", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)  # which "serve" takes over


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that loads at once: a bag of the small report's words, one dimension each."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    text = (REPORTS / "lille-rapport" / "report.txt").read_text(encoding="utf-8").lower()
    words = ["[UNK]", *sorted(set(re.findall(r"\w+", text)))]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = np.eye(len(words), dtype=np.float32)
    folder = tmp_path_factory.mktemp("models") / "bag-of-words"
    bag = StaticEmbedding(tokenizer, embedding_weights=weights)
    SentenceTransformer(modules=[bag], device="cpu").save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="module")
def small_index(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "index"
    build.build_index(REPORTS, folder, Encoder(str(small_model)))
    return folder


@pytest.fixture
def small(
    small_model: Path, small_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the small index that a test may damage; its model is set."""
    monkeypatch.setenv("TRYGHED_MODEL", str(small_model))
    return Path(shutil.copytree(small_index, tmp_path / "small"))


# --- help and wrong usage -------------------------------------------------------------------------


def test_the_help_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.status == 0
    for name in COMMANDS:
        assert re.search(rf"^\W*{name}\b", ran.out, re.MULTILINE), name


@pytest.mark.parametrize(("name", "options"), COMMANDS.items())
def test_every_command_has_help_with_its_options(run: Run, name: str, options: list[str]) -> None:
    ran = run(name, "--help")
    assert ran.status == 0
    assert ran.err == ""
    assert cli.__dict__[name].__doc__.splitlines()[0][:60] in ran.out
    for option in options:
        assert option in ran.out


def test_help_is_there_without_loading_anything_heavy() -> None:
    script = (
        "import sys; from tryghed_search.cli import main\n"
        "sys.argv = ['tryghed-search', 'serve', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'faiss', 'sentence_transformers', 'numpy', 'fastapi', 'uvicorn'}\n"
        "print('loaded:', *(heavy & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["ask"],
        ["ask", "Hvad?", "--fly"],
        ["ask", "Hvad?", "--limit", "many"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "http"],
        ["evaluate"],
        ["evaluate", "--corpus", "c.jsonl"],
        ["evaluate", "--corpus", "c.jsonl", "--queries", "q.jsonl"],
        ["evaluate", "x.jsonl", "--corpus", "c", "--queries", "q", "--qrels", "r"],
    ],
)
def test_wrong_usage_ends_with_2_and_tells_how(run: Run, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert "Usage: tryghed-search" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([""], "question må ikke være tom"),
        ([" \n "], "question må ikke være tom"),
        (["x" * 501], "question må højst være på 500 tegn"),
        (["\udcff"], "question skal være gyldig Unicode"),
        (["Hvad?", "--limit", "0"], "limit skal være mindst 1"),
        (["Hvad?", "--limit", "21"], "limit må højst være 20"),
        (["Hvad?", "--history", ""], "history.0 må ikke være tom"),
        (["Hvad?", *["--history", "Og?"] * 11], "history må højst have 10 værdier"),
    ],
)
def test_a_question_that_the_api_refuses_is_wrong_usage(
    run: Run, arguments: list[str], told: str
) -> None:
    ran = run("ask", *arguments)
    assert ran.status == 2
    assert told in ran.failure


def test_an_unknown_filter_value_is_wrong_usage_and_the_known_ones_are_told(
    run: Run, small: Path
) -> None:
    ran = run("ask", "Hvad?", "--kind", "novelle", "--index", small)
    assert ran.status == 2
    assert "Mulige værdier: case, intro." in ran.failure


# --- asking ---------------------------------------------------------------------------------------


def test_ask_prints_the_body_that_the_api_answers_with(
    run: Run, client: TestClient, index_folder: Path
) -> None:
    arguments = ["--limit", "3", "--kind", "case", "--kind", "guide", "--audience", "leder"]
    history = ["--history", "Hvad er naboskab?", "--history", "Hvad gør Hjørring ved indbrud?"]
    ran = run("ask", "Hvad har de lært?", "--json", *arguments, *history, "--index", index_folder)
    sent = {
        "question": "Hvad har de lært?",
        "limit": 3,
        "kind": ["case", "guide"],
        "audience": ["leder"],
        "history": ["Hvad er naboskab?", "Hvad gør Hjørring ved indbrud?"],
    }
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out) == client.post("/api/v1/ask", json=sent).json()
    assert len(json.loads(ran.out)["passages"]) == 3


def test_ask_prints_the_answer_and_each_passage_with_its_reference(run: Run, small: Path) -> None:
    body = json.loads(run("ask", LAMPS, "--json", "--index", small).out)
    ran = run("ask", LAMPS, "--index", small)
    assert (ran.status, ran.err) == (0, "")
    assert body["passages"][0]["citation"]["section"] == ["Nørre Lyng – Lys på stien"]
    for passage in body["passages"]:
        assert f"{passage['rank']}. {passage['citation']['reference']}" in ran.out
        assert passage["text"] in ran.out
    said = body["notice"] or f"»{body['answer']['text']}«"
    assert ran.out.startswith(said)


def test_what_the_report_does_not_say_is_said_first(run: Run, small: Path) -> None:
    ran = run("ask", "Hvad gør Viborg mod indbrud?", "--index", small)
    assert ran.status == 0
    assert ran.out.startswith("Rapporten nævner ikke Viborg.")
    assert "»I " not in ran.out


# --- a re-ranker ----------------------------------------------------------------------------------


def test_ask_puts_the_passages_in_the_order_of_the_re_ranker_that_is_set(
    run: Run, small: Path, cross_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = build.read_reports(REPORTS)
    found = {passage.id: passage for passage in source.report.passages}

    def order() -> list[str]:
        ran = run("ask", LAMPS, "--json", "--index", small)
        assert (ran.status, ran.err) == (0, "")
        return [passage["id"] for passage in json.loads(ran.out)["passages"]]

    without = order()
    texts = [build.embedded_text(found[name]) for name in without]
    expected = [without[n] for n in Reranker(str(cross_encoder)).order(LAMPS, texts)]
    monkeypatch.setenv("TRYGHED_RERANKER", str(cross_encoder))
    assert order() == expected
    opposite = make_cross_encoder(tmp_path / "opposite", sign=-1.0)
    monkeypatch.setenv("TRYGHED_RERANKER", str(opposite))
    assert order() == expected[::-1]
    monkeypatch.setenv("TRYGHED_RERANKER", "")
    assert order() == without


@pytest.mark.parametrize("name", ["ask", "serve", "evaluate"])
def test_a_re_ranker_that_cannot_be_used_is_one_line(
    run: Run,
    small: Path,
    small_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps(LABELLED[0]), encoding="utf-8")
    arguments = {"ask": [LAMPS], "serve": ["--port", "0"], "evaluate": [tmp_path / "q.jsonl"]}
    for model in (tmp_path / "no-model", tmp_path, small_model):
        monkeypatch.setenv("TRYGHED_RERANKER", str(model))
        ran = run(name, *arguments[name], "--index", small)
        assert ran.status == 1
        assert str(model) in ran.failure
        assert "TRYGHED_RERANKER" in ran.failure


# --- where the index is ---------------------------------------------------------------------------


def test_the_index_is_looked_for_where_it_is_named_then_here_then_with_the_user(
    run: Run, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missed(*arguments: str | Path) -> str:
        ran = run("ask", LAMPS, *arguments)
        assert ran.status == 1
        return ran.failure.removeprefix("tryghed-search: There is no index in ").split(". ")[0]

    assert missed() == str(tmp_path / "data/tryghed-search/index")
    shutil.copytree(small, tmp_path / "data/tryghed-search/index")
    assert run("ask", LAMPS).status == 0
    shutil.copytree(small, "index")
    shutil.rmtree(tmp_path / "data")
    assert run("ask", LAMPS).status == 0
    monkeypatch.setenv("TRYGHED_INDEX", str(tmp_path / "environment"))
    assert missed() == str(tmp_path / "environment")
    assert missed("--index", tmp_path / "named") == str(tmp_path / "named")
    assert run("ask", LAMPS, "--index", small).status == 0


# --- ingest ---------------------------------------------------------------------------------------


def test_ingest_builds_an_index_and_says_what_is_in_it(
    run: Run, small_model: Path, tmp_path: Path
) -> None:
    ran = run("ingest", "--index", tmp_path / "new", "--model", small_model)
    assert (ran.status, ran.err) == (0, "")
    assert re.fullmatch(
        rf"Built {re.escape(str(tmp_path))}/new: 1 report\(s\), 3 sections, 3 passages, "
        r"\d+ vectors \(bag-of-words, \d+ dimensions\)\.\n",
        ran.out,
    )
    asked = run("ask", LAMPS, "--json", "--index", tmp_path / "new", "--model", small_model)
    assert json.loads(asked.out)["passages"][0]["id"] == "lille-rapport/lys/1"


def _small_report(folder: Path) -> Path:
    return Path(shutil.copytree(REPORTS / "lille-rapport", folder / "reports/lille-rapport"))


def test_an_outline_that_does_not_fit_leaves_the_old_index_in_force(
    run: Run, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _small_report(tmp_path)
    outline = (report / "outline.toml").read_text(encoding="utf-8")
    changed = outline.replace('opens = ["Kaffe', 'opens = ["Te')
    (report / "outline.toml").write_text(changed, encoding="utf-8")
    monkeypatch.setenv("TRYGHED_REPORTS", str(report.parent))
    before = run("ask", LAMPS, "--json", "--index", small)
    ran = run("ingest", "--index", small)
    assert ran.status == 1
    assert "'Te hos de ældre'" in ran.failure
    assert "no line from line 7 of the text on does" in ran.failure
    assert run("ask", LAMPS, "--json", "--index", small) == before


@pytest.mark.parametrize("break_it", ["no reports", "no text", "not UTF-8", "not TOML"])
def test_a_report_that_cannot_be_read_is_one_line(
    run: Run, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: str
) -> None:
    report = _small_report(tmp_path)
    if break_it == "no reports":
        shutil.rmtree(report)
    elif break_it == "no text":
        (report / "report.txt").unlink()
    elif break_it == "not UTF-8":
        (report / "report.txt").write_bytes(b"Tryghed i det sm\xe5")
    else:
        (report / "outline.toml").write_text("[report", encoding="utf-8")
    monkeypatch.setenv("TRYGHED_REPORTS", str(report.parent))
    ran = run("ingest", "--index", small)
    assert ran.status == 1
    assert str(report.parent) in ran.failure


def test_an_index_that_cannot_be_written_is_one_line(
    run: Run, small_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    # Nobody may make a folder in /sys, not even root, by whom tests are run in containers.
    for folder in (tmp_path / "file", tmp_path / "file/index", Path("/sys/tryghed/index")):
        ran = run("ingest", "--index", folder, "--model", small_model)
        assert ran.status == 1
        assert f"The index cannot be written to {folder}: " in ran.failure
        assert "--index" in ran.failure
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


# --- an index or a model that cannot be used ------------------------------------------------------


def _generation(index: Path) -> Path:
    (folder,) = index.glob("generation-*")
    return folder


def _truncate(index: Path) -> None:
    vectors = _generation(index) / "vectors.faiss"
    vectors.write_bytes(vectors.read_bytes()[:-100])


def _flip_a_bit(index: Path) -> None:
    vectors = _generation(index) / "vectors.faiss"
    data = bytearray(vectors.read_bytes())
    data[len(data) // 2] ^= 1
    vectors.write_bytes(data)


def _lose_a_file(index: Path) -> None:
    (_generation(index) / "rows.npy").unlink()


def _lose_the_files(index: Path) -> None:
    shutil.rmtree(_generation(index))


def _scribble(index: Path) -> None:
    (index / "manifest.json").write_text("{", encoding="utf-8")


def _empty_manifest(index: Path) -> None:
    (index / "manifest.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [_truncate, _flip_a_bit, _lose_a_file, _lose_the_files, _scribble, _empty_manifest],
)
@pytest.mark.parametrize("name", ["ask", "serve", "evaluate"])
def test_a_damaged_index_is_one_line_with_the_command_that_rebuilds_it(
    run: Run, small: Path, tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    damage(small)
    (tmp_path / "q.jsonl").write_text(json.dumps(LABELLED[0]), encoding="utf-8")
    arguments = {"ask": [LAMPS], "serve": ["--port", "0"], "evaluate": [tmp_path / "q.jsonl"]}
    ran = run(name, *arguments[name], "--index", small)
    assert ran.status == 1
    assert "tryghed-search ingest" in ran.failure
    assert str(small) in ran.failure


def _manifest(index: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((index / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (index / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("name", ["ask", "serve"])
def test_an_index_of_another_model_is_refused_with_the_command_that_rebuilds_it(
    run: Run, small: Path, name: str
) -> None:
    _manifest(small, lambda manifest: manifest["model"].update(name="other", sha256="0" * 64))
    ran = run(name, *([LAMPS] if name == "ask" else ["--port", "0"]), "--index", small)
    assert ran.status == 1
    assert "was made with the model other" in ran.failure
    assert "tryghed-search ingest" in ran.failure


def test_an_index_of_another_format_is_refused_with_the_command_that_rebuilds_it(
    run: Run, small: Path
) -> None:
    _manifest(small, lambda manifest: manifest.update(format=manifest["format"] + 1))
    ran = run("ask", LAMPS, "--index", small)
    assert ran.status == 1
    assert "tryghed-search ingest" in ran.failure


def test_a_model_that_is_not_there_is_one_line(run: Run, small: Path, tmp_path: Path) -> None:
    for model in (tmp_path / "no-model", tmp_path):
        ran = run("ask", LAMPS, "--index", small, "--model", model)
        assert ran.status == 1
        assert str(model) in ran.failure
        assert "--model or TRYGHED_MODEL" in ran.failure


def test_a_cache_that_cannot_be_written_is_one_line(
    run: Run, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRYGHED_CACHE", str(tmp_path / "file/cache"))
    ran = run("ask", LAMPS, "--index", small, "--model", "bundled")
    assert ran.status == 1
    assert "TRYGHED_CACHE" in ran.failure


def test_a_real_process_ends_with_1_and_one_line(tmp_path: Path) -> None:
    ran = subprocess.run(
        [*command(), "ask", LAMPS, "--index", tmp_path / "none"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert Ran(ran.returncode, ran.stdout, ran.stderr).failure == (
        f"tryghed-search: There is no index in {tmp_path}/none. "
        "Build it with 'tryghed-search ingest'.\n"
    )
    assert ran.returncode == 1


# --- evaluate -------------------------------------------------------------------------------------

LABELLED = (
    {"id": "a", "kind": "own-words", "question": LAMPS, "evidence": ["47 flere børn"]},
    {
        "id": "b",
        "kind": "keyword",
        "question": "frivillige kaffe torsdag",
        "evidence": ["hver torsdag"],
    },
    {"id": "c", "kind": "topic", "question": "ensomme ældre", "sections": ["kaffe"]},
    {"id": "d", "kind": "near", "question": "Hvad gør Viborg mod indbrud?"},
    {"id": "e", "kind": "far", "question": "Hvem vandt i tennis?"},
)


def _labelled(folder: Path) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in LABELLED), encoding="utf-8")
    return path


def test_evaluate_prints_the_figures_of_each_way_of_searching_as_json(
    run: Run, small: Path, tmp_path: Path
) -> None:
    ran = run("evaluate", _labelled(tmp_path), "--json", "--index", small)
    assert (ran.status, ran.err) == (0, "")
    tables = json.loads(ran.out)
    assert tables.keys() == {"dense", "bm25", "product"}
    for rows in tables.values():
        assert rows.keys() == {"all", "own-words", "keyword", "topic", "no-answer"}
        assert rows["all"]["questions"] == 2
        assert rows["all"].keys() >= {"hit@1", "hit@5", "mrr@10"}
        # Three passages of quite different words: each way finds the right one first.
        assert rows["all"]["hit@1"] == rows["all"]["mrr@10"] == [1.0, 1.0, 1.0]
        assert rows["topic"]["hit@1"] == [1.0, 1.0, 1.0]
        assert rows["no-answer"]["near questions"] == rows["no-answer"]["far questions"] == 1


def test_evaluate_prints_tables_with_each_row_on_a_line(
    run: Run, small: Path, tmp_path: Path
) -> None:
    ran = run("evaluate", _labelled(tmp_path), "--index", small)
    assert (ran.status, ran.err) == (0, "")
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert max(map(len, lines)) <= 120
    heads = [line for line in lines if re.match(r"\s*kind\s+questions", line)]
    assert len(heads) == 3
    assert heads[0].split() == [
        "kind",
        "questions",
        "hit@1",
        "hit@3",
        "hit@5",
        "mrr@10",
        "sentence",
    ]
    cell = r"\s+\d\.\d\d \[(?:1\.0|\.\d\d), (?:1\.0|\.\d\d)\]"
    for kind, count, cells in (("all", 2, 5), ("own-words", 1, 5), ("topic", 1, 4)):
        rows = [
            line for line in lines if re.fullmatch(rf"\s*{kind}\s+{count}({cell}){{{cells}}}", line)
        ]
        assert len(rows) == 3, kind
    assert re.search(r"^false answers near: \d\.\d\d \[", ran.out, re.MULTILINE)


def test_evaluate_leaves_out_one_part_after_another_when_asked(
    run: Run, small: Path, tmp_path: Path
) -> None:
    path = _labelled(tmp_path)
    ran = run("evaluate", path, "--ablation", "--json", "--index", small)
    assert (ran.status, ran.err) == (0, "")
    tables = json.loads(ran.out)
    assert list(tables) == [*ranking.PARTS_LEFT_OUT, "product"]
    assert all(rows["all"]["questions"] == 2 for rows in tables.values())
    whole = json.loads(run("evaluate", path, "--json", "--index", small).out)
    assert tables["product"] == whole["product"]


def test_evaluate_prints_a_line_for_each_part_that_is_left_out(
    run: Run, small: Path, tmp_path: Path
) -> None:
    ran = run("evaluate", _labelled(tmp_path), "--ablation", "--index", small)
    assert (ran.status, ran.err) == (0, "")
    for part in (*ranking.PARTS_LEFT_OUT, "nothing"):
        # Five figures: there are no follow-ups among the questions.
        line = rf"^\s*{re.escape(part)}(\s+\d\.\d\d \[[^]]+\]){{5}}\s*$"
        assert len(re.findall(line, ran.out, re.MULTILINE)) == 1, part


def test_evaluate_lists_the_worst_misses_when_asked(run: Run, small: Path, tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    missed = {**LABELLED[0], "evidence": ["med hjemmeplejen"]}
    path.write_text(json.dumps(missed), encoding="utf-8")
    ran = run("evaluate", path, "--misses", "3", "--index", small)
    assert f"[own-words] {LAMPS}" in ran.out
    assert "found lille-rapport/lys/1" in ran.out


def test_a_bad_line_in_a_question_file_is_named(run: Run, tmp_path: Path) -> None:
    path = _labelled(tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + "\n{oops\n", encoding="utf-8")
    ran = run("evaluate", path)
    assert ran.status == 1
    assert f"{path}, line 6 is not valid JSON" in ran.failure
    ran = run("evaluate", tmp_path / "none.jsonl")
    assert ran.status == 1
    assert "No such file" in ran.failure


def _beir(folder: Path) -> list[str | Path]:
    corpus = [
        {"_id": "lys", "text": "Lamper langs stien"},
        {"_id": "mad", "text": "Kaffe med ældre"},
    ]
    queries = [{"_id": "1", "text": "ensomme ældre"}, {"_id": "2", "text": "stien til skolen"}]
    for name, rows in (("c", corpus), ("q", queries)):
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    # The second question finds its document second.
    (folder / "r.tsv").write_text(
        "query-id\tcorpus-id\tscore\n1\tmad\t1\n2\tmad\t1\n", encoding="utf-8"
    )
    files = [folder / "c.jsonl", folder / "q.jsonl", folder / "r.tsv"]
    return ["--corpus", files[0], "--queries", files[1], "--qrels", files[2]]


def test_evaluate_measures_a_set_in_the_layout_of_beir(
    run: Run, small: Path, tmp_path: Path
) -> None:
    ran = run("evaluate", *_beir(tmp_path), "--json")
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out) == {
        "queries": 2,
        "documents": 2,
        "ndcg@10": 0.8155,  # (1 + 1 / log2(3)) / 2
        "recall@10": 1.0,
        "mrr@10": 0.75,
    }
    plain = run("evaluate", *_beir(tmp_path))
    assert dict(line.split("\t") for line in plain.out.splitlines())["ndcg@10"] == "0.8155"


def test_a_set_that_cannot_be_read_is_one_line(run: Run, small: Path, tmp_path: Path) -> None:
    arguments = _beir(tmp_path)
    (tmp_path / "q.jsonl").write_text('{"_id": "1"}\n', encoding="utf-8")
    ran = run("evaluate", *arguments, "--json")
    assert ran.status == 1
    assert f"{tmp_path}/q.jsonl, line 1 must be a JSON object" in ran.failure
    (tmp_path / "c.jsonl").unlink()
    ran = run("evaluate", *arguments)
    assert ran.status == 1
    assert f"{tmp_path}/c.jsonl cannot be read: No such file" in ran.failure
