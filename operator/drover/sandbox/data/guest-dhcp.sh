#!/bin/sh
# What udhcpc calls with each lease: address, route, name server, host name.
# shellcheck disable=SC2154  # udhcpc tells by environment variables
case "$1" in
  bound | renew)
    ip address flush dev "$interface"
    ip address add "$ip/${mask:-24}" dev "$interface"
    [ -n "$router" ] && ip route replace default via "${router%% *}"
    [ -n "$dns" ] && echo "nameserver ${dns%% *}" >/etc/resolv.conf
    [ -n "$hostname" ] && [ ! -f /seed/meta-data ] && hostname "$hostname"
    echo "hello from $(hostname)" >/www/index.html
    hostname >/www/hostname
    [ "$1" = bound ] && echo "tiny: $interface has $ip" >/dev/console
    ;;
esac
