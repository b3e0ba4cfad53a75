# Runs one database server for a test process and ends it with that process: at the end of standard input, which comes by
# whatever way the process ends, the server is stopped and its files go.
#
# Arguments: the folder, then the server's command line. Words on standard input: start, stop, fast, quit, kill.
folder=$1
shift
pid=
end() {
    if [ -n "$pid" ]; then
        kill -"$1" "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
        pid=
    fi
}
trap '' INT
while read -r word; do
    case $word in
        start)
            "$@" </dev/null >>"$folder/log" 2>&1 &
            pid=$!
            echo started
            ;;
        stop)
            end TERM
            echo stopped
            ;;
        fast)
            end INT
            echo stopped
            ;;
        quit)
            end QUIT
            echo stopped
            ;;
        kill)
            # The processes that a server starts for its clients outlive it for a moment, and would keep it from starting again.
            kill -STOP "$pid"
            children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
            for child in $children; do
                kill -KILL "$child" 2>/dev/null
            done
            end KILL
            for child in $children; do
                while [ -n "$(tr -d '\0' <"/proc/$child/cmdline" 2>/dev/null)" ]; do
                    sleep 0.02
                done
            done
            echo stopped
            ;;
    esac
done
end QUIT
rm -rf "$folder"
