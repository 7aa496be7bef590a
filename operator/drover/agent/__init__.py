"""PROCESS: the agent of one node; it makes libvirt agree with the Domains of its node and reports what is there."""
