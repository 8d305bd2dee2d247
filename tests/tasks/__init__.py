"""Tasks without a broker: declared, called, encoded, decoded, asked for."""
