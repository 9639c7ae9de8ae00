"""What one brand sells under one name and builds in different ways: a file each, chosen by the brand's module."""
