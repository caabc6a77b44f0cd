"""What operators do: maintenance, pause, failover, reload; and what they look at."""
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile

from lab import TOP, claim, free_port, stays, wait_for
from scenario import HASTY, scenario


@scenario()
def page_api_and_metrics_answer_on_the_hosts_loopback(lab):
    code, page = lab.page("/")
    claim(code == 200 and "web" in page and "10.77.0.100" in page, f"the page: {code}")
    code, text = lab.page("/api/v1/status")
    claim(code == 200 and json.loads(text)["services"][0]["active"] == "n1", f"the API: {text}")
    for path in ("/healthz", "/readyz"):
        code, text = lab.page(path)
        claim(code == 200, f"{path}: {code} {text}")
    code, metrics = lab.page("/metrics")
    claim(code == 200, f"/metrics: {code}")
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True,
                          text=True, check=False)
    claim(done.returncode == 0 and done.stderr == "", f"promtool: {done.stdout}{done.stderr}")


@scenario()
def maintenance_drains_and_ends(lab):
    lab.poll()
    lab.ctl("maintenance", "n1", "--reason", "new disk")
    lab.client_reaches("n2")
    lab.in_journal("\\(rule 6, drain\\)")
    claim(lab.node("n1")["maintenance"], "status does not show the maintenance")
    refused = lab.ctl("failover", "web", "--to", "n1", "--yes", check=False)
    claim(refused.returncode == 4, f"exit {refused.returncode} instead of 4 for a refusal")
    claim("maintenance" in refused.stdout + refused.stderr, "the refusal does not say why")
    lab.ctl("maintenance", "n1", "--off")
    wait_for("nothing is under way", lambda: lab.is_settled("n2"))
    lab.ctl("failover", "web", "--to", "n1", "--yes")
    lab.client_reaches("n1")
    outage = lab.outage()
    claim(outage < 1, f"a planned move took {outage} s")


@scenario()
def pause_holds_and_resume_acts(lab):
    lab.ctl("pause", "--reason", "backup")
    lab.lab("break-service", 1)
    lab.in_journal("hold web: nothing is done \\(rule 3, paused\\)")
    claim(lab.active() == "n1" and lab.has_address(1), "something was done while paused")
    claim("paused" in lab.ctl("why", "web").stdout, "why does not name the pause")
    claim(lab.status()["cluster"]["paused"]["reason"] == "backup", "status does not tell the pause")
    lab.ctl("resume")
    lab.client_reaches("n2")


@scenario(settings=HASTY, controllers=3, seconds=15)
def a_file_freezes_a_controller_or_a_node(lab):
    """Without ephorctl, and whoever leads: nothing moves until the file is gone."""
    cluster = lab.cluster
    path = os.path.join(cluster.follower().home, "state", "freeze")
    with open(path, "w", encoding="utf-8") as file:
        file.write("the rack is being moved\n")
    wait_for("it is told", lambda: "the rack is being moved" in cluster.leader().ctl("status").stdout)
    lab.lab("break-service", 1)
    wait_for("it is held", lambda: "rule 22" in str(cluster.leader().journal()[-1]["text"]))
    stays("nothing moves", lambda: lab.has_address(1), 2)
    os.unlink(path)
    lab.client_reaches("n2")
    lab.mend(1)
    lab.lab("on", 2, "sh", "-c", "echo disk swap >/run/ephor/freeze")
    wait_for("n2 is frozen", lambda: "n2: frozen by a file there: disk swap" in
             cluster.leader().ctl("status").stdout)
    done = cluster.leader().ctl("failover", "web", "--yes", check=False)
    claim(done.returncode == 4 and "remove it first" in done.stderr, f"{done}")
    lab.lab("break-service", 2)
    wait_for("it is held", lambda: "n2 is frozen" in
             cluster.leader().ctl("why", "web").stdout)
    stays("n2 keeps what it has", lambda: lab.has_address(2), 2)
    lab.lab("on", 2, "rm", "/run/ephor/freeze")
    lab.client_reaches("n1")


