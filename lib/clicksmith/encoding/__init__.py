"""Codecs between Arrow tables and the integer codes that models learn. numpy and pyarrow only."""
