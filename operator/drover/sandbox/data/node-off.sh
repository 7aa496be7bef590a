#!/bin/bash
# What a power cut takes from a node besides its processes: its network namespace with all bridges, taps and rules,
# and the control groups of its guests.
# usage: node-off.sh NETNS CGROUP SWITCH PORT
netns=$1 cgroup=$2 switch=$3 port=$4

[ -e "/run/netns/$switch" ] && ip -n "$switch" link delete "$port" 2>/dev/null
[ -e "/run/netns/$netns" ] && ip netns delete "$netns"

# The last process may still be on its way out, and a group can be removed only after it.
for _ in {1..100}; do
  left=0
  for group in /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup"; do
    [ -d "$group" ] || continue
    find "$group" -depth -type d -exec rmdir -- {} + 2>/dev/null
    [ -d "$group" ] && left=1
  done
  [ $left = 0 ] && break
  sleep 0.02
done
exit 0
