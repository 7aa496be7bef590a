#!/bin/sh
# The clean part of going down.
echo "tiny: going down" >/dev/console
sync
umount /disk 2>/dev/null
