"""One process that makes the first keys of development mode; it loads no test, which would take longer than that."""

import os

from consent_service import config


def first_keys(folder, given, together, found):
    """Read the settings as soon as all others are about to, and tell which keys are in them."""
    os.umask(0)  # whoever else is on the machine still cannot read the keys
    os.environ.clear()
    os.environ.update(given)
    os.chdir(folder)
    together.wait(60)
    settings, _ = config.load()
    found.put((settings.secret_keys, settings.data_keys))
