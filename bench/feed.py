#!/usr/bin/python3
"""The bar on the feed: 30 minutes of random kills of instances, Redis and PostgreSQL under writes, and nothing is lost.

usage: bench/feed.py [MINUTES [SEED]]   (EVENTLY_BINARY says which binary)
"""

import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "fault")]

import chaos_feed  # noqa: E402

if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    chaos_feed.run(minutes * 60, int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6))
