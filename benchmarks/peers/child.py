"""One system in a process of its own: builds its index, or answers one line after another.

    python child.py build NAME MODEL FOLDER PASSAGES
    python child.py serve NAME MODEL FOLDER

``NAME`` is a file beside this one with ``build(passages, model, folder)`` and
``load(model, folder)``, which gives ``search(question, count)``. A line in is ``[question,
count]``, a line out ``{"seconds", "found"}``; the first line out of ``build`` and the last of
``serve`` tell the peak of memory.
"""

import importlib
import json
import os
import re
import sys
import time
from pathlib import Path


def peak_mb():
    """The most memory that this process has had resident, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024, 1)


def main():
    """Keep standard output for what is told; libraries that print are sent to standard error."""
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    what, name, model, folder = sys.argv[1:5]
    system = importlib.import_module(name)

    def tell(line):
        told.write(json.dumps(line) + "\n")
        told.flush()

    if what == "build":
        lines = Path(sys.argv[5]).read_text(encoding="utf-8").splitlines()
        passages = [json.loads(line) for line in lines]
        began = time.perf_counter()
        system.build(passages, model, Path(folder))
        tell({"seconds": time.perf_counter() - began, "peak_mb": peak_mb()})
        return
    search = system.load(model, Path(folder))
    for line in sys.stdin:
        question, count = json.loads(line)
        began = time.perf_counter()
        found = search(question, count)
        tell({"seconds": time.perf_counter() - began, "found": found})
    tell({"peak_mb": peak_mb()})


if __name__ == "__main__":
    main()
