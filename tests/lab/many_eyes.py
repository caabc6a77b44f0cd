"""Scenarios of several vantage points: who sees what, what is agreed, and who doubts itself."""
import os
import random
import signal
import time

from lab import claim, wait_for
from scenario import scenario


def controllers(cluster):
    """Each controller as the leader's state machine has it, by name."""
    return {c["name"]: c for c in cluster.leader().json("status").get("controllers", [])}


def all_see(cluster, seconds=20):
    def look():
        found = controllers(cluster)
        return len(found) == len(cluster.all) and all(c["sees"] for c in found.values())
    wait_for("all controllers see", look, seconds)


def lines(cluster, pattern="", after=0):
    return [line for line in cluster.leader().journal()
            if line["index"] > after and pattern in f"{line['event']} {line['object']}: {line['text']}"]


def newest(cluster):
    return max((line["index"] for line in cluster.leader().journal()), default=0)


def told(cluster, pattern, after, seconds=20):
    return wait_for(f"'{pattern}' in the journal", lambda: lines(cluster, pattern, after), seconds)


def claim_no_false_verdict(cluster, after):
    """Nothing was believed to be down, and nothing was done about it."""
    for word in ("critical", "decision ", "granted to", "taken from"):
        found = lines(cluster, word, after)
        claim(not found, f"a false verdict, or worse: {found[:3]}")


def cut_off(lab, name, *addresses):
    """Nothing travels between this controller and those addresses any more."""
    them = ", ".join(addresses)
    lab.lab("in", name, "nft", "; ".join((
        "add table ip cut",
        "add chain ip cut in { type filter hook input priority 0; }",
        "add chain ip cut out { type filter hook output priority 0; }",
        f"add rule ip cut in ip saddr {{ {them} }} drop",
        f"add rule ip cut out ip daddr {{ {them} }} drop")))


def join(lab, name):
    lab.lab("in", name, "nft", "delete", "table", "ip", "cut")


def opinions_of(cluster, name):
    """What that controller thinks of the service's members."""
    return [o["state"] for c in cluster.leader().json("status").get("checks", [])
            for o in c["opinions"] if o["controller"] == name and c["name"] == "http"]


N1, N2, CANARY = "10.77.0.11", "10.77.0.12", "10.77.0.50"
QUICK = [('interval = "1s"; timeout = "1s"; retry = "300ms"; fall = 3; rise = 2;',
          'interval = "500ms"; timeout = "400ms";'),
         ("local : {", f'local : {{ canaries = [ "{CANARY}" ];')]


@scenario(controllers=3, seconds=20, edits=QUICK)
def who_sees_nothing_is_outvoted(lab):
    """A controller cut off from a node, from all nodes, from its canary as well, from everything: no
    false verdict, nothing is done."""
    cluster = lab.cluster
    all_see(cluster)
    blind = cluster.follower()
    begin = newest(cluster)

    cut_off(lab, blind.name, N1)
    wait_for("it sees n1 down", lambda: "critical" in opinions_of(cluster, blind.name))
    join(lab, blind.name)
    wait_for("it sees n1 again", lambda: set(opinions_of(cluster, blind.name)) == {"ok"})

    cut_off(lab, blind.name, N1, N2)
    wait_for("it sees all nodes down",
             lambda: set(opinions_of(cluster, blind.name)) == {"critical"})
    join(lab, blind.name)
    wait_for("it sees them again", lambda: set(opinions_of(cluster, blind.name)) == {"ok"})

    cut_off(lab, blind.name, N1, N2, CANARY)
    told(cluster, f"sight {blind.name}: cannot see: it is cut off", begin)
    join(lab, blind.name)
    told(cluster, f"sight {blind.name}: sees again", begin)
    all_see(cluster)

    lab.lab("cut", blind.name)
    told(cluster, f"controller {blind.name}: is absent", begin)
    claim(not controllers(cluster)[blind.name]["sees"], "its opinions still count")
    lab.lab("heal", blind.name)
    told(cluster, f"controller {blind.name}: is back", begin)
    all_see(cluster)
    claim_no_false_verdict(cluster, begin)
    cluster.service_is("n1")


