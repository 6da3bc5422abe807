"""One command of the console script in a process of its own, forked from one that has loaded the program already.

Loading takes ten times as long as most commands. The processes that stay, and the first try, start the script itself.
"""

import io
import os
import sys
import warnings
from pathlib import Path

from consent_service import cli, web


def obey(folder: Path, words: tuple[str, ...], given: dict[str, str], streams: Path) -> None:
    """Run one command to its end; `0` in `streams` is what is typed, `1` and `2` become what it says."""
    os.setsid()
    warnings.simplefilter("error")
    os.environ.clear()
    os.environ.update(given)
    os.chdir(folder)
    for number, flags in enumerate((os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)):
        os.dup2(os.open(streams / str(number), flags), number)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
    sys.argv = ["consent-service", *words]
    assert web, "loaded beforehand, for those commands that need it"
    cli.main()
