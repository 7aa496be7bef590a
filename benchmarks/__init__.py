"""What Drover costs, measured on the machine it is run on: ``make bench``."""
