"""Scenarios of certificates that end: renewed on any controller, replaced with their CA, and missing
at a start. Every time the cluster goes on."""
import os
import re
import signal
import subprocess

from lab import claim, wait_for
from quorum import Clerk, check_history
from scenario import scenario


def folder(controller):
    return os.path.join(controller.home, "cluster")


def ca_key(cluster):
    return os.path.join(folder(cluster["c1"]), "ca.key")


def reload(controller):
    controller.process.send_signal(signal.SIGHUP)


def certificate(viewer, name):
    return (viewer.member(name) or {}).get("certificate", {})


def fingerprints(cluster):
    return {m["name"]: m["fingerprint"] for m in cluster.leader().cluster()["members"]}


def renew(cluster, controller, *args):
    cluster.offline("cluster", "renew", "--dir", folder(controller), "--ca-key", ca_key(cluster),
                    *args)
    reload(controller)


def see_days(cluster, name, low, high):
    """All see a certificate that has so many days left, over links that are up."""
    def look():
        for viewer in cluster.running():
            if not low <= certificate(viewer, name).get("days_left", -1) <= high:
                return False
            if viewer.name != name and viewer.member(name)["link"] != "up":
                return False
        return True
    wait_for(f"all see {low} to {high} days of {name}", look)


def away_from_the_ca(cluster):
    """A follower that is not where the CA is."""
    return next(c for c in cluster.all[1:] if not c.leads())


def page(controller, path):
    done = subprocess.run(["curl", "-s", f"http://127.0.0.1:{controller.port}{path}"],
                          capture_output=True, text=True, timeout=10, check=True)
    return done.stdout


@scenario(controllers=3, seconds=20)
def a_certificate_is_renewed_away_from_the_ca(lab):
    """Few days are left, which is told; renewed with the CA's key from elsewhere, also beside a
    configuration that is broken: links and keys stay."""
    cluster = lab.cluster
    keys = fingerprints(cluster)
    short = away_from_the_ca(cluster)
    refused = cluster.offline("cluster", "renew", "--dir", folder(short), check=False)
    claim(refused.returncode == 1 and "--ca-key FILE" in refused.stderr, "it had no ca.key")
    renew(cluster, short, "--days", "5")
    see_days(cluster, short.name, 4, 4)
    short.in_log("error .*certificate ends in [45] days: renew it")
    problems = short.json("status")["problems"]
    claim(any("ends in 4 days" in p["text"] for p in problems), f"not told: {problems}")
    claim("4 days left" in short.ctl("cluster", "status").stdout, "cluster status does not tell")
    expires = re.search(r'ephor_certificate_expiry_timestamp_seconds{controller="%s"} (\d+)' %
                        short.name, page(cluster.leader(), "/metrics"))
    claim(expires, "no metric")
    with open(os.path.join(short.home, "ephor.conf"), "a", encoding="utf-8") as f:
        f.write("nonsense")
    renew(cluster, short)
    see_days(cluster, short.name, 1800, 1830)
    short.in_log("the old configuration stays in force")
    claim(fingerprints(cluster) == keys, "a key has changed")
    for controller in cluster.all:
        claim("link to" not in "".join(re.findall(r".* is lost: .*", controller.log())),
              f"{controller.name} lost a link")


def expire(cluster, controller):
    """A certificate that ended a day ago, for the same key."""
    home, ca = folder(controller), folder(cluster["c1"])
    command = (f"openssl req -new -key {home}/controller.key -subj /CN={controller.name} | "
               f"openssl x509 -req -CA {ca}/ca.crt -CAkey {ca}/ca.key -days -1 "
               f"-out {home}/controller.crt")
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, capture_output=True)


def damage(_cluster, controller):
    with open(os.path.join(folder(controller), "controller.crt"), "w", encoding="utf-8") as f:
        f.write("this was a certificate\n")


def expose(_cluster, controller):
    os.chmod(os.path.join(folder(controller), "controller.key"), 0o644)


def mend_key(_cluster, controller):
    os.chmod(os.path.join(folder(controller), "controller.key"), 0o600)
    reload(controller)


