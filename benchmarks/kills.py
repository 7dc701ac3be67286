"""Kill processes that write an index, at random moments, and load what is left.

    python benchmarks/kills.py --times 50 --ingests 5

First one that writes an index without end, then ingests that embed a changed report. Each time the
index must be the old one or the new one, whole, and the next ingest must work; what it embeds
anew is counted, and what comes out must be what a build from nothing gives. Ends with status 1
otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tryghed_search.embedding import Encoder

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "tests" / "reports"
LARGE = ROOT / "ingest" / "lokal-tryghed-1"

WRITER = """
import sys
from pathlib import Path
from tryghed_search import store
folder = Path(sys.argv[1])
model = store.read_manifest(folder).model
_, contents = store.load(folder, model)
number = int(sys.argv[2])
while True:
    number += 1
    print(number, flush=True)
    store.write(folder, contents, model, f"write {number}")
"""

INGEST = """
import sys
from pathlib import Path
from tryghed_search import build, settings
from tryghed_search.loading import Loader
encoder = Loader(settings.load()).encoder
print("begun", flush=True)
build.build_index(Path(sys.argv[1]), Path(sys.argv[2]), encoder)
"""


def kill_ingests(folder: Path, encoder: Encoder, times: int, dice: random.Random) -> Counter[str]:
    """Kill ingests of the large report over an index of the small one."""
    from tryghed_search import build, store

    found: Counter[str] = Counter()
    index, reports = folder / "ingested", folder / "reports"
    shutil.copytree(REPORTS, reports)
    before = build.build_index(reports, index, encoder)
    shutil.copytree(LARGE, reports / LARGE.name)
    for _ in range(times):
        process = subprocess.Popen(
            [sys.executable, "-c", INGEST, str(reports), str(index)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(dice.uniform(0, 20))
        process.send_signal(signal.SIGKILL)
        process.wait()
        manifest = store.load(index, encoder.identity)[0]  # raises if it is not whole
        found["old" if manifest == before else "new"] += 1
    embedded = [(0, 0)]
    last = build.build_index(reports, index, encoder, lambda *done: embedded.append(done))
    fresh = build.build_index(reports, folder / "fresh", encoder)
    found["embedded at last"] = embedded[-1][1]
    found["embedded from nothing"] = fresh.counts["vectors"]
    found["wrong"] += last.files != fresh.files
    return found


def main() -> int:
    """Run it; 0 if every index was whole."""
    from tryghed_search import build, settings, store
    from tryghed_search.loading import Loader

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--ingests", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="tryghed-kills-") as folder:
        index = Path(folder) / "index"
        encoder = Loader(settings.load(index=index)).encoder
        build.build_index(REPORTS, index, encoder)
        expected = store.load(index, encoder.identity)[1]
        last = 0
        store.write(index, expected, encoder.identity, "write 0")
        for _ in range(options.times):
            process = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(index), str(last)],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            begun = int(process.stdout.readline())
            time.sleep(dice.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
            begun = max([begun, *map(int, process.stdout.read().split())])
            process.wait()
            manifest, contents = store.load(index, encoder.identity)  # raises if it is not whole
            same = contents.reports == expected.reports
            what = {f"write {begun - 1}": "old", f"write {begun}": "new"}.get(manifest.built)
            found[what if same and what else "wrong"] += 1
            last = begun
            store.write(index, expected, encoder.identity, f"write {last}")
            left = sorted(path.name for path in index.iterdir() if path.is_dir())
            found["wrong"] += left != [build.ENCODED, store.read_manifest(index).folder]
        if options.ingests:
            found += kill_ingests(Path(folder), encoder, options.ingests, dice)
    sys.stdout.write(json.dumps({"kills": options.times + options.ingests} | found) + "\n")
    return int(found["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
