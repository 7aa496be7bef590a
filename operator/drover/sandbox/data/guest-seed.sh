#!/bin/sh
# The seed disk, known by its serial number: mount takes the host name from it; run does what it asks to be run, once a
# boot, for want of a memory of earlier ones.
say() { echo "tiny: $*" >/dev/console; }

case "$1" in
  mount)
    for path in /sys/block/vd*; do
      [ "$(cat "$path/serial" 2>/dev/null)" = cidata ] || continue
      mount -t iso9660 -o ro "/dev/${path##*/}" /seed || say cannot mount the seed
    done
    [ -f /seed/meta-data ] || exit 0
    name=$(sed -n 's/^ *"local-hostname": "\([^"]*\)".*/\1/p' /seed/meta-data)
    hostname "$name"
    echo "$name" >/www/hostname
    echo "hello from $name" >/www/index.html
    ;;
  run)
    # The word that begins a script's first line tells it from other forms of user data.
    [ -f /seed/user-data ] && read -r first </seed/user-data && case "$first" in
      '#!'*) sh /seed/user-data >/dev/console 2>&1 ;;
    esac
    [ -f /seed/workload.sh ] && sh /seed/workload.sh >/dev/console 2>&1 </dev/null &
    ;;
esac
exit 0