def starve(controller, seconds):
    """As on a machine whose processors somebody else keeps busy: all of its processes run for a
    moment now and then."""
    pids = [controller.pid_of(role) for role in ("quorum", "checker", "actor", "status")]
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(random.uniform(0.05, 0.35))
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            time.sleep(random.uniform(0.005, 0.03))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@scenario(controllers=3, seconds=30, edits=QUICK)
def bad_links_and_slow_controllers_change_nothing(lab):
    """One-way cuts, a third of all packets lost, and controllers that are stopped for a while, or
    hardly ever run, the leader as well."""
    cluster = lab.cluster
    all_see(cluster)
    begin = newest(cluster)
    for way in ("in", "out"):
        bad = cluster.follower()
        lab.lab("drop", bad.name, way)
        told(cluster, f"controller {bad.name}: is absent", newest(cluster) - 1)
        lab.lab("undrop", bad.name)
        all_see(cluster)

    lossy = cluster.follower()
    lab.lab("in", lossy.name, "nft", "add table ip lossy; add chain ip lossy in { type filter hook "
            "input priority 0; }; add rule ip lossy in iif eth0 numgen random mod 10 < 3 drop")
    runs = check_runs(lossy)
    wait_for("it looked 12 times through bad links", lambda: check_runs(lossy) >= runs + 12)
    lab.lab("in", lossy.name, "nft", "delete table ip lossy")
    all_see(cluster)

    for role in ("checker", "quorum"):
        slow = cluster.follower()
        pid = slow.pid_of(role)
        before = newest(cluster)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.7)  # not so long that it is given up
        os.kill(pid, signal.SIGCONT)
        told(cluster, f"calm {slow.name}: only watches", before)
        told(cluster, f"calm {slow.name}: is calm again", before)
    for slow in (cluster.follower(), cluster.leader()):
        starve(slow, 4)
        all_see(cluster)
    claim_no_false_verdict(cluster, begin)
    cluster.service_is("n1")


@scenario(controllers=3, seconds=30, program="ephord-before")
def an_upgrade_one_by_one(lab):
    """Two builds together: newer rules are followed when the last controller knows them, and not
    before; nothing moves meanwhile. An older one is not let in afterwards."""
    cluster = lab.cluster
    begin = newest(cluster)
    for controller in cluster.all:
        claim(rules_of(cluster.leader()) == 1, "newer rules are followed before all know them")
        controller.stop()
        controller.start(EPHORD=os.path.join(lab.build, "ephord"))
        wait_for(f"{controller.name} is back", controller.log_index)
        if controller.name == "c2":  # an old one and two new ones restart a service together
            all_see(cluster)
            lab.lab("kill-service", 1)
            told(cluster, "works again after the restart", begin)
    told(cluster, "rules 4: they are followed from now on", begin)
    cluster.agree()
    claim([rules_of(c) for c in cluster.all] == [4, 4, 4], "not all follow them")
    claim(not lines(cluster, "is taken from", begin), "the address moved")
    wait_for("the guard is there, and the address in it", lambda: "10.77.0.100" in lab.lab(
        "on", 1, "sh", "-c", "nft list set inet ephor1 owned4 2>/dev/null || true"))
    cluster.service_is("n1")

    old = cluster.extend("c4")
    cluster.add("c4")
    old.start()
    old.in_log("install the version of the other controllers")
    wait_for("its status says that it does not work", lambda: any(
        p["object"] == "quorum" or "quorum process" in p["text"]
        for p in old.json("status").get("problems", [])))
    old.kill()
    cluster.leader().ctl("cluster", "remove", "c4", "--yes")


def rules_of(controller):
    return controller.json("status").get("cluster", {}).get("rules")


def check_runs(controller):
    return sum(c["runs"] for c in controller.json("status").get("checks", [])
               if c["name"] == "http")


@scenario(controllers=5, seconds=30, edits=QUICK)
def a_split_of_two_against_three(lab):
    """The three go on and act; the two, among them the leader, do nothing."""
    cluster = lab.cluster
    all_see(cluster)
    leader = cluster.leader()
    few = [leader, cluster.follower()]
    many = [c for c in cluster.all if c not in few]
    for controller in few:
        cut_off(lab, controller.name, *(f"10.77.0.{c.name[1:]}" for c in many))
    def other_leads():
        return next((c for c in many if c.leads()), None)
    new = wait_for("one of the three leads", other_leads)
    wait_for("the old leader steps down", lambda: not leader.leads())
    lab.lab("kill-service", 1)
    wait_for("they restart the service", lambda: any(
        "works again after the restart" in line["text"] for line in new.journal()))
    claim(not any("restart it" in line["text"] for c in few for line in c.journal()),
          "the minority acted")
    for controller in few:
        join(lab, controller.name)
    cluster.agree()
    all_see(cluster)
    cluster.service_is("n1")
