"""Every mail as a spam filter sees it: SpamAssassin with its own rules, asking nobody on the network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from consent_service.language import CODES
from tests.post import written

SPAMASSASSIN = shutil.which("spamassassin")
NO_SPAMASSASSIN = "SpamAssassin is not installed (apt install spamassassin): NO mail was scored"
MOST = 1.0
SCORE = re.compile(r"^X-Spam-Status: \w+, score=(-?[\d.]+)", re.MULTILINE)
KNOWN_SPAM = b"Subject: x\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"

pytestmark = [pytest.mark.soak, pytest.mark.skipif(SPAMASSASSIN is None, reason=NO_SPAMASSASSIN)]


@pytest.mark.parametrize("code", CODES)
def test_no_mail_looks_like_spam(tmp_path, code):
    assert score(KNOWN_SPAM, tmp_path) > 100, "the rules are there"
    with written(tmp_path, code, first="Aino", last="Mäkelä") as post:
        scores = {kind: score(letter.data, tmp_path) for kind, letter in post.letters.items()}
    assert {kind: found for kind, found in scores.items() if found > MOST} == {}


def score(mail: bytes, home: Path) -> float:
    """How much a mail looks like spam."""
    asked = [SPAMASSASSIN, "--local", "--test-mode"]
    place = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    told = subprocess.run(asked, input=mail, capture_output=True, check=True, env=place)
    return float(SCORE.search(told.stdout.decode("utf-8", "replace"))[1])
