"""One page with everything: verdicts, tables, figures, proofs, and where the numbers come from."""
