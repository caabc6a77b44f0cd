#!/bin/sh
# ephorctl against a status process on the stage: words, exit statuses, JSON, and the metrics page
# as promtool sees it. Run from the build directory.
set -u
work=$(mktemp -d) || exit 99
failed=0
passed=0
stage=""

finish() {
    exec 3>&- 4<&-
    [ -n "$stage" ] && wait "$stage"
    rm -rf "$work"
}
trap finish EXIT

# run STATUS TEXT ARGUMENT...: the exit status and a text in the output.
run() {
    wanted=$1
    text=$2
    shift 2
    ./ephorctl --socket "$work/ctl.sock" "$@" >"$work/out" 2>&1 </dev/null
    status=$?
    if [ "$status" -eq "$wanted" ] && grep -qF -- "$text" "$work/out"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: ephorctl $* gave $status (wanted $wanted, '$text'):"
        cat "$work/out"
    fi
}

play() {
    echo "$*" >&3
    read -r answer <&4
    [ "$answer" = "done" ] || echo "the stage said '$answer' to '$*'"
}

mkfifo "$work/to" "$work/from" || exit 99
./stage "$work/ctl.sock" <"$work/to" >"$work/from" 3>&- 4>&- &
stage=$!
exec 3>"$work/to" 4<"$work/from"
read -r port _ <&4

play work on
for node in n1 n2 n3; do play "reach $node 1 "; done
for check in web/n1/http web/n2/http 'batch/n2/<b>queue</b>' 'batch/n3/<b>queue</b>' \
    node/n1/ping vip/web/answers; do
    play "opinion $check 0 fine"
done

# Reading.
run 0 'All services are up' status
run 0 '192.0.2.100 held by n1' status
run 0 '"headline": "All services are up"' status --json
run 0 'ok' status --exit-code
run 0 '-> rule  7  healthy' why web
run 0 'Services with a member there' why n2
run 0 'It follows the service web' why web-ip
run 0 'It follows the service web' why 192.0.2.100
run 0 'Who sees what:' why web/n1/http
run 1 "there is no service, node, address, check or controller 'nobody'" why nobody
run 0 'batch on n3' why batch --at 0s
run 0 'the journal has nothing about it' why web --at 1d
run 0 'the last word of each thing' why web --at 2001-01-01T00:00:00Z
run 0 '"event": "member"' --json why batch --at 0s
run 2 'is not a time' why web --at yesterday
run 0 'batch on n3' journal --object n3 -n 3
run 0 '"event":"member"' journal --json --object n3

run 0 'All services are up' status --consistent
run 0 '-> rule  7  healthy' why web --consistent
run 0 'It follows the service web' --consistent why web-ip
run 0 'batch on n3' journal --consistent --object n3 -n 3
run 0 '"leading": true' --json cluster status --consistent

# Asking.
run 1 'add --yes' failover web
run 0 'web is active on n2' failover web --yes --wait --reason 'a test'
run 4 'already' failover web --to n2 --yes
run 1 "there is no service 'none'" failover none --yes
run 0 'and active on n1 (rule 7, healthy' simulate --fail web@n2
run 0 '"ends": true' --json simulate --down n1 --drain n2
run 2 "there is no node 'n9'" simulate --down n9
run 2 'batch has no member on n1' simulate --fail batch@n1
run 2 'say what is to be assumed' simulate
run 0 'web is active on n1, after' failback web --yes
run 1 'web is where it belongs' failback web --yes
run 0 'web is active on n2, after' switchover web --to n2 --yes
run 0 'nothing is active on n2, after' drain n2 --for 2h --yes
# Two services fell with one entry: both are in the report of that number.
run 0 'web: move from n2 to n1: its node is in maintenance (rule 6, drain); is active on n1, ' report
number=$(./ephorctl --socket "$work/ctl.sock" report | awk '/web: move from n2 .*maintenance/ { print $1 }')
run 0 "# Incident $number: web" report "$number"
run 0 "# Incident $number: batch" report "$number"
run 0 '| decision | batch | move from n2 to n3: its node is in maintenance (rule 6, drain) |' report "$number"
run 1 'no incident 999999 is in the journal' report 999999
run 2 'is not the number of an incident' report latest
run 0 'maintenance by root via ephorctl' status
run 0 'maintenance has ended' maintenance n2 --off
run 2 'is not a time such as' pause --for tomorrow
run 0 'paused: Ephor watches' pause --for forever --reason 'moving racks'
run 1 'moving racks' status --exit-code
run 0 'root via ephorctl' status --json
run 0 'resumed' resume
run 0 'in maintenance' maintenance n3 --reason kernel
run 0 'kernel' why n3
run 0 '"accepted": true' --json maintenance n3 --off
run 4 "there is no node 'n9'" maintenance n9

