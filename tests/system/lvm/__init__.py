"""A libvirtd with stand-ins for LVM's programs."""