@scenario(controllers=3, seconds=30)
def a_certificate_that_cannot_be_used_is_mended(lab):
    """Expired, damaged, or with a key that others may read: ephord starts, lives without links and
    says why; a reload puts the mended one to use."""
    cluster = lab.cluster
    keys = fingerprints(cluster)
    victim = away_from_the_ca(cluster)
    for spoil, words, mend in ((expire, "this certificate expired on 20", renew),
                               (damage, "controller.crt: not a certificate", renew),
                               (expose, "chmod 600", mend_key)):
        victim.stop()
        spoil(cluster, victim)
        victim.start()
        victim.in_log(f"no links to other controllers: .*{words}")
        problem = wait_for("its problem", lambda: victim.cluster().get("certificate", {})
                           .get("problem"))
        claim(words in problem, f"it says '{problem}'")
        claim("newest certificate is not in use" in victim.ctl("cluster", "status").stdout,
              "cluster status does not tell")
        claim(cluster.leader() is not victim, "it leads without links")
        mend(cluster, victim)
        see_days(cluster, victim.name, 1800, 1830)
        cluster.agree()
    claim(fingerprints(cluster) == keys, "a key has changed")


def all_show(cluster, ca):
    def look():
        return all(certificate(viewer, c.name).get("ca") == ca and
                   (viewer is c or viewer.member(c.name)["link"] == "up")
                   for viewer in cluster.running() for c in cluster.all)
    wait_for("all show certificates of the new CA", look)


def trust(cluster, controller):
    """Believe c1's CAs, which another controller's ephord may already do."""
    if controller.name != "c1":
        cluster.offline("cluster", "trust", os.path.join(folder(cluster["c1"]), "ca.crt"), "--dir",
                        folder(controller))
    reloads = controller.log().count("policy: in force")
    reload(controller)
    wait_for(f"{controller.name} has reloaded",
             lambda: controller.log().count("policy: in force") > reloads)


def cas_of(controller):
    with open(os.path.join(folder(controller), "ca.crt"), encoding="utf-8") as f:
        return f.read().count("BEGIN CERTIFICATE")


def drop_old(controller, check=True):
    return controller.ctl("cluster", "trust", "--drop-old", "--dir", folder(controller),
                          check=check)


@scenario(controllers=3, seconds=30)
def the_ca_is_replaced_while_the_cluster_works(lab):
    """As ephorctl(8) says: trust both, renew all, trust the new one, one controller after the other.
    No link is lost, no key changes, nothing acknowledged is lost."""
    cluster = lab.cluster
    keys = fingerprints(cluster)
    old = certificate(cluster["c1"], "c1")["ca"]
    clerk = Clerk(cluster)
    clerk.start()
    cluster.offline("cluster", "renew", "--new-ca", "--dir", folder(cluster["c1"]))
    claim(drop_old(cluster["c1"], check=False).returncode == 4, "the CA in use was dropped")
    for controller in cluster.all:
        trust(cluster, controller)
    renew(cluster, cluster["c3"])
    wait_for("c3 has one of the new CA", lambda: certificate(cluster["c3"], "c3")["ca"] != old)
    new = certificate(cluster["c3"], "c3")["ca"]
    early = drop_old(cluster["c3"], check=False)
    claim(early.returncode == 4 and "c1 still has a certificate of another CA" in early.stderr,
          f"dropped too early: {early.stdout}{early.stderr}")
    for controller in cluster.all[:2]:
        renew(cluster, controller)
    all_show(cluster, new)
    for controller in cluster.all:
        drop_old(controller)
        claim(cas_of(controller) == 1, f"{controller.name} trusts {cas_of(controller)} CAs")
        reload(controller)
        all_show(cluster, new)
    clerk.end()
    check_history(cluster, clerk)
    claim(fingerprints(cluster) == keys, "a key has changed")
    for controller in cluster.all:
        lost = re.findall(r".*link to .* is lost: .*|.*stays the old one.*", controller.log())
        claim(not lost, f"{controller.name}: {lost}")
    for controller in cluster.all:  # from their files alone, and a new one beside them
        controller.stop()
        controller.start()
        cluster.agree()
    cluster.extend("c4")
    cluster.add("c4").start()
    wait_for("c4 votes", lambda: cluster.is_voter("c4"), 30)
