"""What is known of every event, in memory that all client processes share.

A cell is written by one process, except `seen`, where a lost update only forgets something that was seen: the check grows
weaker then, never wrong. Cells are aligned 64-bit words, whose loads and stores are whole on the machines that this runs on.

The value of an event is its version, and DELETED, which is greater than every version, once it is gone.
"""

import mmap

DELETED = 1 << 40
EVENTS_MAX = 1 << 17
ACTIVE_MAX = 64
CLIENTS_MAX = 64
INSTANCES_MAX = 5

# certainly(index): what lists must show
UNKNOWN, SHOWN, HIDDEN = 0, 1, 2

# counters of a client
READS, WRITES, UNSURE, FAILED, STALE, LISTS, PRIMARY, SHARED_HITS, ALIVE = range(9)
COUNTERS = 9


class Register:
    def __init__(self):
        self.columns = 4 + INSTANCES_MAX
        words = 2 + ACTIVE_MAX + CLIENTS_MAX * COUNTERS + EVENTS_MAX * self.columns
        self.memory = mmap.mmap(-1, words * 8)
        view = memoryview(self.memory).cast("q")
        at = 0

        def take(count):
            nonlocal at
            at += count
            return view[at - count:at]

        self.control = take(2)              # [0]: indexes given out; [1]: the run is over
        self.active = take(ACTIVE_MAX)      # slot → index of its event + 1, or 0
        self.counters = take(CLIENTS_MAX * COUNTERS)
        self.ids = take(EVENTS_MAX)         # index → event id
        self.floor = take(EVENTS_MAX)       # acknowledged: every read that starts now shows at least this
        self.ceiling = take(EVENTS_MAX)     # attempted: no read shows more
        self.certain = take(EVENTS_MAX)     # SHOWN or HIDDEN by lists of published events, if no write is under way
        self.seen = [take(EVENTS_MAX) for _ in range(INSTANCES_MAX)]  # by a read of that instance that is over

    @property
    def over(self):
        return self.control[1] != 0

    def finish(self):
        self.control[1] = 1

    def count(self, client, counter, by=1):
        self.counters[client * COUNTERS + counter] += by

    def total(self, counter):
        return sum(self.counters[client * COUNTERS + counter] for client in range(CLIENTS_MAX))
