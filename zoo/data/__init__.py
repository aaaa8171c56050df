"""Datasets: splits, folders of images, tables, and how they are loaded."""
