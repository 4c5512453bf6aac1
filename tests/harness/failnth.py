"""The other side of tests/fault/failnth.c: arms, counts and disarms faults in a running process."""

import ctypes
import errno
import mmap

from .service import BINARY

LIBRARY = BINARY.parent / "tests" / "fault" / "libfailnth.so"
MEMORY, WRITE, SYNC = 1, 2, 4


class Control(ctypes.Structure):
    _fields_ = [
        ("kinds", ctypes.c_uint),
        ("error", ctypes.c_int),
        ("countdown", ctypes.c_longlong),
        ("failed", ctypes.c_longlong),
        ("sticky", ctypes.c_uint),
    ]


class Faults:
    COUNTING = 2**60  # a countdown that no test reaches: counts only

    def __init__(self, path):
        path.write_bytes(bytes(4096))
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)
        self.control = Control.from_buffer(self.page)
        self.environment = {"LD_PRELOAD": str(LIBRARY), "FAILNTH_CONTROL": str(path)}

    def arm(self, kinds, nth, sticky=False, error=errno.EIO):
        self.control.kinds = 0
        self.control.error = error
        self.control.failed = 0
        self.control.sticky = 1 if sticky else 0
        self.control.countdown = nth
        self.control.kinds = kinds

    def disarm(self):
        """Gives how many calls were made to fail."""
        self.control.kinds = 0
        return self.control.failed

    def count(self, kinds, function):
        """How many calls of these kinds happen while the function runs."""
        self.arm(kinds, self.COUNTING)
        function()
        self.control.kinds = 0
        return self.COUNTING - self.control.countdown
