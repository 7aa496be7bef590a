"""A guest as libvirt's domain document: one module for each family of devices, `document` lists them in order."""
