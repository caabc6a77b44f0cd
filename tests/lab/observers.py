"""Scenarios of observers: they look from more places and are counted, without a vote in the log."""
import os
import re
import signal
import subprocess

from cluster import Controller
from lab import claim, wait_for
from many_eyes import CANARY, N1, N2, all_see, claim_no_false_verdict, cut_off, join, newest, told
from scenario import scenario

# Observers look at http as well; the canary is for their self-doubt, too.
LOOKED_AT = [('interval = "1s"; timeout = "1s"; retry = "300ms"; fall = 3; rise = 2;',
              'interval = "500ms"; timeout = "400ms"; observers = "all";'),
             ("local : {", f'local : {{ canaries = [ "{CANARY}" ];')]


def add_observer(lab, name):
    """As an administrator would: a bundle, and a file with nothing but the machine's own settings."""
    observer = Controller(lab, name)
    lab.cluster.observers.append(observer)
    bundle = lab.path(f"{name}.bundle")
    lab.cluster.leader().ctl("cluster", "add", name, "--observer", "--dir", lab.path("cluster"),
                             "--out", bundle)
    lab.cluster.offline("cluster", "join", bundle, "--dir", os.path.join(observer.home, "cluster"),
                        "--state-dir", os.path.join(observer.home, "state"))
    conf = os.path.join(observer.home, "ephor.conf")
    with open(conf, encoding="utf-8") as f:
        local = f.read().split("ssh :")[0]
    with open(conf, "w", encoding="utf-8") as f:
        f.write(local)
    observer.start()
    return observer


def observers(controller):
    """What that controller says of them, by name."""
    return {o["name"]: o for o in controller.cluster().get("observers", [])}


def linked(lab, names, seconds=20):
    """Every controller hears these observers, which can see and follow the policy."""
    def look():
        for controller in lab.cluster.running():
            known = observers(controller)
            if {n for n, o in known.items() if o["linked"] and o["sees"] and o["follows"]} != set(names):
                return False
        return True
    wait_for(f"{', '.join(names) or 'nobody'} linked to all controllers", look, seconds)


def census(cluster, check="web/n1/http"):
    for c in cluster.leader().json("status").get("checks", []):
        if c["id"] == check:
            return c.get("census") or {}
    return {}


def counted(cluster, seconds=20, **wanted):
    def look():
        found = census(cluster)
        return all(found.get(key, 0) == value for key, value in wanted.items())
    wait_for(f"the observers are counted as {wanted}, not as {census(cluster)}", look, seconds)


@scenario(controllers=3, seconds=35, edits=LOOKED_AT)
def observers_are_counted(lab):
    """Two observers beside three controllers: they outvote two controllers that see wrongly, abstain
    when they cannot see, go with their link, and stay what they are when the leader changes."""
    cluster = lab.cluster
    one, two = (add_observer(lab, name) for name in ("c4", "c5"))
    linked(lab, ("c4", "c5"))
    counted(cluster, seers=2, ok=2)
    begin = newest(cluster)

    for name in ("c2", "c3"):  # two of three would be a majority
        cut_off(lab, name, N1)
    wait_for("two controllers see n1 down", lambda: critical_for(cluster) == {"c2", "c3"})
    claim(state_of(cluster) == "ok", "five look and two see it down: it is not down")
    for name in ("c2", "c3"):
        join(lab, name)
    wait_for("they see it again", lambda: not critical_for(cluster))

    cut_off(lab, "c5", N1, N2, CANARY)
    counted(cluster, seers=2, ok=1)
    join(lab, "c5")
    counted(cluster, seers=2, ok=2)

    pid = pid_of(two, "quorum")
    os.kill(pid, signal.SIGSTOP)  # linked, and silent
    counted(cluster, seers=1, ok=1)
    os.kill(pid, signal.SIGCONT)
    counted(cluster, seers=2, ok=2)

    old = cluster.leader()
    old.kill()
    wait_for("another one leads", lambda: any(c.leads() for c in cluster.running()))
    counted(cluster, seers=2, ok=2)
    old.start()
    all_see(cluster)
    linked(lab, ("c4", "c5"))
    claim_no_false_verdict(cluster, begin)

    before = newest(cluster)
    lab.lab("break-service", 1)
    told(cluster, "web/n1/http: critical", before)
    counted(cluster, critical=2)
    cluster.service_is("n2")
    lab.lab("mend-service", 1)
    for observer in (one, two):
        observer.stop()
    counted(cluster, seers=0)


