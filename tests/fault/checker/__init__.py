"""The consistency checker: several instances, one PostgreSQL with a standby, one Redis, faults drawn from a seed.

Every event is a register that holds its version. `register.py` is the shared memory in which the client processes tell
each other what was acknowledged, `clients.py` reads and writes and judges, `servers.py` is what runs, `faults.py` is what
befalls it, and `__main__.py` puts them together. Run it: PYTHONPATH=tests python3 -m fault.checker --help
"""
