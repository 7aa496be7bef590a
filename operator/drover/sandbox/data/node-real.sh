#!/bin/bash
# What a node that runs containers has of its own besides: /etc, /var and /opt, which hostPath volumes must not share
# with other nodes, and the directories of containerd and kubelet, which cannot lie on an overlay.
# usage: node-real.sh DIRECTORY
set -eu
directory=$1

for name in etc var opt; do
  mkdir -p -- "$directory/overlay/$name" "$directory/overlay/.$name"
  mount -t overlay -o "lowerdir=/$name,upperdir=$directory/overlay/$name,workdir=$directory/overlay/.$name" overlay "/$name"
done
for name in containerd kubelet; do
  mkdir -p -- "$directory/$name" "/var/lib/$name"
  mount --bind "$directory/$name" "/var/lib/$name"
done
