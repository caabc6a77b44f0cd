"""Random partitions of the holder of the address. Whatever is cut, for however long: the address is
never on two nodes, and the service is held again. EPHOR_PARTITIONS says how many (make
check-partitions N=200); the rest of the tests contents itself with a few."""
import os
import random
import time

from lab import claim, wait_for
from scenario import HASTY, scenario

COUNT = int(os.environ.get("EPHOR_PARTITIONS", "5"))
CONTROLLERS = [f"10.77.0.{i}" for i in range(1, 6)]


def cut(lab, n):
    lab.lab("cut", n)
    return lambda: lab.lab("heal", n)


def deaf(lab, n):
    lab.lab("drop", n, "in")
    return lambda: lab.lab("undrop", n)


def mute(lab, n):
    lab.lab("drop", n, "out")
    return lambda: lab.lab("undrop", n)


def no_way_to_the_controllers(lab, n):
    """Clients still reach it."""
    for address in CONTROLLERS:
        lab.lab("on", n, "ip", "route", "add", "blackhole", address)

    def heal():
        for address in CONTROLLERS:
            lab.lab("on", n, "ip", "route", "del", "blackhole", address)
    return heal


def stopped(lab, n):
    """The sessions of its sshd and the lease shells stand still: lines wait, and are read late."""
    pids = lab.lab("on", n, "pgrep", "-f", "sshd: root|ephor-lease", check=False).split()
    lab.lab("on", n, "kill", "-STOP", *pids, check=False)
    return lambda: lab.lab("on", n, "kill", "-CONT", *pids, check=False)


KINDS = [cut, deaf, mute, no_way_to_the_controllers, stopped]


def held_by(lab):
    """The node that holds the address, as the controllers say and as its kernel does; None."""
    if lab.cluster is not None:
        node = lab.cluster.held_by()
    else:
        service = lab.service()
        node = service["active"] if service["phase"] == "steady" and \
            service["active"] == lab.holder() else None
    return node if node is not None and lab.has_address(int(node[1])) else None


def reach_all(lab):
    status = lab.try_status() if lab.cluster is None else lab.cluster.leader().json("status")
    return status and all(node["reachable"] for node in status["nodes"])


def partition(lab, kind):
    n = int(wait_for("somebody holds the address", lambda: held_by(lab), 60)[1])
    wait_for("all nodes are reached", lambda: reach_all(lab), 60)
    heal = kind(lab, n)
    try:
        time.sleep(random.uniform(0.05, 2.5))
        if kind != stopped and random.random() < 0.6:  # a new session may help where they stand still
            wait_for("another node holds it", lambda: held_by(lab) not in (None, f"n{n}"), 30)
    finally:
        heal()
    wait_for(f"somebody holds the address after '{kind.__name__}'", lambda: held_by(lab), 60)


def partitions(lab, count):
    for i in range(count):
        partition(lab, KINDS[i % len(KINDS)] if count < 3 * len(KINDS) else random.choice(KINDS))
    changes, totals = lab.watched()
    print(f"  {count} partitions: {totals['moves']} moves, longest gap "
          f"{totals['longest_none_ms']:.0f} ms, overlap {totals['both_ms']:.0f} ms, sampled every "
          f"2 ms, longest pause of the sampler {totals['longest_pause_ms']:.0f} ms", flush=True)
    claim(totals["moves"] > 0, f"nothing moved: {changes}")


@scenario(settings=HASTY, seconds=30)
def random_partitions_of_the_holder(lab):
    partitions(lab, COUNT)


@scenario(settings=HASTY, controllers=3, seconds=40)
def random_partitions_of_the_holder_from_three(lab):
    partitions(lab, COUNT)
