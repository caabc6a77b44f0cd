#!/usr/bin/env python3
"""Measure failovers in the lab with the default configuration, for doc/measurements.md.

For each situation: the time from the fault until a client gets the page of the other node through
the address, as the median and maximum of --runs runs. The client asks every 10 ms.

--takeover: of three controllers the one that leads is killed; the time until the holder's lease is
extended again, as the holder's kernel tells, and the part of it after the election.
"""
import argparse
import datetime
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster  # noqa: E402
from lab import TOP, VIP, Lab, wait_for  # noqa: E402

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


def watch_extensions(lab, node, times):
    monitor = subprocess.Popen(["ip", "netns", "exec", lab.ns(node), "ip", "monitor", "address"],
                               stdout=subprocess.PIPE, text=True)

    def read():
        for line in monitor.stdout:
            if VIP in line:
                times.append(time.time())
    threading.Thread(target=read, daemon=True).start()
    return monitor


def led_since(controller):
    line = [line for line in controller.log().splitlines() if "leading in term" in line][-1]
    stamp = re.match(r"\S+", line).group(0).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(stamp).timestamp()


def measure_takeovers(build, runs):
    """For each run: seconds from the kill to the next extension, and from the election to it."""
    lab = Lab(build, f"ephor-m{os.getpid()}")
    lab.env["LAB_CONTROLLERS"] = "3"
    lab.cluster = cluster = Cluster(lab, 3)
    times, monitor = [], None
    try:
        lab.up()
        cluster.form()
        cluster.service_is("n1")
        monitor = watch_extensions(lab, "n1", times)
        for _ in range(runs):
            time.sleep(3)  # followers are warm, the leader is calm
            leader = cluster.leader()
            killed = time.time()
            leader.kill()
            # what it had sent before is carried out within milliseconds
            after = wait_for("an extension", lambda k=killed: [t for t in times if t > k + 0.03])[0]
            yield after - killed, after - led_since(cluster.leader())
            leader.start()
            cluster.agree()
    finally:
        if monitor is not None:
            monitor.kill()
        cluster.close(cleanly=False)
        lab.down()
        shutil.rmtree(lab.dir, ignore_errors=True)


def takeovers(args):
    runs = list(measure_takeovers(os.path.abspath(args.build), args.runs))
    print("| leader killed, until the lease is extended | median | fastest | slowest |\n"
          "| --- | --- | --- | --- |")
    for name, times in (("in all", [r[0] for r in runs]), ("after the election", [r[1] for r in runs])):
        print(f"| {name} | {1000 * statistics.median(times):.0f} ms | {1000 * min(times):.0f} ms | "
              f"{1000 * max(times):.0f} ms |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--takeover", action="store_true")
    args = parser.parse_args()
    if args.takeover:
        takeovers(args)
        return
    print("| situation | median | fastest | slowest |\n| --- | --- | --- | --- |")
    for name, (verb, to) in SITUATIONS.items():
        times = [measure(os.path.abspath(args.build), verb, to) for _ in range(args.runs)]
        print(f"| {name} | {statistics.median(times):.2f} s | {min(times):.2f} s | "
              f"{max(times):.2f} s |", flush=True)


if __name__ == "__main__":
    main()