# Text of plugins does not drive the terminal.
play "opinion web/n2/http 1 $(printf 'red \033[31m and \302\23331m')"
run 0 'red  [31m' why web
run 0 'Diagnosis: service wrong (the node answers' why web
run 0 'Next: it answers, so the network is well: on n2' why web
run 0 'Diagnosis: service wrong' why web/n2/http
run 0 '"kind": "service wrong"' why web/n2/http --json
if ./ephorctl --socket "$work/ctl.sock" status | grep -q "$(printf '\033\|\302\233')"; then
    echo 'FAILED: an escape sequence got through'
    failed=$((failed + 1))
fi

# Certificates: all but the last step works without asking.
dir=$work/cluster other=$work/other
run 1 'has no cluster.json' cluster renew --dir "$dir"
run 0 'holds the keys of a new cluster' cluster init c1 192.0.2.1 --dir "$dir"
run 0 'The certificate of c1 is renewed' cluster renew --dir "$dir" --days 3
run 0 'in 1825 days' cluster renew --dir "$dir"
mv "$dir/ca.key" "$work/ca.key"
run 1 'name a copy of it with --ca-key FILE' cluster renew --dir "$dir"
run 0 'for the same key' cluster renew --dir "$dir" --ca-key "$work/ca.key"
run 1 'is empty' cluster renew --dir "$dir" --ca-key - # its input is empty here
run 1 'No such file' cluster renew --dir "$dir" --ca-key "$work/none"
run 0 'holds the keys' cluster init c1 192.0.2.1 --dir "$other"
run 1 'it is the key of no CA that is trusted here' cluster renew --dir "$dir" --ca-key "$other/ca.key"
run 2 'makes a CA and no certificate' cluster renew --new-ca --days 3 --dir "$dir"
run 0 'is the key of a new CA' cluster renew --new-ca --dir "$dir"
run 4 'not signed by the newest CA' cluster trust --drop-old --dir "$dir"
run 0 'trusts the CAs of' cluster trust "$other/ca.crt" --dir "$dir"
run 1 'not one of a CA' cluster trust "$other/controller.crt" --dir "$dir"
run 0 'is renewed' cluster renew --dir "$dir" --ca-key "$other/ca.key"
run 4 'does not know the members' cluster trust --drop-old --dir "$dir"
run 0 'trusts the newest CA only' cluster trust --drop-old --yes --dir "$dir"
run 2 'usage: ephorctl cluster trust' cluster trust --dir "$dir"
run 2 'usage: ephorctl cluster trust' cluster trust "$other/ca.crt" --drop-old --dir "$dir"
run 2 'is not a number' cluster renew --days 0 --dir "$dir"

# Observers: the stage is a cluster of c1, whose keys are those in $third.
third=$work/third
run 0 'holds the keys' cluster init c1 192.0.2.1 --dir "$third"
run 2 'an observer has no address' cluster add o1 192.0.2.9 --observer --dir "$third" --out "$work/o1"
run 2 'usage: ephorctl cluster add NAME ADDRESS' cluster add o1 --dir "$third" --out "$work/o1"
run 2 'cluster add NAME --observer' cluster add --observer --dir "$third" --out "$work/o1"
run 0 'observer o1 was added with id 1001; its bundle is' cluster add o1 --observer --dir "$third" --out "$work/o1"
run 0 'it connects to the controllers, and looks' cluster join "$work/o1" --dir "$work/observer" --state-dir "$work"
for line in '"observer": true' '"id": 1001' '"address": ""' '"address": "192.0.2.1:7473"'; do
    if ! grep -qF "$line" "$work/observer/cluster.json"; then
        echo "FAILED: no $line in the directory of an observer"
        failed=$((failed + 1))
    fi
done
run 4 'of that name already' cluster add o1 --observer --dir "$third" --out "$work/again"
[ ! -e "$work/again" ] || { echo 'FAILED: a bundle of nobody'; failed=$((failed + 1)); }
run 0 '1 observer, 0 linked to this controller.' cluster status
run 0 'was added with id 1002' cluster add o2 --observer --dir "$third" --out "$work/o2"
play 'observe o1 1 '
play 'observe o2 0 no canary answers'
run 0 '2 observers, 2 linked to this controller, 1 of them cannot see.' cluster status
run 0 'no: no canary answers' cluster status
run 0 '"reason": "no canary answers"' cluster status --json
run 0 'added as an observer by root via ephorctl' journal --object o1
run 0 'observer o2 was removed' cluster remove o2 --yes
run 0 '1 observer, 1 linked to this controller.' cluster status
run 4 'no observer of that name' cluster remove o2 --yes

