#!/bin/sh
# Every command of the guest's HTTP server; the name it is called by chooses one.
#   uptime                          seconds since boot
#   poweroff, reboot, panic         what they say; the answer leaves first
#   fill?mb=N                       write N MiB to a file on the first disk
#   write?disk=vdb&text=T           write a line to a disk: raw, 1 MiB from its start; to a file on the first disk
#   read?disk=vdb                   read it back
#   disks                           name and size in KiB of every disk
#   disc?disk=sr0                   what hello.txt says on the disc in a drive; nothing when it is empty
#   online                          use every processor that was plugged in, and count them
#   show?path=P                     the first 4 KiB of a file below /proc or /sys
#   pci                             vendor and device of everything on the PCI bus
#   starve                          start the watchdog and do not feed it: it bites within a second
#   deaf                            stop listening to the power button
#   lookup?name=N                   ask the name server
#   reach?host=H&port=P             ask a host by HTTP: "open" if it answers
#   ping?host=H                     "answer" if it does
#   pose?host=H&ip=I&mac=M          ping a host from another's address, with another's hardware address, and ask for it
#                                   by ARP in the other's name; then be oneself again. "caught" when nothing came back
#   posed                           what came of the latest pose
#   address                         addresses of the first interface
value() { echo "$QUERY_STRING" | tr '&' '\n' | sed -n "s/^$1=//p"; }
heard() { ping -c 1 -W 1 ${2:+-I "$2"} "$1" >/dev/null 2>&1; }
pose() {
  host=$(value host) ip=$(value ip) mac=$(value mac) own=$(cat /sys/class/net/eth0/address) came=''
  [ -n "$ip" ] && ip address add "$ip/32" dev eth0
  [ -n "$mac" ] && ip link set eth0 address "$mac"
  heard "$host" "$ip" && came="$came ping"
  arping -q -c 1 -w 1 -I eth0 ${ip:+-s "$ip"} "$host" && came="$came arp"
  [ -n "$mac" ] && ip link set eth0 address "$own"
  [ -n "$ip" ] && ip address delete "$ip/32" dev eth0
  echo "${came:-caught}" >/tmp/posed
}
pci() { for device in /sys/bus/pci/devices/*; do echo "$(cat "$device/vendor"):$(cat "$device/device") $device"; done; }
starve() {
  # Debian's cloud kernel has no driver for an i6300esb. Two stages of half a second each; every write is unlocked first.
  device=$(pci | sed -n 's/^0x8086:0x25ab //p')
  echo 1 >"$device/enable"
  read -r base _ <"$device/resource"
  for stage in 0 4; do
    devmem $((base + 12)) 16 0x80
    devmem $((base + 12)) 16 0x86
    devmem $((base + stage)) 32 0x200
  done
  printf '\002' | dd of="$device/config" bs=1 seek=104 conv=notrunc 2>/dev/null
}
later() { (sleep 0.2; "$@") </dev/null >/dev/null 2>&1 & }
down() { /etc/down; "$1" -f; }

name=${0##*/}
disk=$(value disk)
case "$disk" in
  '' | vda) place=/disk/text skip=0 ;;
  *) place=/dev/$disk skip=2048 ;;
esac
printf 'Content-Type: text/plain\r\nConnection: close\r\n\r\n'
case "$name" in
  uptime | index.cgi) read -r up _ </proc/uptime; echo "${up%.*}" ;;
  poweroff | reboot) later down "$name"; echo "$name" ;;
  panic) echo 1 >/proc/sys/kernel/sysrq; later sh -c 'echo c >/proc/sysrq-trigger'; echo panic ;;
  fill) dd if=/dev/urandom of=/disk/fill bs=1M count="$(value mb)" conv=fsync 2>&1 | tail -n 1 ;;
  write) value text | dd of="$place" bs=512 seek="$skip" conv=notrunc,fsync 2>/dev/null && echo written ;;
  read) dd if="$place" bs=512 skip="$skip" count=1 2>/dev/null | tr -d '\0' | head -n 1 ;;
  pci) pci ;;
  starve) later starve; echo starving ;;
  deaf) kill "$(pidof acpid)" && echo deaf ;;
  reach) printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 2 "$(value host)" "$(value port)" 2>/dev/null | grep -q HTTP && echo open || echo closed ;;
  ping) heard "$(value host)" && echo answer || echo silence ;;
  pose) rm -f /tmp/posed; later pose; echo posing ;;
  posed) cat /tmp/posed 2>/dev/null ;;
  address) ip address show dev eth0 ;;
  lookup) nslookup "$(value name)" 2>&1 ;;
  # Not left mounted: that locks the drive.
  disc) mount -t iso9660 -o ro "/dev/$disk" /disc 2>/dev/null && { cat /disc/hello.txt; umount /disc; } ;;
  online)
    for core in /sys/devices/system/cpu/cpu[1-9]*/online; do [ -e "$core" ] && echo 1 >"$core"; done 2>/dev/null
    grep -c ^processor /proc/cpuinfo
    ;;
  show)
    path=$(value path)
    case "$path" in *..*) ;; /proc/* | /sys/*) head -c 4096 "$path" 2>/dev/null || ls "$path" 2>/dev/null ;; esac
    ;;
  disks) awk '$4 ~ /^[sv]d/ {print $4, $3}' /proc/partitions ;;
esac
