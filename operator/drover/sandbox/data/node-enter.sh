#!/bin/bash
# Run a command inside a node: in its control groups and its namespaces.
# usage: node-enter.sh PID CGROUP COMMAND...
pid=$1 cgroup=$2
shift 2
for procs in /sys/fs/cgroup/*/"$cgroup"/cgroup.procs; do
  [ -e "$procs" ] && echo $$ > "$procs"
done
exec nsenter --target "$pid" --mount --uts --net --pid --cgroup -- "$@"
