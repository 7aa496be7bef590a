#!/bin/sh
# Pid 1 of the tiny guest: network, a disk with a boot counter, an HTTP server, a login on the serial line, ACPI.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /run
mount -t devpts pts /dev/pts

say() {
  read -r up _ </proc/uptime
  echo "tiny: $* ($up s)" >/dev/console
}

while read -r module; do insmod "/lib/modules/$module.ko" 2>/dev/null; done </lib/modules/order
say modules loaded
mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null

hostname tiny
/etc/seed mount
ip link set lo up
for path in /sys/class/net/eth*; do
  [ -e "$path" ] || continue
  ip link set "${path##*/}" up
  # -f with -A 1: keep asking every second for as long as it takes, in the background of this script
  udhcpc -i "${path##*/}" -s /etc/dhcp -f -t 3 -T 1 -A 1 >/dev/null 2>&1 &
done
/etc/seed net

[ -b /dev/vda ] && [ "$(cat /sys/block/vda/serial)" != cidata ] && /etc/disk
say "$(cat /www/boots) boots counted"

httpd -h /www -p 80
acpid -d -c /etc/acpi </dev/null >/dev/null 2>&1 &
/etc/seed run
say ready

# The serial line has another name on each architecture.
line=$(sed 's/.* //' /sys/class/tty/console/active)
while :; do setsid getty -L 115200 "$line" vt100 </dev/null; done
