"""What the recipes stand on: options, commands, run folders, reports.

A recipe imports these functions and dataclasses; the package itself imports
none of them. Packages that only recipes need load where they are used.
"""
