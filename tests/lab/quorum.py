"""Scenarios of several controllers: one log, one leader, whatever happens to them."""
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

from lab import Failed, claim, stays, wait_for
from scenario import scenario


def operator_reasons(controller):
    """The reasons of operators' requests, in the order of the journal."""
    return [line["text"].rsplit(": ", 1)[-1] for line in controller.journal()
            if line["event"] == "operator" and "mark-" in line["text"]]


class Clerk(threading.Thread):
    """Asks any controller, all the time, for something that the journal keeps; remembers what was
    acknowledged."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.acknowledged = []
        self.asked = 0
        self.ends = threading.Event()

    def run(self):
        while not self.ends.is_set():
            running = self.cluster.running()
            if not running:
                time.sleep(0.05)
                continue
            self.asked += 1
            mark = f"mark-{self.asked}"
            verb = "pause" if self.asked % 2 else "resume"
            try:
                done = random.choice(running).ctl(verb, "--reason", mark, check=False)
            except (subprocess.TimeoutExpired, OSError):
                continue
            if done.returncode == 0 and "already" not in done.stdout:
                self.acknowledged.append(mark)

    def end(self):
        self.ends.set()
        self.join(40)
        claim(not self.is_alive(), "the clerk does not end")


class Auditor(threading.Thread):
    """Reads consistently from any controller, all the time: whatever the clerk was told before a
    read began has to be in it."""

    def __init__(self, cluster, clerk):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.clerk = clerk
        self.confirmed = self.refused = 0
        self.missed = []
        self.ends = threading.Event()

    def run(self):
        while not self.ends.is_set():
            before = self.clerk.acknowledged[-200:]
            controller = random.choice(self.cluster.all)
            try:
                done = controller.ctl("--json", "journal", "-n", "2000", "--consistent",
                                      check=False)
            except (subprocess.TimeoutExpired, OSError):
                continue
            if done.returncode != 0:
                self.refused += 1
                continue
            self.confirmed += 1
            self.missed += [f"{mark} on {controller.name}" for mark in before
                            if f": {mark}\"" not in done.stdout]

    def end(self):
        self.ends.set()
        self.join(40)
        claim(not self.is_alive(), "the auditor does not end")
        claim(self.confirmed > 10, f"only {self.confirmed} reads were confirmed")
        claim(not self.missed, f"missed by consistent reads: {self.missed[:10]}")


def check_history(cluster, clerk):
    """Every acknowledged request is in every journal exactly once, in one order."""
    cluster.agree()
    histories = {}
    for controller in cluster.running():
        wait_for(f"the journal of {controller.name}",
                 lambda c=controller: c.log_index() > 0, 10)
        histories[controller.name] = operator_reasons(controller)
    first = next(iter(histories.values()))
    for name, history in histories.items():
        twice = [m for n, m in enumerate(history) if m in history[:n]]
        claim(not twice, f"{name} has requests twice: {twice}")
        short, long = sorted((first, history), key=len)
        claim(long[len(long) - len(short):] == short or long[:len(short)] == short,
              f"the journals differ: {name} {history[-20:]} and {first[-20:]}")
    accepted = [m for m in clerk.acknowledged if m in first]
    claim(accepted, "nothing was acknowledged")
    lost = [m for m in clerk.acknowledged if m not in first]
    claim(not lost, f"acknowledged and lost: {lost} of {len(clerk.acknowledged)}")


@scenario(controllers=3, seconds=40)
def one_controller_becomes_three(lab):
    """State kept, nothing moved; the leader is killed, and the address stays where it is."""
    cluster = lab.cluster
    changes = len([line for line in cluster["c1"].journal() if line["event"] == "vip"])
    claim(changes <= 2, "the address was moved when the others came")
    lab.poll()
    for _ in range(3):
        leader = cluster.leader()
        leader.kill()
        claim(cluster.leader() is not leader, "a dead controller leads")
        cluster.service_is("n1")
        leader.start()
        wait_for("it is back", lambda c=leader: c.log_index() > 0 and
                 c.cluster().get("leader") is not None)
    lab.outage()  # how long is for measurements; that it answers at the end is the promise
    claim(not [line for line in cluster.leader().journal()
               if line["event"] == "decision" and "move from" in line["text"]],
          "the service was moved because controllers died")
    cluster.agree()
    follower = cluster.follower()
    follower.ctl("failover", "web", "--to", "n2", "--yes", "--wait")
    cluster.service_is("n2")
    lab.client_reaches("n2")


def storm(cluster, most, seconds):
    """kill -9 of up to `most`, sometimes of all, every two seconds, under load."""
    clerk = Clerk(cluster)
    clerk.start()
    end = time.monotonic() + float(os.environ.get("EPHOR_STORM_SECONDS", seconds))
    while time.monotonic() < end:
        victims = random.sample(cluster.all, random.randint(1, most))
        if random.random() < 0.15:
            victims = cluster.all
        for victim in victims:
            if victim.process is not None:
                victim.kill()
        time.sleep(random.uniform(0.2, 1.0))
        for victim in victims:
            victim.start()
        time.sleep(random.uniform(0.5, 1.0))
    cluster.leader()
    clerk.end()
    check_history(cluster, clerk)


@scenario(controllers=3, seconds=60)
def what_was_acknowledged_is_kept(lab):
    """Three controllers in a storm of kills."""
    storm(lab.cluster, 1, 30)


@scenario(controllers=5, seconds=50)
def what_five_acknowledged_is_kept(lab):
    """Five, two of which may be killed at once."""
    storm(lab.cluster, 2, 15)


class Changer(threading.Thread):
    """Adds a fourth controller, waits until it votes, removes it; again and again."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.fourth = cluster.extend("c4")
        self.rounds = 0
        self.ends = threading.Event()

    def is_gone(self):
        leader = self.cluster.leader()
        if leader.member("c4") is None:
            return leader.leads()
        leader.ctl("cluster", "remove", "c4", "--yes", check=False)
        return False

    def once(self):
        wait_for("c4 is removed", self.is_gone, 40)
        if self.fourth.process is not None:
            self.fourth.kill()
        for rest in ("state", "cluster"):
            shutil.rmtree(os.path.join(self.fourth.home, rest), ignore_errors=True)
        if self.ends.is_set():
            return
        try:
            self.cluster.add("c4")
        except Failed:
            return  # the leader was killed just then
        self.fourth.start()
        wait_for("c4 votes", lambda: self.cluster.is_voter("c4"), 60)
        self.rounds += 1

    def run(self):
        while not self.ends.is_set():
            self.once()
        self.once()

    def end(self):
        self.ends.set()
        self.join(120)
        claim(not self.is_alive(), "the changes do not end")
        claim(self.rounds >= 2, f"only {self.rounds} changes were made")


