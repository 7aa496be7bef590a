#!/bin/bash
# Pid 1 of a node: mounts what must be private, opens the way for the machine to the guests, then reaps orphans.
# usage: node-init.sh NAME DIRECTORY GATEWAY Real|Kwok
set -eu
name=$1 directory=$2 gateway=$3 kubelet=$4

hostname "$name"

# `ip netns exec` hid the control groups under a new /sys: mount them again, rooted at our own namespace.
# Version 1 only: without any, as on a machine with version 2, libvirt runs guests outside control groups.
mount -t tmpfs cgroup /sys/fs/cgroup
while IFS=: read -r _ hierarchy _; do
  [ -n "$hierarchy" ] || continue # that of version 2
  if [ "$kubelet" = Kwok ]; then
    case ",$hierarchy," in *,cpu,* | *,cpuacct,* | *,cpuset,* | *,memory,* | *,blkio,*) ;; *) continue ;; esac
  fi
  mkdir "/sys/fs/cgroup/${hierarchy#name=}"
  if [[ $hierarchy = name=* ]]; then # containerd keeps every container in systemd's own hierarchy too
    mount -t cgroup -o "none,$hierarchy" cgroup "/sys/fs/cgroup/${hierarchy#name=}"
    continue
  fi
  mount -t cgroup -o "$hierarchy" cgroup "/sys/fs/cgroup/$hierarchy"
  for controller in ${hierarchy//,/ }; do
    [ -e "/sys/fs/cgroup/$controller" ] || ln -s "$hierarchy" "/sys/fs/cgroup/$controller"
  done
done < /proc/self/cgroup

[ "$kubelet" = Kwok ] || bash "$(dirname "$0")/node-real.sh" "$directory"

# A private /etc/hosts and an empty resolv.conf: without them every start of a guest waits 10 s for the name server.
mount --bind "$directory/hosts" /etc/hosts
mount --bind "$directory/resolv.conf" /etc/resolv.conf

# A private /run, empty after every boot: no D-Bus, no lock files and no sockets of the machine's own daemons.
mount -t tmpfs -o mode=0755 run /run
mkdir /run/lock
for pair in run:/run/libvirt etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt drover:/var/lib/drover localca:/var/lib/swtpm-localca; do
  mkdir -p -- "${pair#*:}"
  mount --bind "$directory/${pair%%:*}" "${pair#*:}"
done

cp -- "$directory/boot_id" /run/drover-boot-id
[ "$kubelet" = Kwok ] || mount --make-rshared / # mounts made in pods are seen outside, as on any node

echo 1 > /proc/sys/net/ipv4/ip_forward

# Libvirt finds its chains in place and leaves their order alone, so this rule stays ahead of its REJECT for good.
iptables-restore <<RULES
*filter
:LIBVIRT_FWX - [0:0]
:LIBVIRT_FWI - [0:0]
:LIBVIRT_FWO - [0:0]
-A FORWARD -s $gateway -i fab0 -j ACCEPT
-A FORWARD -j LIBVIRT_FWX
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
COMMIT
RULES

touch "$directory/run/ready"

# bash reaps every orphan while it waits: an unreaped QEMU would make libvirt's destroy take 2 s instead of 0.2 s.
while :; do
  sleep infinity &
  wait $!
done
