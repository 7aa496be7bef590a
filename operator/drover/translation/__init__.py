"""libvirt's XML in and out: pure functions between state and text, no I/O, no clock, no libvirt."""
