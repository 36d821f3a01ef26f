# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lowtide_global_optspecs
    string join \n root= h/help V/version
end

function __fish_lowtide_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_lowtide_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_lowtide_using_subcommand
    set -l cmd (__fish_lowtide_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c lowtide -n "__fish_lowtide_needs_command" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_needs_command" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_needs_command" -s V -l version -d 'Print version'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "run" -d 'Run the daemon in the foreground. Reloads its configuration on SIGHUP and when a file changes'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "check" -d 'Validate the configuration. Exits 0, or 78 with file, line and column of every problem'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "doctor" -d 'Say what this host can do, what is missing and how to enable it. Exits 0, or 1 if lowtide cannot run here'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "status" -d 'Show what the daemon sees: the host, its tiers, every target and the last decision about it'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "top" -d 'Show the host, its tiers and every target as they are now, again and again; q ends it, ? has the keys'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "explain" -d 'Say why the daemon last did, or did not, act on a cgroup'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "report" -d 'Show what was saved, net, since when, what it cost, and what it is worth: as the daemon knows it, or of a period, from the history, without the daemon'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "tiers" -d 'Set up zram, swap devices, zswap and demotion as the configuration asks'
complete -c lowtide -n "__fish_lowtide_needs_command" -f -a "restore" -d 'Put every kernel setting back that lowtide changed, and undo what `tiers apply` set up, except what holds pages. Only with the daemon stopped; safe to run twice. Exits 1 if something is left'
complete -c lowtide -n "__fish_lowtide_using_subcommand run" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand run" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand run" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_using_subcommand check" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand check" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand check" -l environment -d 'Also against this host: does each policy match a cgroup, can this kernel do what is asked?'
complete -c lowtide -n "__fish_lowtide_using_subcommand check" -l deny-warnings -d 'Treat warnings as errors'
complete -c lowtide -n "__fish_lowtide_using_subcommand check" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_using_subcommand doctor" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand doctor" -l json -d 'As JSON'
complete -c lowtide -n "__fish_lowtide_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_using_subcommand status" -l sort -d 'What is most first; paths from A to Z' -r -f -a "cgroup\t'The path'
dram\t'Memory in DRAM'
offloaded\t'Offloaded bytes'
saved\t'Net savings'
pressure\t'Memory pressure of the last 10 s'
back\t'Faulted back in the last minute'
price\t'The price'"
complete -c lowtide -n "__fish_lowtide_using_subcommand status" -l top -d 'No more targets than this' -r
complete -c lowtide -n "__fish_lowtide_using_subcommand status" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand status" -l socket -d 'The daemon\'s control socket, if it is not the one in the configuration' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand status" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand status" -l json -d 'As JSON'
complete -c lowtide -n "__fish_lowtide_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l sort -d 'What is most first; paths from A to Z' -r -f -a "cgroup\t'The path'
dram\t'Memory in DRAM'
working-set\t'What of it was touched lately'
cold\t'What of it was not'
offloaded\t'Offloaded bytes'
saved\t'Net savings'
pressure\t'Memory pressure of the last turn'
refaults\t'What came back since the last turn'
back\t'Faulted back in the last minute'"
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l view -d 'What is on the screen; with --once nothing else is' -r -f -a "tenants\t'A row for each target'
tiers\t'Where offloaded pages can live'
host\t'Memory, reclaim, zones'"
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l interval -d 'From one look to the next, and what rates are over: 500ms, 2s, 1m; from 100ms to 1h' -r
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l at -d 'One screen of what was so then, from the history, without the daemon: 03:00 for the last three o\'clock, "2h ago", 2026-11-27T03:00, or RFC 3339' -r
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l socket -d 'The daemon\'s control socket, if it is not the one in the configuration' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l state-dir -d 'Where the history is, if the configuration cannot be read' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l once -d 'Print one screen as plain text, after two looks an interval apart, and exit'
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -l json -d 'As JSON, once'
complete -c lowtide -n "__fish_lowtide_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lowtide -n "__fish_lowtide_using_subcommand explain" -l at -d 'What was so then, from the history, without the daemon: 03:00 for the last three o\'clock, "2h ago", 2026-11-27T03:00, or RFC 3339' -r
complete -c lowtide -n "__fish_lowtide_using_subcommand explain" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand explain" -l socket -d 'The daemon\'s control socket, if it is not the one in the configuration' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand explain" -l state-dir -d 'Where the history is, if the configuration cannot be read' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand explain" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand explain" -l json -d 'As JSON'
complete -c lowtide -n "__fish_lowtide_using_subcommand explain" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -l since -d 'From then on: 03:00 for the last three o\'clock, "2h ago", 2026-11-27, 2026-11-27T03:00, or RFC 3339' -r
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -l until -d 'Until then; until now without' -r
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -l html -d 'One page with plots, from the history: of all of it without `--since`. `-` is standard output' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -l socket -d 'The daemon\'s control socket, if it is not the one in the configuration' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -l state-dir -d 'Where the history is, if the configuration cannot be read' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -l json -d 'As JSON'
complete -c lowtide -n "__fish_lowtide_using_subcommand report" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and not __fish_seen_subcommand_from plan apply" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and not __fish_seen_subcommand_from plan apply" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and not __fish_seen_subcommand_from plan apply" -f -a "plan" -d 'Show what apply would do, what is so already, and what is impossible. Writes nothing. Exits 0, or 1 if anything is impossible'
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and not __fish_seen_subcommand_from plan apply" -f -a "apply" -d 'Do it, unless anything of it is impossible. Only with the daemon stopped; a second time it does nothing. Exits 0 if everything is as asked for'
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and __fish_seen_subcommand_from plan" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and __fish_seen_subcommand_from plan" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and __fish_seen_subcommand_from plan" -l json -d 'As JSON'
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and __fish_seen_subcommand_from plan" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and __fish_seen_subcommand_from apply" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and __fish_seen_subcommand_from apply" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and __fish_seen_subcommand_from apply" -l json -d 'As JSON'
complete -c lowtide -n "__fish_lowtide_using_subcommand tiers; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help'
complete -c lowtide -n "__fish_lowtide_using_subcommand restore" -l config -d 'The host\'s configuration; policies are read from policies.d/*.yaml beside it too' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand restore" -l state-dir -d 'Where the journal is, if the configuration cannot be read' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand restore" -l root -d 'Read and write the kernel\'s files under this directory instead of / (for tests and fixtures)' -r -F
complete -c lowtide -n "__fish_lowtide_using_subcommand restore" -l keep-tiers -d 'Leave what `tiers apply` set up'
complete -c lowtide -n "__fish_lowtide_using_subcommand restore" -s h -l help -d 'Print help'
