"""Tests of the road: one file for each file of shared/."""