@scenario(seconds=10)
def what_is_foretold_is_what_happens(lab):
    """simulate says the steps in which the real daemon then moves the service, and a pause with an
    end ends."""
    def steps(lines):
        return [(line["event"], line["object"], line["text"].split(":")[0],
                 "".join(re.findall(r"\(rule \d+", line["text"])))
                for line in lines if line["event"] in ("decision", "vip", "service")]
    foretold = json.loads(lab.ctl("--json", "simulate", "--fail", "web", "--stuck", "n1").stdout)
    before = lab.journal()[-1]["index"]
    lab.lab("break-service", 1)
    lab.client_reaches("n2")
    lab.in_journal("service web: is active on n2", after=before)
    real = steps(line for line in lab.journal() if line["index"] > before)
    claim(steps(foretold["lines"]) == real, f"foretold: {steps(foretold['lines'])}, real: {real}")
    listed = re.search(r"(\d+)  .*web: is critical.*; is active on n2, [\d.]+ s", lab.ctl("report").stdout)
    claim(listed, lab.ctl("report").stdout)
    text = lab.ctl("report", listed.group(1)).stdout
    claim(re.search(r"\| \+[\d.]+ s \| decision \| web \| move from n1 to n2: .*\(rule 12, move\) \|", text),
          text)
    lab.mend(1)
    wait_for("n1 works", lab.all_ok)
    lab.ctl("pause", "--for", "2s")
    lab.ctl("drain", "n2", "--for", "1h", "--yes", check=False)
    lab.in_journal("the pause has ended by itself")
    lab.client_reaches("n1")


@scenario()
def reload_keeps_state_and_refuses_nonsense(lab):
    lab.edit(('interval = "1s"', 'intervall = "1s"'))
    lab.reload()
    lab.in_log('intervall: unknown setting; did you mean .interval')
    wait_for("status tells it", lambda: "intervall" in json.dumps(lab.status()["config"]))
    lab.edit(('intervall = "1s"', 'interval = "700ms"'))
    index = lab.journal()[-1]["index"]
    lab.reload()
    lab.in_journal("policy lab: adopted", after=index)
    lab.settled()
    _, totals = lab.watched()
    claim(totals["none_ms"] == 0 and totals["moves"] == 0, f"the reload moved it: {totals}")


@scenario()
def two_ephords_do_not_share_a_directory(lab):
    done = subprocess.run([os.path.join(lab.build, "ephord"), "-c", lab.path("ephor.conf")],
                          capture_output=True, text=True, timeout=20, check=False)
    claim(done.returncode == 75, f"exit {done.returncode} instead of 75: {done.stderr}")
    claim("another ephord" in done.stderr, done.stderr)
    lab.settled()


@scenario(settle=False)
def local_service_is_restarted_without_root(lab):
    """The demo for those who are not root: no SSH, no address, as an ordinary user."""
    user = pwd.getpwnam("nobody")
    folder = tempfile.mkdtemp(prefix="ephor-local-")
    os.chown(folder, user.pw_uid, user.pw_gid)
    as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    script = os.path.join(TOP, "etc/lab/local.sh")
    socket = os.path.join(folder, "ctl.sock")
    ephord = None

    def ctl(*args):
        return subprocess.run([*as_user, os.path.join(lab.build, "ephorctl"), "--socket", socket,
                               *args], capture_output=True, text=True, check=False).stdout

    def is_ok():
        text = ctl("--json", "status")
        return text and json.loads(text)["state"] == "ok"
    try:
        subprocess.run([*as_user, script, "up", folder, str(free_port())], check=True, cwd="/")
        with open(lab.log_path, "ab") as log:
            ephord = subprocess.Popen([*as_user, os.path.join(lab.build, "ephord"), "--config",
                                       os.path.join(folder, "ephor.conf")], stdout=log, stderr=log,
                                      cwd="/")
        wait_for("the service is ok", is_ok)
        subprocess.run([*as_user, script, "stop", folder], check=True, cwd="/")
        wait_for("it is restarted", lambda: "works again after the restart" in
                 ctl("journal", "-n", "100"))
        wait_for("the service is ok again", is_ok)
        ephord.terminate()
        claim(ephord.wait(20) == 0, "ephord did not end cleanly")
    finally:
        if ephord is not None:
            ephord.kill()
            ephord.wait()
        subprocess.run([*as_user, script, "down", folder], check=False, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


@scenario(settle=False, seconds=5)
def nodes_that_say_something_of_their_own_are_understood(lab):
    """Warnings of a shell or a profile, without an end, come between Ephor's own lines."""
    talks = ('command="printf \'this node is monitored\' >&2; sleep 0.1; '
             'exec sh -c \\"$SSH_ORIGINAL_COMMAND\\"" ')
    for n in (1, 2):
        with open(lab.path(f"n{n}", "authorized_keys"), encoding="utf-8") as file:
            key = file.read()
        with open(lab.path(f"n{n}", "authorized_keys"), "w", encoding="utf-8") as file:
            file.write(talks + key)
    lab.start()
    lab.settled()
    claim("does not answer" not in lab.log(), "a line of theirs was taken for one of ours")
