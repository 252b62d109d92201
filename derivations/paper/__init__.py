"""The derivations as a document for pdflatex."""
