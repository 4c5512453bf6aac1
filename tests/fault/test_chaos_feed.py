"""Random kills of instances, Redis and PostgreSQL under writes, for a short while; `./dev bench feed` does it for longer."""

import os
import random

import pytest

import chaos_feed
from harness import postgres

SECONDS = float(os.environ.get("EVENTLY_CHAOS_SECONDS", "60"))


@pytest.mark.slow
@pytest.mark.skipif(not postgres.is_built(), reason="needs PostgreSQL")
def test_the_feed_survives_random_kills():
    chaos_feed.run(SECONDS, int(os.environ.get("EVENTLY_SEED", random.randrange(10**6))))
