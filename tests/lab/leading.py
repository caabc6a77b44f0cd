"""Scenarios of the leader that changes: orders in flight, leases, sessions that were kept warm."""
import os
import random
import re
import signal
import subprocess
import time

from lab import claim, stays, wait_for
from scenario import HASTY, scenario

RESTART = """#!/bin/sh
echo begin >>/run/node/count
sleep "$(cat /run/node/pause)"
/run/node/nginx-ctl restart
echo end >>/run/node/count
"""
COUNTED = ('restart = [ "/run/node/nginx-ctl", "restart" ]',
           'restart = [ "/bin/sh", "/run/node/counted-restart" ]')


def children(controller):
    """Role and pid of all processes of a controller but its supervisor."""
    done = subprocess.run(["ps", "--no-headers", "-o", "pid,args", "--ppid",
                           str(controller.process.pid)], capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        pid, args = line.split(None, 1)
        for role in ("quorum", "actor", "checker", "status"):
            if role in args:
                found[role] = int(pid)
    return found


def send(signal_number, pids):
    for pid in pids:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            pass  # the supervisor has given it up


def everything_of(controller):
    return [controller.process.pid, *children(controller).values()]


def another_leads(cluster, old, seconds=10):
    def look():
        return next((c for c in cluster.running() if c is not old and c.leads()), None)
    return wait_for("another one leads", look, seconds)


class Orders:
    """Restarts of web on n1 that are counted there."""

    def __init__(self, lab):
        self.lab = lab
        self.set_pause(0.6)
        with open(lab.path("n1", "counted-restart"), "w", encoding="utf-8") as f:
            f.write(RESTART)

    def set_pause(self, seconds):
        with open(self.lab.path("n1", "pause"), "w", encoding="utf-8") as f:
            f.write(str(seconds))

    def counted(self, word):
        path = self.lab.path("n1", "count")
        if not os.path.exists(path):
            return 0
        with open(path, encoding="utf-8") as f:
            return f.read().split().count(word)

    def order_one(self, leader):
        """Kill the service; the index of the decision to restart it."""
        after = leader.journal()[-1]["index"]
        self.lab.lab("kill-service", 1)

        def look():
            for line in leader.journal():
                if line["index"] > after and "restart it" in line["text"]:
                    return line["index"]
            return None
        return wait_for("the restart is ordered", look, 10, 0.02)

    def check(self, controller, index, begun):
        """One order, carried out once, its outcome found out; the service is where it was."""
        def told():
            lines = [line for line in controller.journal() if line["index"] >= index]
            return lines if any("works again" in line["text"] for line in lines) else None
        lines = wait_for("it works again", told, 20)
        words = [line["text"] for line in lines]
        outcomes = [text for text in words if text.startswith("restart: ")]
        claim(outcomes == ["restart: done"], f"outcomes: {outcomes} of {words}")
        claim(sum("restart it" in text for text in words) == 1, f"ordered again: {words}")
        claim(not any("move" in text for text in words), f"it was moved: {words}")
        for word in ("begin", "end"):
            claim(self.counted(word) == begun, f"carried out {self.counted(word)} times, not {begun}")


@scenario(controllers=3, seconds=45, settings=HASTY, edits=(COUNTED,))
def orders_in_flight_outlive_the_leader(lab):
    """A restart that the leader ordered and did not live to see the end of, is carried out once."""
    cluster = lab.cluster
    orders = Orders(lab)

    def before_it_began():
        lock = subprocess.Popen([os.path.join(lab.dir, "lock-orders")], stdout=subprocess.PIPE)
        claim(lock.stdout.readline() == b"locked\n", "the lock of orders is not to be had")
        leader = cluster.leader()
        index = orders.order_one(leader)
        wait_for("it has come to the node", lambda: waits_for_lock(lab), 10)
        leader.kill()
        another_leads(cluster, leader)
        claim(orders.counted("begin") == 0, "it was begun too early")
        lock.kill()
        lock.wait()
        return leader, index, leader.start

    def while_it_runs():
        orders.set_pause(3)
        leader = cluster.leader()
        index = orders.order_one(leader)
        wait_for("it was begun", lambda: orders.counted("begin") == 2, 10, 0.02)
        leader.kill()
        orders.set_pause(0.6)
        return leader, index, leader.start

    def after_it_ended():
        leader = cluster.leader()
        deaf = [children(c)["quorum"] for c in cluster.running() if c is not leader]
        index = orders.order_one(leader)
        wait_for("it was begun", lambda: orders.counted("begin") == 3, 10, 0.02)
        send(signal.SIGSTOP, deaf)  # what the leader hears cannot be agreed upon
        wait_for("it ended", lambda: orders.counted("end") == 3, 10, 0.02)
        leader.kill()
        send(signal.SIGCONT, deaf)
        return leader, index, leader.start

    def stopped():
        leader = cluster.leader()
        index = orders.order_one(leader)
        wait_for("it was begun", lambda: orders.counted("begin") == 4, 10, 0.02)
        pids = everything_of(leader)
        send(signal.SIGSTOP, pids)
        return leader, index, lambda: send(signal.SIGCONT, pids)

    def cut_off():
        leader = cluster.leader()
        index = orders.order_one(leader)
        wait_for("it was begun", lambda: orders.counted("begin") == 5, 10, 0.02)
        lab.lab("cut", leader.name)
        return leader, index, lambda: lab.lab("heal", leader.name)

    write_lock_orders(lab)
    for n, fault in enumerate((before_it_began, while_it_runs, after_it_ended, stopped, cut_off)):
        old, index, mend = fault()
        new = another_leads(cluster, old)
        if fault is stopped:
            mend()  # while the next leader finds out how it ended
        orders.check(new, index, n + 1)
        if fault is not stopped:
            mend()
        wait_for(f"{old.name} has heard of it",
                 lambda o=old, w=new: o.log_index() >= w.log_index() > 0, 20)
        cluster.service_is("n1")
    _, totals = lab.watched()
    claim(totals["moves"] == 0, f"the address moved: {totals}")


def write_lock_orders(lab):
    """A program that holds the lock which an order takes before it begins."""
    with open(lab.path("lock-orders"), "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nexec nsenter --target \"$(cat /run/%s-lab/n1.pid)\" --mount -- flock -o "
                "/run/ephor/order.web.lock sh -c 'echo locked; exec sleep 60'\n" % lab.prefix)
    os.chmod(lab.path("lock-orders"), 0o755)


def waits_for_lock(lab):
    return "flock -w" in lab.lab("on", 1, "ps", "ax")


@scenario(controllers=3, seconds=40)
def a_leader_that_was_stopped_does_not_act(lab):
    """SIGSTOP of one process of the leader, or of all, for shorter than X, for longer, and for longer
    than a lease, at any moment. Who wakes up composes no line any more; sessions stay."""
    cluster = lab.cluster
    shells = lease_shells(lab)
    for who, seconds in (("quorum", 0.15), ("actor", 0.15), ("all", 0.15), ("quorum", 0.7), ("actor", 0.7),
                         ("all", 0.7), ("quorum", 3.5), ("all", 3.5), ("actor", 3.5)):
        leader = cluster.leader()
        pids = everything_of(leader) if who == "all" else [children(leader)[who]]
        time.sleep(random.uniform(0, 0.6))
        send(signal.SIGSTOP, pids)
        time.sleep(seconds)
        if who == "actor" and seconds > 3:
            leader.in_log("the actor does not answer: another controller gets to lead")
        send(signal.SIGCONT, pids)
        cluster.leader()
        wait_for(f"{leader.name} has heard of it",
                 lambda c=leader: c.cluster().get("leader") is not None, 20)
        outranked = re.search(r".*has heard of epoch.*", leader.log())
        claim(outranked is None, f"{who} stopped for {seconds} s: a line was sent afterwards: "
                                 f"{outranked and outranked.group(0)}")
        cluster.service_is("n1")
    claim(lease_shells(lab) == shells, f"the shells on n1 were {shells}, are {lease_shells(lab)}")
    claim(not [line for line in cluster.leader().journal() if line["event"] == "decision" and
               "the best fit member" not in line["text"]], "something was decided")
    wait_for("the address is there", lambda: lab.has_address(1), 20)
    changes, totals = lab.watched()  # without its actor a leader extends nothing: one gap, at the end
    claim(totals["moves"] == 0 and totals["longest_none_ms"] < 3500 and
          [c["holds"] for c in changes] in ([True], [True, False, True]), f"the address: {changes}")


def lease_shells(lab):
    """The lease shells on n1, by the files in which they leave their numbers: one a controller."""
    return lab.lab("on", 1, "sh", "-c", "cd /run/ephor && for f in lease.*; do read -r pid <$f && "
                   "kill -0 $pid && echo $f $pid; done 2>/dev/null || true").split("\n")[:-1]


def cut_from_nodes(lab, controller):
    lab.lab("in", controller.name, "nft", "add table inet cut { chain out { type filter hook output "
            "priority 0; ip daddr { 10.77.0.11, 10.77.0.12 } drop; }; chain in { type filter hook "
            "input priority 0; ip saddr { 10.77.0.11, 10.77.0.12 } drop; }; }")


@scenario(controllers=3, seconds=20,
          edits=(('interface = "eth0";', 'interface = "eth0"; lease = "6s";'),))
def who_reaches_the_nodes_gets_to_lead(lab):
    """The leader's way to the nodes is cut, those between controllers are whole: leadership moves,
    and nothing else does."""
    cluster = lab.cluster
    old = cluster.leader()
    wait_for("all reach the nodes", lambda: len(lease_shells(lab)) == 3, 10)
    index = old.journal()[-1]["index"]
    cut_from_nodes(lab, old)
    new = another_leads(cluster, old, 15)
    wait_for("it follows", lambda: not old.leads(), 5)
    cluster.service_is("n1")
    stays("it leads", new.leads, 2)
    lines = [line for line in new.journal() if line["index"] > index]
    claim(any(line["event"] == "reach" and "cannot" in line["text"] for line in lines),
          f"not told: {lines}")
    claim(not any(line["event"] in ("decision", "order") for line in lines), f"acted: {lines}")
    old.in_log("can work on nodes that this controller cannot: it gets to lead")
    lab.lab("in", old.name, "nft", "delete table inet cut")
    lab.lab("cut", 2)  # nobody reaches that one: no reason to change
    wait_for("n2 is out of reach", lambda: any(
        line["event"] == "reach" and line["object"] == "n2" and "cannot" in line["text"]
        for line in new.journal() if line["index"] > lines[-1]["index"]), 10)
    stays("the same one leads", new.leads, 1.5)
    wait_for("its session is warm again", lambda: len(lease_shells(lab)) == 3, 20)
    changes, totals = lab.watched()
    claim(totals["moves"] == 0 and totals["none_ms"] == 0, f"the address: {totals} {changes}")
