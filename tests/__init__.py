"""Tests mirror the tree: shared/ workers/ contract/ infra/ local/ e2e/ bench/."""