# The policy. Its number is that of the entry that the stage wrote first.
cat >"$work/small.conf" <<'END'
name = "stage";
nodes : { n1 : { address = "192.0.2.1"; transport = "local"; }; };
checks : { ping : { type = "tcp"; port = 22; }; };
services : { mail : { members = ( { node = "n1"; } ); checks = [ "ping" ]; }; };
END
sed 's/checks = /chekcs = /' "$work/small.conf" >"$work/broken.conf"
run 0 'in force stage' config history
run 0 '"in_force": true' --json config history
run 0 'in force' config history --consistent
run 1 'services.mail: added' config diff "$work/small.conf"
run 1 'services.web: removed' config diff --consistent "$work/small.conf"
run 1 '"change": "removed"' --json config diff "$work/small.conf"
run 1 '"object": "services.mail"' --json config diff "$work/small.conf"
run 2 'error' config diff "$work/broken.conf"
run 2 '"ok": false' --json config diff "$work/broken.conf"
run 2 'No such file' config diff "$work/none.conf"
run 2 'there is no policy before' config rollback
run 2 'is no number of a policy' config rollback first
run 1 'no policy of that number' config rollback 4711 --yes
run 2 "there is no 'config shake'" config shake
run 2 'usage: ephorctl config history' config history --yes
run 2 'usage: ephorctl config apply' config apply FILE
run 2 'usage: ephorctl config rollback' config rollback --consistent

# Usage.
run 2 'a command is missing'
run 2 'there is no command dance' dance
run 2 "option '--to' is not for pause" pause --to n1
run 2 'usage: ephorctl why' why
run 2 'is not a number' journal -n many
run 2 "option '--consistent' is not for pause" pause --consistent
run 2 'usage: ephorctl cluster transfer' cluster transfer --consistent
run 2 'Try' status --nonsense
run 0 'Exit status' --help
run 0 'ephorctl (ephor)' version
run 1 'error' config check "$work/missing.conf"

# Trouble.
play drop 1
run 3 'could not be written down' pause
for command in status 'why web' journal 'cluster status' 'config history'; do
    # shellcheck disable=SC2086 # words
    run 3 'what is known here may be old: no leader can be' $command --consistent
done
run 3 'may be old' status --exit-code --consistent
run 3 '"code": "not_confirmed"' --json status --consistent
play drop 0
play lose
run 3 'is not there' pause
run 0 'not fresh' status
run 2 'not fresh' status --exit-code
play again
./ephorctl --socket "$work/none.sock" status >"$work/out" 2>&1
if [ $? -ne 3 ] || ! grep -q 'is it running? (systemctl status ephor)' "$work/out"; then
    echo 'FAILED: no daemon:'
    cat "$work/out"
    failed=$((failed + 1))
fi
run 0 'stage' status
EPHOR_SOCKET=$work/ctl.sock ./ephorctl status >/dev/null || failed=$((failed + 1))

# Following: what comes later is printed too.
# await TEXT: until the follower has printed it, 10 s at most.
await() {
    tries=0
    until grep -q "$1" "$work/follow"; do
        tries=$((tries + 1))
        if [ $tries -gt 100 ]; then
            echo "FAILED: journal -f did not print '$1':"
            cat "$work/follow"
            failed=$((failed + 1))
            return
        fi
        sleep 0.1
    done
}
: >"$work/follow"
timeout 30 ./ephorctl --socket "$work/ctl.sock" journal -f -n 1 >"$work/follow" 2>&1 &
follower=$!
await :
play 'opinion web/n1/http 2 later it broke'
await 'later it broke'
kill "$follower"
wait "$follower" 2>/dev/null

# Observers.
play 'census web/n2/http 2'
run 0 'observers: 200 of 200 say critical' why web/n2/http
run 0 '"critical": 200' why web/n2/http --json
run 0 'observers: 200 of 200 say critical' why web

# The metrics page.
if command -v promtool >/dev/null && command -v curl >/dev/null; then
    play 'result web/n1/http 0 fine'
    curl -s "http://127.0.0.1:$port/metrics" >"$work/metrics"
    if promtool check metrics <"$work/metrics" >"$work/out" 2>&1 && [ ! -s "$work/out" ]; then
        passed=$((passed + 1))
    else
        echo 'FAILED: promtool check metrics:'
        cat "$work/out"
        failed=$((failed + 1))
    fi
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