@scenario(controllers=3, seconds=70)
def members_change_in_a_storm(lab):
    """A fourth comes and goes while the three are killed, stopped, cut off and heard one way only."""
    cluster = lab.cluster
    three = list(cluster.all)
    clerk, changer = Clerk(cluster), Changer(cluster)
    clerk.start()
    changer.start()
    end = time.monotonic() + float(os.environ.get("EPHOR_STORM_SECONDS", 30))
    while time.monotonic() < end and changer.is_alive():
        victim = random.choice(three)
        how = random.choice(("kill", "stop", "cut", "in", "out"))
        pause = random.uniform(0.3, 1.0)
        if how == "kill":
            victim.kill()
            time.sleep(pause)
            victim.start()
        elif how == "stop":
            pid = victim.quorum_pid()
            if pid:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(pause)
                os.kill(pid, signal.SIGCONT)
        elif how == "cut":
            lab.lab("cut", victim.name)
            time.sleep(pause)
            lab.lab("heal", victim.name)
        else:
            lab.lab("drop", victim.name, how)
            time.sleep(pause)
            lab.lab("undrop", victim.name)
        time.sleep(random.uniform(1.0, 2.0))
    changer.end()
    clerk.end()
    check_history(cluster, clerk)


@scenario(controllers=3, seconds=50)
def a_leader_that_is_cut_off_stops_acting(lab):
    """It steps down, the others elect one; one-way cuts, too; nothing is lost."""
    cluster = lab.cluster
    clerk = Clerk(cluster)
    clerk.start()
    for how in ("cut", "in", "out"):
        leader = cluster.leader()
        if how == "cut":
            lab.lab("cut", leader.name)
        else:
            lab.lab("drop", leader.name, how)
        wait_for(f"{leader.name} steps down", lambda c=leader: not c.leads(), 10)
        wait_for("another one leads",
                 lambda c=leader: any(o.leads() for o in cluster.running() if o is not c), 10)
        if how == "cut":
            lab.lab("heal", leader.name)
        else:
            lab.lab("undrop", leader.name)
        wait_for(f"{leader.name} follows again",
                 lambda c=leader: c.cluster().get("leader") is not None, 20)
    clerk.end()
    check_history(cluster, clerk)


