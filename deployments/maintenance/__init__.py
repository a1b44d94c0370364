"""Keep a store healthy: `nightcast fsck` checks and repairs it, `nightcast gc` frees space."""
