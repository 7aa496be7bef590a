"""A libvirtd and a Ceph cluster of their own."""
