"""Limits for the quality of masks: set on one data set, measured on another."""
