"""What this machine's kernel says of its own clock: whether anything keeps it right.

Reading it needs no rights and changes nothing. Machines whose clock the host keeps say "not synchronised" as well, so that it
is a hint and no proof. Only Linux is asked.
"""

from __future__ import annotations

import ctypes
import sys

_UNSYNCHRONISED = 0x0040
_STATUS = 5
"""Which of the long integers of ``struct timex`` holds the status bits, counted from its begin: modes, offset, frequency, two
errors, status; the first and the sixth are integers that are padded to a long one."""
_SIZE = 512


def is_synchronised() -> bool | None:
    """None where it is not told."""
    if not sys.platform.startswith("linux"):
        return None
    timex = (ctypes.c_long * (_SIZE // ctypes.sizeof(ctypes.c_long)))()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (AttributeError, OSError):
        return None
    return None if state < 0 else not int(timex[_STATUS]) & _UNSYNCHRONISED
