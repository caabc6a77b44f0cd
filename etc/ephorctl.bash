# bash completion for ephorctl(8). Names of services and nodes come from the running daemon.
_ephorctl_names() {
    ephorctl --json status 2>/dev/null | awk -v list="\"$1\"" '
        $1 == list ":" { on = 1; next }
        on && /^  \]/ { exit }
        on && /^      "name":/ { gsub(/[",]/, "", $2); print $2 }'
}

_ephorctl_policies() {
    ephorctl --json config history 2>/dev/null | awk '
        $1 == "\"number\":" && /^      / { gsub(/,/, "", $2); print $2 }'
}

_ephorctl() {
    local cur prev words cword command="" i
    _init_completion || return
    local commands="status why journal report simulate switchover failover failback drain pause resume maintenance cluster config version"
    local global="--socket --json --no-color --help --version"
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        -s | --socket) i=$((i + 1)) ;;
        -*) ;;
        *)
            command=${words[i]}
            break
            ;;
        esac
    done
    case $prev in
    -s | --socket | --out | --ca-key)
        _filedir
        return
        ;;
    --dir | --state-dir)
        _filedir -d
        return
        ;;
    --to)
        mapfile -t COMPREPLY < <(compgen -W "$(_ephorctl_names nodes)" -- "$cur")
        return
        ;;
    --object)
        mapfile -t COMPREPLY < <(compgen -W "$(_ephorctl_names services)
            $(_ephorctl_names nodes)" -- "$cur")
        return
        ;;
    --fail | --failover)
        mapfile -t COMPREPLY < <(compgen -W "$(_ephorctl_names services)" -- "$cur")
        return
        ;;
    --down | --stuck | --drain)
        mapfile -t COMPREPLY < <(compgen -W "$(_ephorctl_names nodes)" -- "$cur")
        return
        ;;
    --reason | --for | --at | -n | --lines | --days) return ;;
    esac
    local choices
    case $command in
    "") choices="$commands $global" ;;
    status) choices="--watch --exit-code --consistent $global" ;;
    why) choices="$(_ephorctl_names services) $(_ephorctl_names nodes) --at --consistent $global" ;;
    journal) choices="--follow --lines --object --consistent $global" ;;
    failover) choices="$(_ephorctl_names services) --to --wait --yes --reason $global" ;;
    report) choices="--consistent $global" ;;
    switchover) choices="$(_ephorctl_names services) --to --yes --reason $global" ;;
    failback) choices="$(_ephorctl_names services) --yes --reason $global" ;;
    drain) choices="$(_ephorctl_names nodes) --for --yes --reason $global" ;;
    simulate) choices="--fail --down --stuck --drain --failover --restart-helps $global" ;;
    pause) choices="--for --reason $global" ;;
    resume) choices="--reason $global" ;;
    maintenance) choices="$(_ephorctl_names nodes) --off --for --reason $global" ;;
    cluster)
        case $prev in
        join | restore | trust) _filedir && return ;;
        esac
        choices="status init add join promote remove transfer renew trust log backup restore
            recover --dir --state-dir --out --learner --witness --observer --yes --lines --ca-key
            --days --new-ca --drop-old --consistent $global"
        ;;
    config)
        case $prev in
        check | diff) _filedir && return ;;
        rollback)
            mapfile -t COMPREPLY < <(compgen -W "$(_ephorctl_policies)" -- "$cur")
            return
            ;;
        esac
        choices="check diff apply history rollback --yes --consistent $global"
        ;;
    *) choices=$global ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
}
complete -F _ephorctl ephorctl