@scenario(controllers=2, seconds=30, edits=LOOKED_AT)
def who_observes_is_for_operators_to_say(lab):
    """Two controllers and an observer: a policy that asks for nothing, one that asks again, the
    observer's own commands, one that was removed, and a key that is not its own."""
    cluster = lab.cluster
    observer = add_observer(lab, "c3")
    linked(lab, ("c3",))
    counted(cluster, seers=1, ok=1)
    refused = observer.ctl("pause", check=False)
    claim(refused.returncode != 0 and "observer" in refused.stdout + refused.stderr,
          f"an observer takes orders: {refused.stdout}{refused.stderr}")
    wait_for("the observer says what it is", lambda: all(
        text in observer.ctl("status").stdout
        for text in ("observer", "2 of 2 controllers", "2 of them are ok")))

    observer.stop()  # and those of its bundle were all replaced since
    directory = os.path.join(observer.home, "cluster", "cluster.json")
    with open(directory, encoding="utf-8") as f:
        text = f.read().replace("10.77.0.1:", "10.77.0.91:").replace("10.77.0.2:", "10.77.0.92:")
    with open(directory, "w", encoding="utf-8") as f:
        f.write(text)
    observer.start()
    linked(lab, ("c3",))

    lab.edit(('observers = "all";', 'observers = "none";'))
    cluster["c1"].ctl("config", "apply", "--yes")
    counted(cluster, seers=0)
    lab.edit(('observers = "none";', "observers = 1;"))
    cluster["c1"].ctl("config", "apply", "--yes")
    counted(cluster, seers=1, ok=1)

    cluster["c1"].ctl("cluster", "remove", "c3", "--yes")
    counted(cluster, seers=0)
    observer.in_log("no link to c1 .*(member list|no observer|stranger|not know)")
    claim(not observers(cluster["c1"]), "it is still listed")
    observer.stop()


CROWD = 150


def critical_for(cluster):
    """Controllers for which n1's http is critical."""
    return {o["controller"] for c in cluster.leader().json("status").get("checks", [])
            if c["id"] == "web/n1/http" for o in c["opinions"] if o["state"] == "critical"}


def state_of(cluster, check="web/n1/http"):
    return next(c["state"] for c in cluster.leader().json("status")["checks"] if c["id"] == check)


def pid_of(observer, role):
    return next(p["pid"] for p in observer.json("status")["processes"] if p["role"] == role)


@scenario(controllers=3, seconds=60, edits=LOOKED_AT)
def a_crowd_of_observers_is_counted(lab):
    """A hundred and fifty observers beside three controllers: all are linked to each, an outage is
    agreed with all of them, and the next leader has all of them from the beginning."""
    cluster = lab.cluster
    bundles = []
    for n in range(CROWD):
        bundles.append(lab.path(f"crowd{n}.bundle"))
        cluster.leader().ctl("cluster", "add", f"crowd{n}", "--observer", "--dir",
                             lab.path("cluster"), "--out", bundles[-1])
    with open(lab.path("crowd.log"), "wb") as log:
        crowd = subprocess.Popen(["ip", "netns", "exec", f"{lab.prefix}-c4",
                                  os.path.join(lab.build, "tests/lab/crowd"), *bundles],
                                 env=lab.env, stdin=subprocess.DEVNULL, stderr=log)
    try:
        linked(lab, {f"crowd{n}" for n in range(CROWD)}, 40)
        counted(cluster, seers=CROWD, ok=CROWD)
        begin = newest(cluster)
        old = cluster.leader()
        old.kill()
        wait_for("another one leads", lambda: any(c.leads() for c in cluster.running()))
        counted(cluster, seers=CROWD, ok=CROWD)
        old.start()
        all_see(cluster)
        linked(lab, {f"crowd{n}" for n in range(CROWD)}, 40)
        claim_no_false_verdict(cluster, begin)

        facts = cluster.leader().log_index()
        crowd.send_signal(signal.SIGUSR1)  # all of them are wrong, and outvote three controllers
        told(cluster, "web/n1/http: critical", begin)
        counted(cluster, critical=CROWD)
        crowd.send_signal(signal.SIGUSR1)
        counted(cluster, ok=CROWD)
        facts = cluster.leader().log_index() - facts
        claim(facts < 4 * CROWD, f"{facts} entries for {CROWD} observers that changed their mind twice")
    finally:
        crowd.kill()
        crowd.wait()
    counted(cluster, seers=0)
