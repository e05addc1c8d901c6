"""The wire: JSON messages, one a line. Bytes become reports, queries and refusals; outcomes become replies."""
