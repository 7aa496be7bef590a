#!/bin/sh
# The first disk: formatted if it is blank, mounted, and the number of boots written to it before anything else starts.
# The last 64 KiB stay outside the file system: a mark there tells that formatting was begun and not finished.
disk=/dev/vda
sectors=$(cat /sys/block/vda/size)
mark=$((sectors - 128))

sector() { dd if=$disk bs=512 skip="$1" count="$2" 2>/dev/null | tr -d '\0' | head -c 10; }
write_mark() { printf '%-512s' "$1" | dd of=$disk bs=512 seek=$mark conv=notrunc,fsync 2>/dev/null; }

if [ "$(sector $mark 1)" = formatting ] || [ -z "$(sector 0 8)" ]; then
  write_mark formatting
  # Large blocks and few inodes: a fortieth of what there would be to write, which is felt without virtualisation.
  mke2fs -F -b 4096 -i 65536 -L tiny $disk $((mark / 2)) >/dev/null 2>&1
  sync
  write_mark formatted
fi

mkdir -p /disk
mount -t ext4 -o sync,noatime $disk /disk || { echo "tiny: cannot mount $disk" >/dev/console; exit 1; }
[ -s /disk/boots ] || { printf '%-11d\n' 0 >/disk/boots; sync; }
read -r boots </disk/boots
# The same bytes of the same block every time, written through: a power cut leaves the old number or the new one.
printf '%-11d\n' $((boots + 1)) | dd of=/disk/boots conv=notrunc,fsync 2>/dev/null
echo $((boots + 1)) >/www/boots
