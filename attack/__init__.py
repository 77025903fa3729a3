"""Attacks the command line: hostile input, kills, full disks, races. See `make attack`."""
