"""Datasets in memory: splits, folders of images, tables, and how they are loaded."""
