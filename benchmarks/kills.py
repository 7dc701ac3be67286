"""Kill a process that writes the index without end, at random moments, and load what is left.

    python benchmarks/kills.py --times 50

Each time the index must be the old one or the new one, whole, and the next ingest must work. Ends
with status 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

REPORTS = Path(__file__).parents[1] / "tests" / "reports"

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


def main() -> int:
    """Run it; 0 if every index was whole."""
    from tryghed_search import build, settings, store
    from tryghed_search.loading import Loader

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=50)
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
            found["wrong"] += left != [store.read_manifest(index).folder]
    sys.stdout.write(json.dumps({"kills": options.times} | found) + "\n")
    return int(found["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
