"""An ActiveCampaign account of the tests and an ordinary client of it, over real sockets."""

from collections.abc import Iterator

import pytest

from tests.servers.activecampaign import ActiveCampaign
from tests.servers.api import Api


@pytest.fixture
def account() -> Iterator[ActiveCampaign]:
    with ActiveCampaign() as server:
        server.rate_limit = None
        yield server


@pytest.fixture
def api(account: ActiveCampaign) -> Iterator[Api]:
    caller = Api(account)
    with caller.session:
        yield caller
