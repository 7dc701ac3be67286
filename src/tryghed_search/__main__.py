"""Where the command ``tryghed-search`` begins, also as ``python -m tryghed_search``."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the command; see ``cli.main``."""
    # What imports make stays: looking through it for what does not is a tenth of a start. Goes on
    # when the model is loaded (loading.py) or other processes are to be looked after (running.py);
    # only short commands do without.
    gc.disable()
    from tryghed_search import cli

    cli.main()


if __name__ == "__main__":
    main()
