"""Data collection services: each turns one outside source into rows. The shape is that of the workers."""
