"""The recurrent network and its parts: encoder, readout, decoder, learned cycle and head."""
