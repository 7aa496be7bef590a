#!/bin/sh
# The seed disk, known by its serial number: mount takes the host name from it; run does what it asks to be run, once a
# boot, for want of a memory of earlier ones; net sets the addresses that it tells, and the name server.
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
  net)
    [ -f /seed/network-config ] || exit 0
    # The words stand between quotes, one value a line: an interface by its hardware address, then what it is to have.
    awk -F '"' '
      $2 == "macaddress" { mac = $4 }
      $2 ~ "^[0-9]+[.][0-9.]+/[0-9]+$" || $2 ~ "^[0-9a-f]+:[0-9a-f:]+/[0-9]+$" { print "address", mac, $2 }
      $2 == "gateway4" || $2 == "gateway6" { print "route", mac, $4 }
      $2 ~ "^[0-9]+[.][0-9.]+$" { print "names", mac, $2 }
    ' /seed/network-config | while read -r what mac value; do
      for path in /sys/class/net/eth*; do
        [ "$(cat "$path/address")" = "$mac" ] || continue
        case "$what" in
          address) ip address add "$value" dev "${path##*/}" ;;
          route) ip route replace default via "$value" dev "${path##*/}" ;;
          names) [ -s /etc/resolv.conf ] || echo "nameserver $value" >/etc/resolv.conf ;;
        esac
      done
    done
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
