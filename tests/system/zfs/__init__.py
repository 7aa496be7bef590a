"""A libvirtd with stand-ins for the programs of ZFS."""
