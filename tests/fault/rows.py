"""What a fault's module gives back: rows of goal and result, or the reason why there are none."""

import shutil
from dataclasses import dataclass


@dataclass
class Row:
    how: str
    goal: str
    result: str
    reached: bool


class Skipped(Exception):
    """Something is not installed, or this machine does not let us do it; the text says what."""


def need(*programs):
    for program in programs:
        if shutil.which(program) is None and shutil.which(f"/usr/sbin/{program}") is None:
            raise Skipped(f"{program} is not installed")
