#!/bin/bash
# Power a node on: a fresh network namespace on the switch, control groups, then pid 1 in namespaces of its own.
# usage: node-boot.sh NAME DIRECTORY NETNS CGROUP SWITCH PORT ADDRESS/PREFIX GATEWAY Real|Kwok
# A file `routes` in the directory holds the routes to the pods of other nodes.
set -eu
name=$1 directory=$2 netns=$3 cgroup=$4 switch=$5 port=$6 address=$7 gateway=$8 kubelet=$9
data=$(dirname "$0")

bash "$data/node-off.sh" "$netns" "$cgroup" "$switch" "$port"
rm -rf -- "$directory/run"
mkdir -p -- "$directory/run"
cat /proc/sys/kernel/random/uuid > "$directory/boot_id"

ip -batch - <<BATCH
netns add $netns
link add fab0 netns $netns type veth peer name $port netns $switch
BATCH
ip -n "$switch" link set "$port" master br0 up
ip -n "$netns" -batch - <<BATCH
link set lo up
address add $address dev fab0
link set fab0 up
route add default via $gateway
BATCH
ip -n "$netns" -batch "$directory/routes"

controllers="cpu cpuacct cpuset memory blkio" # what libvirt uses
[ "$kubelet" = Kwok ] || controllers+=" devices freezer hugetlb net_cls net_prio perf_event pids systemd"
for controller in $controllers; do
  top=/sys/fs/cgroup/$controller
  [ -e "$top/cgroup.procs" ] || continue # version 1 hierarchies only
  mkdir -p "$top/$cgroup"
  if [ "$controller" = cpuset ]; then
    cat "$top/cpuset.cpus" > "$top/$cgroup/cpuset.cpus"
    cat "$top/cpuset.mems" > "$top/$cgroup/cpuset.mems"
    echo 1 > "$top/$cgroup/cgroup.clone_children"
  fi
  echo $$ > "$top/$cgroup/cgroup.procs"
done

exec ip netns exec "$netns" unshare --mount --uts --pid --cgroup --fork --kill-child --mount-proc \
  --propagation private bash "$data/node-init.sh" "$name" "$directory" "$gateway" "$kubelet"
