"""Networks: graphs of layers over arrays (network.py), the table of layer types (layers/), one file for each foreign format."""
