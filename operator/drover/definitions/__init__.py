"""The process that installs and upgrades the CRDs; they come with the program, so both are of one release."""
