#!/usr/bin/env python3
"""Measure failovers in the lab with the default configuration, for doc/measurements.md.

For each situation: the time from the fault until a client gets the page of the other node through
the address, as the median and maximum of --runs runs. The client asks every 10 ms.
"""
import argparse
import os
import shutil
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import TOP, Lab, wait_for  # noqa: E402

SITUATIONS = {
    "nginx killed, restarted on its node": ("kill-service", "n1"),
    "nginx killed and cannot start, moved": ("break-service", "n2"),
    "node cut off, moved": ("cut", "n2"),
}


def measure(build, verb, to):
    """Seconds without a page."""
    lab = Lab(build, f"ephor-m{os.getpid()}")
    try:
        lab.up()
        lab.start()
        lab.settled()
        lab.poll()
        before = time.monotonic()
        lab.lab(verb, 1)
        if to == "n1":
            lab.in_journal("works again after the restart")
        wait_for(f"the client reaches {to}", lambda: lab.client() == to, 60)
        _, totals = lab.tools["poll"].end()
        del lab.tools["poll"]
        lab.watched()
        assert totals["longest_outage_ms"] / 1000 < time.monotonic() - before
        return totals["longest_outage_ms"] / 1000
    finally:
        lab.down()
        shutil.rmtree(lab.dir, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    print("| situation | median | fastest | slowest |\n| --- | --- | --- | --- |")
    for name, (verb, to) in SITUATIONS.items():
        times = [measure(os.path.abspath(args.build), verb, to) for _ in range(args.runs)]
        print(f"| {name} | {statistics.median(times):.2f} s | {min(times):.2f} s | "
              f"{max(times):.2f} s |", flush=True)


if __name__ == "__main__":
    main()