def why_paused(controller, *options):
    """The reason why Ephor is paused, as that controller says; None: it is not, or does not say."""
    return (controller.json("status", *options).get("cluster", {}).get("paused") or {}).get("reason")


def wake(pid):
    """End a SIGSTOP; after long enough the supervisor has given that process up."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


@scenario(controllers=3, seconds=50)
def consistent_reads_see_the_latest_or_nothing(lab):
    """A follower shows what was acknowledged a moment ago; a leader whom nobody answers, and one
    that is cut off, still show what they know, but confirm nothing."""
    cluster = lab.cluster
    old, follower = cluster.leader(), cluster.follower()
    for n in range(20):
        old.ctl("pause", "--reason", f"mark-{n}")
        claim(why_paused(follower, "--consistent") == f"mark-{n}", "a consistent read is old")
        old.ctl("resume")
        claim(why_paused(follower, "--consistent") is None, "a consistent read is old")
    old.ctl("pause", "--reason", "before")
    pids = [wait_for("a quorum process", c.quorum_pid) for c in cluster.running() if c is not old]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    refused = old.ctl("status", "--consistent", check=False)  # while it believes in itself
    for pid in pids:
        wake(pid)
    claim(refused.returncode == 3, f"nobody answers it, and it confirms: {refused.stdout}")
    claim("what is known here may be old" in refused.stderr, refused.stderr)
    wait_for("all read again", lambda: all(
        why_paused(c, "--consistent") == "before" for c in cluster.running()), 20)
    old = cluster.leader()
    lab.lab("cut", old.name)
    wait_for("another one leads",
             lambda: any(c.leads() for c in cluster.running() if c is not old), 10)
    new = cluster.leader()
    new.ctl("resume")
    new.ctl("pause", "--reason", "after")
    claim(why_paused(old) == "before", "it does not show what it knows")
    for args in (("status",), ("why", "web"), ("journal",), ("cluster", "status")):
        refused = old.ctl(*args, "--consistent", check=False)
        claim(refused.returncode == 3 and "no leader can be reached" in refused.stderr,
              f"{args}: {refused.returncode} {refused.stdout}{refused.stderr}")
    lab.lab("heal", old.name)
    wait_for("it reads again", lambda: why_paused(old, "--consistent"), 20)
    claim(why_paused(old, "--consistent") == "after", "a consistent read is old")
    new.kill()
    done = old.ctl("status", "--consistent", check=False)  # waits for the next leader
    claim(done.returncode == 0, f"it did not wait for the election: {done.stderr}")
    cluster.leader().ctl("resume")


@scenario(controllers=3, seconds=50)
def consistent_reads_while_leaders_change(lab):
    """Whatever was acknowledged before a consistent read began is in it, while leadership is handed
    over and leaders are cut off, stopped and killed."""
    cluster = lab.cluster
    clerk = Clerk(cluster)
    auditors = [Auditor(cluster, clerk) for _ in range(2)]
    for thread in (clerk, *auditors):
        thread.start()
    for how in ("transfer", "cut", "stop", "kill", "transfer", "cut", "stop"):
        leader = cluster.leader()
        if how == "transfer":
            leader.ctl("cluster", "transfer", check=False)
        elif how == "kill":
            leader.kill()
        elif how == "cut":
            lab.lab("cut", leader.name)
        else:
            pid = wait_for("its quorum process", leader.quorum_pid)
            os.kill(pid, signal.SIGSTOP)
        wait_for("another one leads",
                 lambda c=leader: any(o.leads() for o in cluster.running() if o is not c), 15)
        asked = clerk.asked
        wait_for("the clerk goes on", lambda n=asked: clerk.asked > n + 3, 30)
        if how == "kill":
            leader.start()
        elif how == "cut":
            lab.lab("heal", leader.name)
        elif how == "stop":
            wake(pid)
        wait_for(f"{leader.name} reads again", lambda c=leader: c.ctl(
            "status", "--consistent", check=False).returncode == 0, 20)
    clerk.end()
    for auditor in auditors:
        auditor.end()
    check_history(cluster, clerk)


@scenario(controllers=3, seconds=50)
def stopped_and_continued(lab):
    """SIGSTOP of leader and followers for 1, 2 and 5 election timeouts."""
    cluster = lab.cluster
    clerk = Clerk(cluster)
    clerk.start()
    for who in ("leader", "follower"):
        for timeouts in (1, 2, 5):
            controller = cluster.leader() if who == "leader" else cluster.follower()
            pid = wait_for("its quorum process", controller.quorum_pid)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.3 * timeouts)
            os.kill(pid, signal.SIGCONT)
            cluster.leader()
    clerk.end()
    check_history(cluster, clerk)


@scenario(controllers=3, seconds=60)
def a_slow_follower_gets_a_snapshot(lab):
    """It was away for longer than the others keep their log."""
    cluster = lab.cluster
    away = cluster.follower()
    away.kill()
    leader = cluster.leader()
    begin = leader.log_index()

    def ask():
        for _ in range(20):
            leader.ctl("pause", check=False)
            leader.ctl("resume", check=False)

    def is_compacted():
        workers = [threading.Thread(target=ask) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return leader.cluster()["log"]["first_index"] > begin
    wait_for("the leader drops what the follower needs", is_compacted, 120, 0)
    away.start()
    cluster.agree(40)
    claim(away.cluster()["log"]["first_index"] > 1, "it did not get a snapshot")
    claim(away.json("status")["services"][0]["active"] == "n1", "its state is another one")


@scenario(controllers=3, seconds=40)
def a_lost_disk_never_comes_back_as_its_old_self(lab):
    """An empty state directory is refused; removed and added, it is a new member."""
    cluster = lab.cluster
    if cluster["c1"].leads():
        lost = cluster.follower()
    else:
        lost = cluster["c2"] if cluster["c3"].leads() else cluster["c3"]
    name = lost.name
    lost.kill()
    shutil.rmtree(os.path.join(lost.home, "state"))
    lost.start()
    lost.in_log("its storage is not the one of that member")
    stays("it is not let in", lambda: lost.log_index() == 0, 2)
    lost.kill()
    leader = cluster.leader()
    leader.ctl("cluster", "remove", name, "--yes")
    for rest in ("state", "cluster"):
        shutil.rmtree(os.path.join(lost.home, rest))
    cluster.add(name).start()
    wait_for(f"{name} votes", lambda: cluster.is_voter(name), 30)
    claim(leader.member(name)["id"] > 3, "it came back under its old id")
    cluster.agree()


@scenario(controllers=3, seconds=40)
def a_lost_majority_is_recovered_on_purpose(lab):
    """Two of three are gone for good: nothing is decided, until one is told to go on alone."""
    cluster = lab.cluster
    survivor, *gone = sorted(cluster.all, key=lambda c: c is not cluster.leader())
    for controller in gone:
        controller.kill()
    wait_for("it steps down", lambda: not survivor.leads(), 10)
    claim(survivor.ctl("pause", check=False).returncode == 3, "it decided something alone")
    state = os.path.join(survivor.home, "state")
    running = cluster.offline("cluster", "recover", "--state-dir", state, "--yes", check=False)
    claim("locked" in running.stderr, "it recovers beside a running ephord")
    survivor.stop()
    cluster.offline("cluster", "recover", "--state-dir", state, "--yes")
    survivor.start()
    wait_for("it leads", survivor.leads)
    claim([m["name"] for m in survivor.cluster()["members"]] == [survivor.name],
          "others are still members")
    claim(any(line["event"] == "recovered" for line in survivor.journal()), "it is not told")
    cluster.service_is("n1")
    gone[0].start()
    gone[0].in_log("of another cluster|no link to")
    stays("the old one is not let in", lambda: not gone[0].leads(), 2)
    gone[0].kill()


@scenario(controllers=3, seconds=40)
def members_change_while_controllers_die(lab):
    """Leadership handed over, a member removed and added, with the leader killed in between."""
    cluster = lab.cluster
    clerk = Clerk(cluster)
    clerk.start()
    target = cluster.follower()
    cluster.leader().ctl("cluster", "transfer", target.name)
    wait_for(f"{target.name} leads", target.leads, 10)
    victim = next(c for c in cluster.all[1:] if not c.leads())  # c1 has the CA
    victim.stop()
    cluster.leader().ctl("cluster", "remove", victim.name, "--yes")
    shutil.rmtree(os.path.join(victim.home, "state"))
    shutil.rmtree(os.path.join(victim.home, "cluster"))
    cluster.add(victim.name)
    leader = cluster.leader()
    victim.start()
    leader.kill()
    leader.start()
    wait_for(f"{victim.name} votes", lambda: cluster.is_voter(victim.name), 40)
    clerk.end()
    check_history(cluster, clerk)


@scenario(controllers=3, seconds=30)
def a_full_disk_makes_a_controller_step_aside(lab):
    """Its state is on a small file system: full, it says so and does not lead; with room again it
    comes back by itself."""
    cluster = lab.cluster
    leader = cluster.leader()
    state = os.path.join(leader.home, "state")
    leader.stop()
    kept = state + ".kept"
    shutil.move(state, kept)
    os.mkdir(state)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", state], check=True)
    try:
        for name in os.listdir(kept):
            shutil.copy2(os.path.join(kept, name), state)
        for name in [".", *os.listdir(state)]:
            os.chown(os.path.join(state, name), 64102, 64102)
        leader.start()
        cluster.agree()
        cluster.leader().ctl("cluster", "transfer", leader.name, check=False)
        wait_for(f"{leader.name} leads", leader.leads, 10)
        filler = os.open(os.path.join(state, "filler"), os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(filler, b"x" * 4096)
        except OSError:
            os.close(filler)
        cluster.follower().ctl("pause", check=False)
        wait_for(f"{leader.name} steps aside",
                 lambda: not leader.cluster().get("log", {}).get("storage_ok", True), 20)
        wait_for("another one leads",
                 lambda: any(c.leads() for c in cluster.running() if c is not leader), 10)
        cluster.leader().ctl("resume", check=False)
        os.unlink(os.path.join(state, "filler"))
        wait_for("it is well again", lambda: leader.cluster()["log"]["storage_ok"], 20)
        cluster.agree()
        leader.stop()
    finally:
        if leader.process is not None:
            leader.kill()
        subprocess.run(["umount", state], check=True)


@scenario(controllers=3, seconds=30)
def damage_is_repaired_from_the_others(lab):
    """Rows of a follower's log are not what was written. It starts, says so, does not lead, and
    has all of them back when the others are there."""
    cluster = lab.cluster
    leader, victim = cluster.leader(), cluster.follower()
    for i in range(6):
        leader.ctl("pause" if i % 2 else "resume", "--reason", f"mark-{i}", check=False)
    cluster.agree()
    running = [c for c in cluster.all]
    for controller in running:
        controller.stop()
    log = sqlite3.connect(os.path.join(victim.home, "state", "log.db"))
    log.execute("UPDATE log SET bytes = zeroblob(length(bytes)) "
                "WHERE idx = (SELECT max(idx) - 3 FROM log)")
    log.commit()
    log.close()
    victim.start()
    victim.in_log("an entry is damaged in .* is fetched again from the other controllers")
    wait_for("it says that it is being repaired",
             lambda: "repaired_up_to" in victim.cluster().get("log", {}), 10)
    told = victim.ctl("cluster", "status", check=False).stdout
    claim("Its log is damaged and being repaired" in told, f"cluster status says: {told}")
    for controller in running:
        if controller is not victim:
            controller.start()
    wait_for("all is back", lambda: "repaired_up_to" not in victim.cluster()
             .get("log", {"repaired_up_to": 0}), 20)
    cluster.agree()
    claim(operator_reasons(victim)[-1] == operator_reasons(cluster.leader())[-1],
          "its journal ends otherwise")
    cluster.leader().ctl("cluster", "transfer", victim.name, check=False)
    wait_for(f"{victim.name} leads", victim.leads, 10)


@scenario(controllers=3, seconds=20)
def strangers_are_refused_and_counted(lab):
    """Garbage, plain HTTP, a certificate of another CA, none at all."""
    cluster = lab.cluster
    leader = cluster.leader()
    address = f"10.77.0.{leader.name[1:]}"
    other = lab.path("other")
    cluster.offline("cluster", "init", "x1", "10.77.0.50", "--dir", other)

    def knock(command):
        subprocess.run(["ip", "netns", "exec", lab.ns("cli"), "timeout", "3", "sh", "-c", command],
                       check=False, capture_output=True)
    knock(f"bash -c 'head -c 4000 /dev/urandom >/dev/tcp/{address}/7473'")
    knock(f"curl -s http://{address}:7473/")
    knock(f"openssl s_client -connect {address}:7473 -alpn ephor-log/1 </dev/null")
    knock(f"openssl s_client -connect {address}:7473 -alpn ephor-log/1 -cert {other}/controller.crt "
          f"-key {other}/controller.key </dev/null")

    def counts():
        refused = leader.cluster().get("refused_links", {})
        return refused.get("garbage", 0) >= 2 and refused.get("bad_certificate", 0) >= 2
    wait_for("they are counted", counts, 10)
    claim(leader.leads(), "it does not lead any more")
    try:
        cluster.agree()
    except Failed as e:
        raise Failed(f"strangers disturbed the cluster: {e}") from e


@scenario(controllers=2, seconds=30)
def a_witness_votes_and_does_not_act(lab):
    """Two controllers and a witness survive the loss of one; the witness needs no keys, no checks."""
    cluster = lab.cluster
    witness = cluster.extend("c3")
    cluster.add("c3", "--witness")
    with open(os.path.join(witness.home, "ephor.conf"), encoding="utf-8") as f:
        local = f.read().split("ssh :")[0]
    with open(os.path.join(witness.home, "ephor.conf"), "w", encoding="utf-8") as f:
        f.write(local)
    witness.start()
    wait_for("the witness votes", lambda: cluster.is_voter("c3"), 30)
    for _ in range(2):
        leader = cluster.leader()
        leader.kill()
        wait_for("the other one leads", lambda c=leader: any(
            o.leads() for o in cluster.running() if o not in (c, witness)), 10)
        claim(not witness.leads(), "the witness leads")
        cluster.service_is("n1")
        leader.start()
        cluster_names = [c for c in cluster.running() if c is not witness]
        wait_for("it is back", lambda c=leader, n=cluster_names: c in n and c.log_index() > 0)
    claim(witness.json("status").get("services", []) == [], "the witness runs services")
    processes = subprocess.run(["ps", "--no-headers", "-o", "args", "--ppid", str(witness.process.pid)],
                               capture_output=True, text=True, check=True).stdout.split("\n")
    claim(not any("checker" in p or "actor" in p for p in processes),
          f"a witness has processes that it does not need: {processes}")
    claim(any("quorum" in p for p in processes), f"no process of the quorum: {processes}")
