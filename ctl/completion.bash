# bash completion for adaptivectl

_adaptivectl()
{
    local word=$2 before=$3 command=${COMP_WORDS[1]-}
    local usual='--config --httpd --state --dry-run --help'

    case $before in
        --front)
            mapfile -t COMPREPLY < <(compgen -W 'haproxy balancer' -- "$word"); return ;;
        --against)
            mapfile -t COMPREPLY < <(compgen -W 'event worker prefork adaptive' -- "$word"); return ;;
        --to|--from)
            mapfile -t COMPREPLY < <(compgen -W 'mpm_event mpm_worker mpm_prefork' -- "$word"); return ;;
        --service)
            mapfile -t COMPREPLY < <(compgen -W "$(systemctl list-units --no-legend --plain --type=service 'apache2*' 'httpd*' 2>/dev/null |
                cut -d' ' -f1)" -- "$word"); return ;;
        --config|--httpd|--socket|--log|--module|--canary-read)
            mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --state|--output)
            mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --drain-seconds|--interval|--warning|--critical|--url|--host|--log-format|--rounds|--seconds|--warm-up|--rate|--scale|--most-rate|--connections|--minutes|--timeout|--share)
            return ;;
    esac
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'enable disable check import compare status help version' -- "$word")
        return
    fi
    case $command in
        enable)  usual="$usual --no-restart --drain-seconds --service" ;;
        disable) usual="$usual --no-restart --drain-seconds --service --to" ;;
        check)   usual="--config --httpd --state --service --help" ;;
        import)  usual="$usual --from" ;;
        compare) usual='--url --log --log-format --host --against --module --output --rounds --seconds --warm-up --rate --scale --most-rate --connections
            --new-connections --minutes --timeout --canary --share --front --canary-read --config --httpd --dry-run --help' ;;
        status)  usual="--json --watch --interval --check --warning --critical --socket --url --config --httpd --help" ;;
        *)       return ;;
    esac
    if [ "$command" = import ] && [ "${word#-}" = "$word" ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$usual" -- "$word")
}
complete -o filenames -F _adaptivectl adaptivectl
