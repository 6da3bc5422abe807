"""One command of the console script in a process of its own, forked from one that has loaded the program already.

Loading takes ten times as long as most commands. The first try alone starts the script itself.
"""

import io
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from consent_service import cli, web


def obey(folder: Path, words: tuple[str, ...], given: dict[str, str], streams: Sequence[Path]) -> None:
    """Run one command to its end; what is typed is in the first of `streams`, what it says is added to the others."""
    os.setsid()
    warnings.simplefilter("error")
    os.environ.clear()
    os.environ.update(given)
    os.chdir(folder)
    for number, stream in enumerate(streams):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_APPEND if number else os.O_RDONLY), number)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
    sys.argv = ["consent-service", *words]
    assert web, "loaded beforehand, for those commands that need it; its server notes the folder it is loaded in"
    cli.main()
