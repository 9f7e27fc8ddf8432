"""Plots, tables and pages about trained runs, made from their run folders."""
