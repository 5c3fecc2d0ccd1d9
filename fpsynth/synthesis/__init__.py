"""Synthesis: one file per question, each stating a query and turning its solution into a witness."""
