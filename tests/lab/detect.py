#!/usr/bin/env python3
"""Measure in the lab how long three controllers take from the death of a service to the agreed
verdict, for doc/measurements.md: interval 1 s, everything else by default, and then without
confirmation, without staggering, and without both. The service dies at a random moment of the
interval. What is timed is the arrival of the verdict's journal line at a client of the leader."""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster  # noqa: E402
from lab import TOP, Lab, wait_for  # noqa: E402

PACE = 'interval = "1s"; timeout = "1s"; retry = "300ms"; fall = 3; rise = 2;'
VARIANTS = {
    "default": "",
    "confirm = false": "confirm = false;",
    "stagger = false": "stagger = false;",
    "both false": "confirm = false; stagger = false;",
}


class Listener(threading.Thread):
    """Journal lines of a controller, each with the time at which it came."""

    def __init__(self, controller):
        super().__init__(daemon=True)
        self.lines = []
        self.process = subprocess.Popen(controller.command("--json", "journal", "-n", "1", "-f"),
                                        stdout=subprocess.PIPE, text=True, env=controller.lab.env)

    def run(self):
        for text in self.process.stdout:
            self.lines.append((time.time(), json.loads(text)))

    def wait(self, state, since):
        def look():
            return next((at for at, line in self.lines if at >= since and
                         line["object"] == "web/n1/http" and line["text"].startswith(state)), None)
        return wait_for(f"web/n1/http is {state}", look, 30, every=0.002)

    def end(self):
        self.process.kill()
        self.process.wait()


def measure(build, settings, runs):
    lab = Lab(build, f"ephor-d{os.getpid()}")
    lab.env["LAB_CONTROLLERS"] = "3"
    lab.cluster = Cluster(lab, 3)
    times = []
    try:
        lab.up()
        lab.edit_all((PACE, f'interval = "1s"; {settings}'))
        lab.cluster.form()
        lab.cluster.service_is("n1")
        lab.cluster.leader().ctl("pause", "--reason", "only the verdict is wanted")
        listener = Listener(lab.cluster.leader())
        listener.start()
        for _ in range(runs):
            time.sleep(random.uniform(1, 2))  # somewhere in the interval
            died = time.time()
            lab.lab("kill-service", 1)
            times.append(listener.wait("critical", died) - died)
            lab.lab("start-service", 1)
            listener.wait("ok", died)
        listener.end()
        lab.cluster.close(cleanly=True)
    finally:
        lab.cluster.close(cleanly=False)
        lab.down()
        shutil.rmtree(lab.dir, ignore_errors=True)
    return sorted(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--runs", type=int, default=50)
    args = parser.parse_args()
    print("| three controllers, interval 1 s | median | p99 | fastest |\n| --- | --- | --- | --- |")
    for name, settings in VARIANTS.items():
        times = measure(os.path.abspath(args.build), settings, args.runs)
        p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
        print(f"| {name} | {statistics.median(times) * 1000:.0f} ms | {p99 * 1000:.0f} ms | "
              f"{times[0] * 1000:.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
