"""Scenarios of a disk that gives I/O errors (eio.c): whoever has it steps aside, the others go on."""
import os
import signal
import sqlite3

from lab import claim, wait_for
from quorum import Clerk, check_history
from scenario import scenario


class BadDisk:
    """The disk of a controller gives I/O errors for as long as this is entered."""

    def __init__(self, controller):
        self.controller = controller
        self.trigger = controller.lab.path(f"{controller.name}-has-io-errors")
        controller.stop()
        controller.start_on_bad_disk(self.trigger)
        wait_for(f"{controller.name} is back", lambda: controller.cluster().get("leader"))

    def __enter__(self):
        with open(self.trigger, "w", encoding="utf-8"):
            pass
        self.says_so()

    def __exit__(self, *_):
        os.unlink(self.trigger)
        wait_for(f"{self.controller.name} is well again", self.controller.storage_ok)

    def says_so(self):
        """By the name of the file, everywhere."""
        victim = self.controller
        wait_for(f"{victim.name} steps aside", lambda: victim.storage_ok() is False)
        text = os.path.join(victim.home, "state", "log.db") + ": disk I/O error"
        told = victim.ctl("cluster", "status").stdout
        claim(f"Its storage fails: write {text}" in told, f"cluster status says: {told}")
        told = [p["text"] for p in victim.json("status")["problems"] if p["object"] == "storage"]
        claim(told and text in told[0], f"status says: {told}")
        victim.in_log(f"storage: write {text}.*nothing new is decided")
        claim(not victim.leads(), f"{victim.name} leads")


def goes_on(clerk, words):
    """Requests are acknowledged, some of them asked for after this was called."""
    count = len(clerk.acknowledged)
    wait_for(f"requests are acknowledged {words}", lambda: len(clerk.acknowledged) >= count + 4)


@scenario(controllers=3, seconds=40)
def a_follower_with_io_errors_steps_aside(lab):
    """It says so, the others go on; it comes back by itself and catches up, also when its quorum
    process was killed meanwhile and cannot start."""
    cluster = lab.cluster
    victim = cluster.follower()
    disk = BadDisk(victim)
    clerk = Clerk(cluster)
    clerk.start()
    with disk:
        goes_on(clerk, "by the others")
        wait_for(f"{victim.name} is seen to be behind",
                 lambda: (cluster.leader().member(victim.name) or {}).get("behind", 0) > 0)
    victim.in_log("storage: works again")
    reached = cluster.leader().log_index()
    wait_for(f"{victim.name} catches up", lambda: victim.log_index() >= reached)
    with disk:
        os.kill(victim.quorum_pid(), signal.SIGKILL)
        victim.in_log(f"start: the log in {victim.home}/state: .*log.db: disk I/O error")
        wait_for(f"the status of {victim.name} says that it does not start", lambda: any(
            p["object"] == "quorum" and "not up" in p["text"]
            for p in victim.json("status").get("problems", [])))
        goes_on(clerk, "by the others, still")
    goes_on(clerk, "by all")
    clerk.end()
    check_history(cluster, clerk)


@scenario(controllers=3, seconds=40)
def a_leader_with_io_errors_is_replaced(lab):
    """It says so and leads no more; the others lead, nothing acknowledged is lost, the service
    stays; it comes back by itself."""
    cluster = lab.cluster
    victim = cluster.follower()
    disk = BadDisk(victim)
    cluster.agree()
    cluster.leader().ctl("cluster", "transfer", victim.name)
    wait_for(f"{victim.name} leads", victim.leads, 10)
    clerk = Clerk(cluster)
    clerk.start()
    goes_on(clerk, "at first")
    with disk:
        wait_for("another one leads",
                 lambda: any(c.leads() for c in cluster.running() if c is not victim), 10)
        goes_on(clerk, "by the others")
        claim(not victim.leads(), f"{victim.name} leads again")
    victim.in_log("storage: works again")
    goes_on(clerk, "by all")
    clerk.end()
    check_history(cluster, clerk)
    cluster.service_is("n1")


@scenario(controllers=3, seconds=30)
def damage_that_comes_to_light_later_is_repaired(lab):
    """A row is damaged under a running follower; it is read again when the disk has failed. The
    quorum process starts anew and has all of it back."""
    cluster = lab.cluster
    victim = cluster.follower()
    for i in range(6):
        cluster.leader().ctl("pause" if i % 2 else "resume", check=False)
    disk = BadDisk(victim)
    with disk:
        log = sqlite3.connect(os.path.join(victim.home, "state", "log.db"))
        log.execute("UPDATE log SET bytes = zeroblob(length(bytes)) "
                    "WHERE idx = (SELECT max(idx) - 3 FROM log)")
        log.commit()
        log.close()
    victim.in_log("starting anew, to repair it from the other controllers")
    victim.in_log("an entry is damaged in .* is fetched again from the other controllers")
    wait_for("all is back", lambda: "repaired_up_to" not in victim.cluster()
             .get("log", {"repaired_up_to": 0}), 20)
    cluster.agree()
